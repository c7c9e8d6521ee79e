"""The market maker's quotes as values."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox.quoting import Manner, Quote, Rules, has_moved, wanted_quotes

RULES = Rules(tick_units=10_000, lot_units=100, cash_min_units=1_000_000, fee_e6=2_500)
MANNER = Manner(levels=3)
TOKEN = 10**8


def quotes(reference: int, cash: int, tokens: int) -> list[Quote]:
    return wanted_quotes(
        reference_units=reference,
        cash_budget_units=cash,
        token_budget_units=tokens,
        rules=RULES,
        manner=MANNER,
        seed="1:AAPLxUSDC",
    )


def test_both_sides_stand_around_the_reference_best_first() -> None:
    found = quotes(231_070_000, 10**12, 10**12)

    bids = [quote.price_units for quote in found if quote.side == "buy"]
    asks = [quote.price_units for quote in found if quote.side == "sell"]
    assert len(bids) == len(asks) == 3
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < 231_070_000 < asks[0]


def test_the_same_seed_shows_the_same_quotes() -> None:
    assert quotes(100_000_000, 10**12, 10**12) == quotes(100_000_000, 10**12, 10**12)


def test_nothing_is_shown_that_the_listing_would_refuse_as_too_small() -> None:
    assert quotes(100_000_000, 900_000, 0) == []


@given(reference=st.integers(1, 10**10), cash=st.integers(0, 10**12), tokens=st.integers(0, 10**13))
def test_quotes_keep_to_the_rules_and_to_the_budget(reference: int, cash: int, tokens: int) -> None:
    held = {"buy": 0, "sell": 0}
    for quote in quotes(reference, cash, tokens):
        assert quote.price_units > 0
        assert quote.price_units % RULES.tick_units == 0
        assert quote.quantity_units % RULES.lot_units == 0
        value = quote.quantity_units * quote.price_units
        assert value // TOKEN >= RULES.cash_min_units
        if quote.side == "buy":
            cost = -(-value // TOKEN)
            held["buy"] += cost + -(-cost * RULES.fee_e6 // 1_000_000)
        else:
            held["sell"] += quote.quantity_units
    assert held["buy"] <= cash
    assert held["sell"] <= tokens


def test_small_moves_of_the_reference_leave_the_quotes() -> None:
    assert not has_moved(quoted_units=100_000_000, reference_units=100_100_000, manner=MANNER)
    assert has_moved(quoted_units=100_000_000, reference_units=100_110_000, manner=MANNER)
    assert has_moved(quoted_units=100_000_000, reference_units=99_890_000, manner=MANNER)
