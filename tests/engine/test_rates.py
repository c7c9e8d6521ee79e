"""Who pays which fee: the most specific schedule, its tiers, and what orders freeze of it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, RULES, TOKEN, USD, Desk
from trading.commands import AmendOrder
from trading.engine.market import Rules
from trading.engine.rates import FOUND_MAX, Rates, Schedule, Tier

ACME, OTHER = 7, 8
LISTING = Rules(**RULES)
EVERYBODY = Schedule(None, None, 10.0, (Tier(0, 900, 2_000), Tier(1_000, 500, 1_500)))
FOR_LISTING = Schedule(None, LISTING.id, 10.0, (Tier(0, 800, 1_900),))
FOR_PARTNER = Schedule(ACME, None, 10.0, (Tier(0, 700, 1_800),))
FOR_BOTH = Schedule(ACME, LISTING.id, 10.0, (Tier(0, 600, 1_700),))


def test_without_a_schedule_the_listings_own_rates_are_the_fee() -> None:
    assert Rates().of(ALICE, None, LISTING) == (1_000, 2_500)
    assert Rates([EVERYBODY], now=9.9).of(ALICE, ACME, LISTING) == (1_000, 2_500)


@pytest.mark.parametrize(
    ("schedules", "rates"),
    [
        ([EVERYBODY], (900, 2_000)),
        ([EVERYBODY, FOR_LISTING], (800, 1_900)),
        ([EVERYBODY, FOR_LISTING, FOR_PARTNER], (700, 1_800)),
        ([EVERYBODY, FOR_LISTING, FOR_PARTNER, FOR_BOTH], (600, 1_700)),
    ],
)
def test_the_most_specific_schedule_counts(
    schedules: list[Schedule], rates: tuple[int, int]
) -> None:
    assert Rates(schedules[::-1], now=10.0).of(ALICE, ACME, LISTING) == rates


def test_one_partners_schedule_is_nobody_elses() -> None:
    rates = Rates([FOR_PARTNER, FOR_BOTH], now=10.0)

    assert rates.of(ALICE, OTHER, LISTING) == rates.of(ALICE, None, LISTING) == (1_000, 2_500)


@pytest.mark.parametrize(
    ("volume", "rates"), [(0, (900, 2_000)), (999, (900, 2_000)), (1_000, (500, 1_500))]
)
def test_a_tier_begins_with_its_volume(volume: int, rates: tuple[int, int]) -> None:
    assert Rates([EVERYBODY], {ALICE: volume}, now=10.0).of(ALICE, None, LISTING) == rates


def test_a_later_schedule_takes_over_at_its_moment_and_an_empty_one_ends_it() -> None:
    later = EVERYBODY._replace(valid_from=20.0, tiers=(Tier(0, 1, 2),))
    end = EVERYBODY._replace(valid_from=30.0, tiers=())
    rates = Rates([end, later, EVERYBODY], now=10.0)
    seen = []
    for now in (19.0, 20.0, 30.0):
        if now >= rates.changes_at:
            rates.advance(now)
        seen.append(rates.of(ALICE, None, LISTING))

    assert seen == [(900, 2_000), (1, 2), (1_000, 2_500)]
    assert rates.changes_at == float("inf")


def test_rates_that_were_found_do_not_outlive_a_partner_and_are_bounded() -> None:
    rates = Rates([FOR_PARTNER, EVERYBODY], now=10.0)
    assert rates.of(ALICE, ACME, LISTING) == (700, 1_800)
    assert rates.of(ALICE, None, LISTING) == (900, 2_000)

    for investor in range(FOUND_MAX + 10):
        rates.of(investor, None, LISTING)

    assert len(rates._found) <= FOUND_MAX


def test_an_order_is_judged_by_the_rates_of_its_moment_and_rests_at_its_own(desk: Any) -> None:
    desk.pool.rates = Rates([EVERYBODY], {BOB: 1_000}, now=1_000.0)
    resting = desk.place(BOB, "buy", quantity=1, price=100)
    assert (resting.maker_fee_e6, resting.held) == (500, 100 * USD + 50_000)

    desk.pool.rates = Rates([EVERYBODY, FOR_LISTING], now=1_000.0)
    sold = desk.place(ALICE, "sell", quantity=1, price=100)

    assert (sold.fee, resting.fee) == (190_000, 50_000)
    assert desk.cash(BOB) == (10_000 * USD - 100_050_000, 0)


def test_funds_are_judged_by_the_dearer_rate_and_held_at_the_makers(desk: Any) -> None:
    desk.pool.rates = Rates([Schedule(None, None, 0.0, (Tier(0, 100_000, 0),))], now=1.0)

    with pytest.raises(Refusal, match="less available"):
        desk.place(ALICE, "buy", quantity=99, price=100)
    order = desk.place(ALICE, "buy", quantity=90, price=100)

    assert order.held == 9_900 * USD


def flat(maker: int, taker: int) -> Rates:
    return Rates([Schedule(None, None, 0.0, (Tier(0, maker, taker),))], now=1.0)


def test_an_amended_order_takes_at_the_rate_of_its_amendment(desk: Any) -> None:
    desk.place(BOB, "sell", quantity=1, price=100)
    desk.pool.rates = flat(0, 100)
    order = desk.place(ALICE, "buy", quantity=1, price=90)
    desk.pool.rates = flat(0, 2_000)

    desk.pool.amend(
        AmendOrder(investor_id=ALICE, order_id=order.id, price_units=100 * USD), desk.effects
    )

    assert (order.status, order.fee) == ("filled", 200_000)


@pytest.mark.parametrize(("later", "fee"), [(9_000, 100_000), (400, 40_000)])
def test_a_triggered_order_takes_at_the_rate_of_its_moment_or_the_one_it_held_for(
    desk: Any, later: int, fee: int
) -> None:
    """A dearer one would not be covered, and a stop must not fail for that."""
    desk.pool.rates = flat(0, 1_000)
    stop = desk.place(
        ALICE, "buy", quantity=1, type="stop_loss_limit", price=100, trigger_price_units=95 * USD
    )
    assert (stop.status, stop.held) == ("untriggered", 100 * USD + 100_000)
    desk.place(BOB, "sell", quantity=2, price=100)
    desk.pool.rates = flat(0, later)

    desk.place(CAROL, "buy", quantity=1, price=100)

    assert (stop.status, stop.fee) == ("filled", fee)
    desk.pool.check_invariants()


def test_what_closes_a_fill_has_the_rates_of_that_moment(desk: Any) -> None:
    desk.pool.rates = flat(300, 1_000)
    entry = desk.place(ALICE, "buy", quantity=1, price=100, close_stop_loss_units=90 * USD)
    desk.pool.rates = flat(200, 900)

    desk.place(BOB, "sell", quantity=1, price=100)

    child = next(order for order in desk.pool.orders.values() if order is not entry)
    assert (entry.maker_fee_e6, child.maker_fee_e6, child.taker_fee_e6) == (300, 200, 900)


def test_what_free_trading_costs_is_nothing(desk: Any) -> None:
    desk.pool.rates = Rates([Schedule(None, None, 0.0, (Tier(0, 0, 0),))], now=1.0)
    desk.place(BOB, "sell", quantity=1, price=100)
    bought = desk.place(ALICE, "buy", cash=100)

    assert (bought.status, bought.filled, bought.fee) == ("filled", TOKEN, 0)


rate = st.integers(0, 100_000)
tiers = st.lists(st.tuples(rate, rate), min_size=1, max_size=3)
step = st.tuples(
    st.sampled_from([ALICE, BOB, CAROL]),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 300),  # hundredths of a token
    st.integers(95, 105),
    st.none() | tiers,
)


@given(st.lists(step, max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_the_rates_become_holds_cover_them_and_nothing_is_lost(
    steps: list[tuple[int, str, int, int, Any]],
) -> None:
    desk = Desk()
    before = sum(desk.cash(each)[0] for each in (ALICE, BOB, CAROL))
    for investor, side, hundredths, price, changed in steps:
        if changed is not None:
            made = tuple(Tier(number * 1_000, *each) for number, each in enumerate(changed))
            desk.pool.rates = Rates(
                [Schedule(None, None, 0.0, made)], {BOB: 1_000, CAROL: 5_000}, now=1.0
            )
        try:
            desk.place(investor, side, quantity=hundredths / 100, price=price)
        except Refusal:
            continue
        desk.pool.check_invariants()
    fees = sum(trade.buyer_fee + trade.seller_fee for trade in desk.effects.trades)

    assert all(trade.buyer_fee >= 0 <= trade.seller_fee for trade in desk.effects.trades)
    assert sum(desk.cash(each)[0] for each in (ALICE, BOB, CAROL)) + fees == before
