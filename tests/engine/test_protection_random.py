"""Whatever is sent and however prices move: nothing trades outside the band, nothing is lost."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN_ID
from tests.engine.guarded import GuardedDesk
from trading.engine.protection import band_around, width_e6
from trading.states import MarketPhase

orders = st.fixed_dictionaries(
    {
        "investor": st.sampled_from([ALICE, BOB, CAROL]),
        "side": st.sampled_from(["buy", "sell"]),
        "quantity": st.integers(1, 5),
        "price": st.one_of(st.none(), st.integers(80, 120)),
        "time_in_force": st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok"]),
    }
)
waits = st.sampled_from([1, 15, 31, 60, 301])
outside = st.integers(85, 115).map(lambda dollars: ("price", dollars))
halts = st.sampled_from([("halt", "T1"), ("halt", "")])
steps = st.lists(st.one_of(orders, orders, orders, waits, outside, halts), max_size=40)


def do(desk: GuardedDesk, step: Any) -> None:
    if isinstance(step, dict):
        fields = {key: step[key] for key in ("quantity", "time_in_force")}
        if step["price"] is not None:
            fields["price"] = step["price"]
        desk.place(step["investor"], step["side"], **fields)
    elif isinstance(step, int):
        desk.wait(step)
    elif step[0] == "price":
        desk.price = step[1]
        desk.wait(1)
    else:
        desk.halt = step[1]
        desk.wait(1)


def check_trades(desk: GuardedDesk) -> None:
    """Trades lie in the band of their batch."""
    low, high = desk.market.guard.low, desk.market.guard.high
    assert all(low <= record.execution.price <= high for record in desk.effects.trades)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_no_trade_lies_outside_the_band_and_all_can_be_undone(steps: list[Any]) -> None:
    desk = GuardedDesk(maker_fee_e6=1_000, taker_fee_e6=2_500)
    totals = {asset: total(desk, asset) for asset in (CASH_ID, TOKEN_ID)}
    fees = 0
    for step in steps:
        was_auction = desk.phase == MarketPhase.AUCTION
        with suppress(Refusal):
            do(desk, step)
        if not was_auction:  # an auction's own price lies in a wider one
            check_trades(desk)
        desk.pool.check_invariants()
        fees += sum(trade.buyer_fee + trade.seller_fee for trade in desk.effects.trades)
        assert total(desk, TOKEN_ID) == totals[TOKEN_ID]
        assert total(desk, CASH_ID) == totals[CASH_ID] - fees


def total(desk: GuardedDesk, asset: int) -> int:
    return sum(funds.posted for (_, of), funds in desk.pool.funds.items() if of == asset)


@settings(max_examples=100, deadline=None)
@given(steps, waits)
def test_a_batch_that_is_undone_leaves_the_market_as_it_was(steps: list[Any], wait: int) -> None:
    desk = GuardedDesk()
    for step in steps:
        with suppress(Refusal):
            do(desk, step)
    before = picture(desk)

    desk.wait(wait)
    desk.effects.roll_back()

    assert picture(desk) == before


def picture(desk: GuardedDesk) -> Any:
    market = desk.market
    book = [
        (order.id, order.leaves, order.held, order.status)
        for side in (market.book.bids, market.book.asks)
        for level in side
        for order in level
    ]
    funds = {key: (each.posted, each.held) for key, each in desk.pool.funds.items()}
    counters = (market.event_seq, market.book_seq, market.trade_no)
    return market.guard, market.reference, book, funds, counters, desk.pool.outlook.due_at


@given(st.integers(1, 10**12), st.integers(1, 999_999), st.sampled_from([1, 100, 10_000]))
def test_a_band_lies_within_its_width_on_the_tick(reference: int, width: int, tick: int) -> None:
    low, high = band_around(reference, width, tick)

    assert low % tick == high % tick == 0
    assert low >= tick
    assert (reference - low) * 10**6 <= reference * width or low == tick
    assert (high - reference) * 10**6 <= reference * width or high == tick


def test_without_a_calendar_the_band_is_the_tier() -> None:
    assert width_e6(100_000, 500_000, None, 0.0) == 100_000
    assert width_e6(100_000, 50_000, None, 0.0) == 50_000, "never beyond the collar"
