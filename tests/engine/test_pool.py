"""Whatever is sent: nothing is created, nothing lost, and a batch can be undone."""

import copy
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN_ID, Desk
from trading.engine.effects import Effects

sizes = st.one_of(
    st.integers(1, 3_000).map(lambda lots: {"quantity_units": lots * 1_000_000}),
    st.integers(1, 400).map(lambda usd: {"cash": usd}),
)
orders = st.fixed_dictionaries(
    {
        "investor": st.sampled_from([ALICE, BOB, CAROL]),
        "side": st.sampled_from(["buy", "sell"]),
        "size": sizes,
        "price": st.one_of(st.none(), st.integers(90, 110)),
        "time_in_force": st.sampled_from(["gtc", "gtc", "ioc", "fok"]),
        "post_only": st.booleans(),
    }
)
cancels = st.integers(0, 40)
blocks = st.sampled_from(["block", "allow"])
steps = st.lists(st.one_of(orders, orders, cancels, blocks), max_size=50)


def do(desk: Desk, placed: list[Any], step: Any) -> None:
    if isinstance(step, str):
        known = replace(desk.pool.eligibility[ALICE], may_buy=step == "allow")
        desk.pool.set_eligibility(ALICE, known, desk.effects)
    elif isinstance(step, int):
        if step < len(placed) and placed[step].id in desk.pool.orders:
            desk.cancel(placed[step])
    else:
        fields = {**step["size"], "time_in_force": step["time_in_force"]}
        if step["price"] is not None:
            fields |= {"price": step["price"], "post_only": step["post_only"]}
        placed.append(desk.place(step["investor"], step["side"], **fields))


def state(desk: Desk) -> Any:
    book = desk.market.book
    return copy.deepcopy(
        (
            {key: (funds.posted, funds.held) for key, funds in desk.pool.funds.items()},
            [
                (order.id, order.leaves, order.held, order.fee_millionths, order.status)
                for side in (book.bids, book.asks)
                for level in side
                for order in level
            ],
            (desk.market.event_seq, desk.market.book_seq, desk.market.trade_no),
            sorted(desk.pool.orders),
        )
    )


@settings(max_examples=300, deadline=None)
@given(steps, st.sampled_from([(0, 0), (1_000, 2_500), (99_999, 1), (1, 99_999)]))
def test_cash_and_tokens_are_conserved_and_holds_match_orders(
    steps: list[Any], fees: tuple[int, int]
) -> None:
    desk = Desk(maker_fee_e6=fees[0], taker_fee_e6=fees[1])
    before = {asset: total(desk, asset) for asset in (CASH_ID, TOKEN_ID)}
    placed: list[Any] = []

    for step in steps:
        with suppress(Refusal):
            do(desk, placed, step)
        desk.pool.check_invariants()
        taken = sum(t.buyer_fee + t.seller_fee for t in desk.effects.trades)
        assert total(desk, TOKEN_ID) == before[TOKEN_ID]
        assert total(desk, CASH_ID) == before[CASH_ID] - taken

    assert all(t.buyer_fee >= 0 and t.seller_fee >= 0 for t in desk.effects.trades)
    assert all(t.buyer.owner_group != t.seller.owner_group for t in desk.effects.trades)
    for order in placed:
        if order.cash is not None and order.is_buy:
            assert order.filled_cash + order.fee <= order.cash, "a budget includes the fee"


def total(desk: Desk, asset: int) -> int:
    return sum(funds.posted for (_, of), funds in desk.pool.funds.items() if of == asset)


@settings(max_examples=200, deadline=None)
@given(steps, steps)
def test_a_batch_that_is_rolled_back_leaves_no_trace(
    committed: list[Any], undone: list[Any]
) -> None:
    desk = Desk()
    placed: list[Any] = []
    for step in committed:
        with suppress(Refusal):
            do(desk, placed, step)
    before = state(desk)

    desk.effects = Effects(2, 1_001.0)
    for step in undone:
        with suppress(Refusal):
            do(desk, placed, step)
    desk.effects.close_books()
    desk.effects.roll_back()

    assert state(desk) == before
    desk.pool.check_invariants()
