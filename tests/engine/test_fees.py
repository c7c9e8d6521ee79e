"""The hold covers every fill and fee, whatever the fills' sizes and prices."""

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.engine.fees import buy_hold, cash_floor, fee_of_fill, quantity_for


@settings(max_examples=500)
@given(
    price=st.integers(1_000_000, 10**10),
    fills=st.lists(
        st.tuples(st.integers(1, 10**9), st.integers(0, 100), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    rates=st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)),
)
def test_many_small_fills_never_cost_more_than_was_held(
    price: int, fills: list[tuple[int, int, bool]], rates: tuple[int, int]
) -> None:
    leaves = sum(units for units, _, _ in fills)
    held = buy_hold(price, leaves, 0, max(rates))
    millionths = 0

    for units, better_percent, is_maker in fills:
        cash = cash_floor(price * (100 - better_percent) // 100, units)
        millionths, fee = fee_of_fill(millionths, cash, rates[0] if is_maker else rates[1])
        leaves -= units
        needed = buy_hold(price, leaves, millionths, max(rates)) if leaves else 0
        assert held - cash - fee >= needed, "what is left of the hold covers what may still come"
        held = needed


def test_ten_fills_of_one_unit_pay_one_rounded_fee_and_not_ten() -> None:
    millionths, paid = 0, 0
    for _ in range(10):
        millionths, fee = fee_of_fill(millionths, 1, 2_500)
        paid += fee

    assert paid == 1


@given(
    budget=st.integers(0, 10**13),
    price=st.integers(1_000_000, 10**10),
    rate=st.integers(0, 100_000),
)
def test_a_budget_buys_the_most_lots_it_can_pay_for(budget: int, price: int, rate: int) -> None:
    quantity = quantity_for(budget, price, rate, 100)

    assert quantity % 100 == 0
    assert quantity == 0 or buy_hold(price, quantity, 0, rate) <= budget
    # The next lot but two is out of reach: the estimate errs by two roundings at most.
    assert buy_hold(price, quantity + 300, 0, rate) > budget
