"""From the command to the commit: what an order does to balances and to the book."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from kernel.refusals import NotFound
from trading import order_entry, queries
from trading.commands import CancelOrder
from trading.engine.refusals import InsufficientFunds, NotEligible, OrderNotOpen


async def on_db(work: Any, *arguments: Any, **named: Any) -> Any:
    return await sync_to_async(work)(*arguments, **named)


async def test_a_limit_buy_holds_its_cost_and_a_crossing_sell_fills_it(
    venue: Any, engine: Any
) -> None:
    alice = await on_db(venue.investor, "Alice", usd=1_000)
    bob = await on_db(venue.investor, "Bob", tokens=10)

    resting = await order_entry.place(venue.order(alice, "buy", quantity=2, price=100))
    assert (resting.status, resting.held_units) == ("open", 200_200_000)

    sold = await order_entry.place(venue.order(bob, "sell", quantity=2, price=99))
    assert (sold.status, sold.filled_units, sold.average_price_units) == (
        "filled",
        2 * 10**8,
        100_000_000,
    )
    # Alice rested and paid 0.1 %, Bob took and paid 0.25 %; nothing stays held.
    assert await on_db(venue.balance, alice, venue.cash) == (799_800_000, 0)
    assert await on_db(venue.balance, alice, venue.token) == (2 * 10**8, 0)
    assert await on_db(venue.balance, bob, venue.cash) == (199_500_000, 0)
    assert await on_db(venue.balance, bob, venue.token) == (8 * 10**8, 0)
    found = await order_entry.get_order(investor_id=alice, order_id=resting.id)
    assert (found.status, found.fee_units) == ("filled", 200_000)
    trades = await on_db(queries.list_trades, investor_id=bob)
    assert [(t.role, t.fee_units, t.trade_no) for t in trades] == [("taker", 500_000, 1)]


async def test_a_cancel_releases_everything_that_was_held(venue: Any, engine: Any) -> None:
    alice = await on_db(venue.investor, "Alice", usd=1_000)
    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    canceled = await order_entry.cancel(CancelOrder(investor_id=alice, order_id=order.id))

    assert (canceled.status, canceled.held_units) == ("canceled", 0)
    assert await on_db(venue.balance, alice, venue.cash) == (1_000_000_000, 0)
    with pytest.raises(OrderNotOpen):
        await order_entry.cancel(CancelOrder(investor_id=alice, order_id=order.id))


async def test_nobody_cancels_the_order_of_another(venue: Any, engine: Any) -> None:
    alice = await on_db(venue.investor, "Alice", usd=1_000)
    mallory = await on_db(venue.investor, "Mallory")
    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    with pytest.raises(NotFound):
        await order_entry.cancel(CancelOrder(investor_id=mallory, order_id=order.id))

    assert (await order_entry.get_order(investor_id=alice, order_id=order.id)).status == "open"


async def test_an_order_beyond_the_available_funds_is_refused_and_kept_with_its_reason(
    venue: Any, engine: Any
) -> None:
    alice = await on_db(venue.investor, "Alice", usd=100)
    command = venue.order(alice, "buy", quantity=1, price=100)  # the fee is missing

    with pytest.raises(InsufficientFunds):
        await order_entry.place(command)

    kept = await order_entry.get_order(investor_id=alice, order_id=command.id)
    assert (kept.status, kept.reason) == ("refused", "insufficient_funds")


async def test_who_may_only_reduce_sells_and_does_not_buy(venue: Any, engine: Any) -> None:
    bob = await on_db(venue.investor, "Bob", usd=1_000, tokens=5, may_buy=False)

    with pytest.raises(NotEligible):
        await order_entry.place(venue.order(bob, "buy", quantity=1, price=100))
    sell = await order_entry.place(venue.order(bob, "sell", quantity=1, price=100))

    assert sell.status == "open"
