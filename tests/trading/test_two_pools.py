"""Two pools, each with its listings and its engine: commands find theirs, units move between."""

import asyncio
import io
import time
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from custody.models import Asset, LedgerAccount
from custody.pages import list_holdings
from custody.verification.run import verify_ledger
from kernel import clock
from kernel.ids import uuid7
from reference.models import Instrument
from tests.trading.conftest import TOKEN, USD, Venue
from trading import operations, order_entry
from trading.commands import Answer, CancelOrder
from trading.engine.refusals import InsufficientFunds
from trading.models import Order
from trading.pool_routes import merge

SECOND = 2
BOTH = {"AAPLx": 1, "IBMx": 1}


@pytest.fixture(autouse=True)
async def _close_lines() -> Any:
    yield
    await order_entry.close()


@pytest.fixture
def second(venue: Venue) -> Venue:
    """Another share, listed in a pool of its own."""
    call_command("add_pool", "2")
    instrument = Instrument.objects.create(
        ticker="IBM",
        name="IBM",
        kind="stock",
        exchange="XNYS",
        isin="US4592001014",
        isin_source="test",
        price_feed_id="b" * 64,
        price_source="simulated",
    )
    token = Asset.objects.create(
        code="IBMx", name="IBM token", kind="token", decimals=8, instrument=instrument
    )
    share = Asset.objects.create(
        code="IBM", name="IBM share", kind="share", decimals=9, instrument=instrument
    )
    listing = operations.create_listing(
        asset_id=token.pk, quote_id=venue.cash.pk, now=clock.now(), pool_id=SECOND
    )
    return replace(venue, listing=listing, token=token, share=share)


@pytest.fixture
def engines(start_engine: Any, second: Venue) -> None:
    start_engine()
    start_engine(pool_id=SECOND)


async def move(investor_id: int, asset: Asset, units: int, key: str = "once") -> None:
    await sync_to_async(call_command)(
        "move_between_pools",
        *("--investor", str(investor_id), "--asset", asset.code, "--units", str(units)),
        *("--from", "1", "--to", str(SECOND), "--key", key),
        stdout=io.StringIO(),
    )


def trading_cash(investor_id: int, pool: int) -> int:
    found = LedgerAccount.objects.filter(
        owner_id=investor_id, asset__code="USDC", purpose="trading", pool=pool
    ).first()
    return found.posted_units if found else 0


async def assert_clean() -> None:
    report = await sync_to_async(verify_ledger)()
    assert report.is_clean, report.differences


@pytest.mark.usefixtures("engines")
async def test_orders_and_cancels_find_the_pool_of_their_listing(
    venue: Venue, second: Venue
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000, accepted=BOTH)
    bob = await sync_to_async(venue.investor)("Bob", accepted=BOTH)
    await sync_to_async(second.fund)(bob, second.token, 10 * TOKEN, pool=SECOND)
    await move(alice, venue.cash, 500 * USD)

    in_first = venue.order(alice, "buy", quantity=1, price=90)
    in_second = second.order(alice, "buy", quantity=1, price=200, client_order_id="mine")
    placed = await asyncio.gather(order_entry.place(in_first), order_entry.place(in_second))
    assert [view.status for view in placed] == ["open", "open"]

    sold = await order_entry.place(second.order(bob, "sell", quantity=0.5, price=200))
    assert sold.status == "filled"
    by_own_id = CancelOrder(investor_id=alice, client_order_id="mine")
    assert (await order_entry.cancel(by_own_id)).filled_units == TOKEN // 2
    canceled = await order_entry.cancel(CancelOrder(investor_id=alice, order_id=in_first.id))
    assert canceled.status == "canceled"
    await assert_clean()


@pytest.mark.usefixtures("engines")
async def test_another_process_finds_an_order_s_pool_in_the_database(
    venue: Venue, second: Venue
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000, accepted=BOTH)
    await move(alice, venue.cash, 500 * USD)
    order = second.order(alice, "buy", quantity=1, price=200)
    await order_entry.place(order)
    await order_entry.close()  # what this process knew of it is gone

    canceled = await order_entry.cancel(CancelOrder(investor_id=alice, order_id=order.id))

    assert canceled.status == "canceled"


@pytest.mark.usefixtures("engines")
async def test_cash_moves_between_pools_and_is_one_balance(venue: Venue, second: Venue) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000, accepted=BOTH)
    too_much = second.order(alice, "buy", quantity=1, price=100)
    with pytest.raises(InsufficientFunds):
        await order_entry.place(too_much)

    await move(alice, venue.cash, 400 * USD)
    await move(alice, venue.cash, 400 * USD)  # the same key: it is done already

    cash = [await sync_to_async(trading_cash)(alice, pool) for pool in (1, SECOND)]
    assert cash == [600 * USD, 400 * USD]
    holdings = await sync_to_async(list_holdings)(investor_id=alice)
    assert [each.available_units for each in holdings if each.asset == venue.cash] == [1_000 * USD]
    order = second.order(alice, "buy", quantity=1, price=100)
    assert (await order_entry.place(order)).status == "open"
    with pytest.raises(CommandError, match="less available"):
        await move(alice, venue.cash, 700 * USD, key="too much")
    await assert_clean()


@pytest.mark.usefixtures("engines")
async def test_whoever_may_no_longer_buy_loses_orders_in_every_pool(
    venue: Venue, second: Venue
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000, accepted=BOTH)
    await move(alice, venue.cash, 500 * USD)
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
    await order_entry.place(second.order(alice, "buy", quantity=1, price=200))

    await sync_to_async(venue.allow)(alice, may_buy=False, accepted=BOTH)

    deadline = time.monotonic() + 30
    while await sync_to_async(Order.objects.filter(status="open").exists)():
        assert time.monotonic() < deadline, "an engine was not told"
        await asyncio.sleep(0.05)
    await assert_clean()


def test_the_answers_of_all_pools_are_one() -> None:
    id = uuid7()
    counts = [Answer(id, details={"count": str(count)}) for count in (2, 0, 3)]

    assert merge(counts).details == {"count": "5"}
    assert merge([*counts, Answer(id, code="overloaded")]).code == "overloaded"


def test_the_first_pool_is_not_added() -> None:
    with pytest.raises(CommandError, match="between 2 and"):
        call_command("add_pool", "1")
