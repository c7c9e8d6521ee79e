"""Facts that change elsewhere take effect at a batch, and pull what they forbid."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from custody import pool_transfers
from custody.models import PoolTransfer
from kernel import clock
from trading import operations, order_entry
from trading.engine import refusals
from trading.models import InboxItem, Order


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()


async def consumed() -> None:
    """Wait until the engine has taken every item."""
    for _ in range(1200):
        waiting = InboxItem.objects.filter(consumed_batch__isnull=True)
        if not await sync_to_async(waiting.exists)():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the inbox is not consumed")


async def status(order_id: Any) -> tuple[str, str]:
    order = await sync_to_async(Order.objects.get)(id=order_id)
    return order.status, order.reason


async def test_a_restriction_pulls_resting_buys_and_leaves_sells(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000, tokens=5)
    bid = await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
    ask = await order_entry.place(venue.order(alice, "sell", quantity=1, price=110))

    await sync_to_async(venue.allow)(alice, may_buy=False)
    await consumed()

    assert await status(bid.id) == ("canceled", "not_eligible")
    assert await status(ask.id) == ("open", "")
    item = await sync_to_async(InboxItem.objects.filter(kind="eligibility").latest)("id")
    pulled = await sync_to_async(Order.objects.get)(id=bid.id)
    assert pulled.batch_no == item.consumed_batch


async def test_a_halt_refuses_new_orders_and_still_lets_old_ones_go(
    venue: Any, engine: Any
) -> None:
    from trading.commands import CancelOrder

    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
    halt = sync_to_async(operations.set_listing_state)
    await halt(listing_id=venue.listing.pk, state="halted", reason="News pending")
    await consumed()

    with pytest.raises(refusals.ListingClosed):
        await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
    canceled = await order_entry.cancel(CancelOrder(investor_id=alice, order_id=order.id))
    assert canceled.status == "canceled"

    await halt(listing_id=venue.listing.pk, state="online", reason="")
    await consumed()
    again = await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
    assert again.status == "open"


async def test_blocking_a_country_pulls_its_buys_and_refuses_new_ones(
    venue: Any, engine: Any
) -> None:
    marie = await sync_to_async(venue.investor)("Marie", usd=1_000, tokens=1, country="FR")
    bid = await order_entry.place(venue.order(marie, "buy", quantity=1, price=90))

    block = sync_to_async(operations.block_country)
    await block(listing_id=venue.listing.pk, country="FR", reason="Not notified there")
    await consumed()

    assert await status(bid.id) == ("canceled", "sell_only")
    with pytest.raises(refusals.SellOnly):
        await order_entry.place(venue.order(marie, "buy", quantity=1, price=90))
    sell = await order_entry.place(venue.order(marie, "sell", quantity=1, price=90))
    assert sell.status == "open", "who holds it may leave"


async def test_units_go_out_only_as_far_as_no_order_holds_them(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    await order_entry.place(venue.order(alice, "buy", quantity=5, price=100))

    def ask_out(units: int) -> PoolTransfer:
        return pool_transfers.request_out(
            investor_id=alice,
            asset_id=venue.cash.pk,
            pool=1,
            units=units,
            purpose="withdrawal",
            key=f"out:{units}",
            now=clock.now(),
        )

    too_much = await sync_to_async(ask_out)(500_000_000)
    enough = await sync_to_async(ask_out)(499_000_000)
    await consumed()

    await sync_to_async(too_much.refresh_from_db)()
    await sync_to_async(enough.refresh_from_db)()
    assert (too_much.state, too_much.reason) == ("refused", "insufficient_funds")
    assert (enough.state, enough.reason) == ("done", "")
    assert enough.done_batch is not None
    assert await sync_to_async(venue.balance)(alice, venue.cash) == (501_000_000, 500_500_000)


async def test_a_new_listing_trades_without_a_restart(venue: Any, engine: Any) -> None:
    from custody.models import Asset

    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    make = sync_to_async(Asset.objects.create)
    tether = await make(code="USDT", name="Tether", kind="stablecoin", decimals=6)
    list_it = sync_to_async(operations.create_listing)
    await list_it(asset_id=venue.token.pk, quote_id=tether.pk, now=clock.now())
    await sync_to_async(venue.fund)(alice, tether, 500_000_000)
    await consumed()

    order = await order_entry.place(
        venue.order(alice, "buy", quantity=1, price=100, listing="AAPLxUSDT")
    )

    assert order.status == "open"
    assert await sync_to_async(venue.balance)(alice, tether) == (500_000_000, 100_100_000)
