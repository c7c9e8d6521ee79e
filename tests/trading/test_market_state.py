"""A halt, its reason and its end reach those who watch, without asking again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from kernel import clock
from reference.models import ReferencePrice
from reference.sessions import NEW_YORK
from tests.trading.test_websocket import _close_clients, ask, next_of, socket  # noqa: F401
from trading import market_data, operations
from trading.market_state import MarketState, read_states
from trading.models import ListingPhase
from trading.states import ListingState

SYMBOL = "AAPLxUSDC"


@pytest.fixture
def price(venue: Any) -> ReferencePrice:
    """A fresh price of the share."""
    now = clock.now()
    return ReferencePrice.objects.create(
        instrument=venue.token.instrument, price_per_share_micros=238_000_000,
        confidence_micros=10_000, published_at=now, received_at=now, session="regular",
        trade_date=now.date(),
    )  # fmt: skip


async def watch() -> tuple[Any, dict[str, Any]]:
    """A socket that has subscribed to the ticker, and its snapshot."""
    watcher = socket()
    await watcher.connect()
    return watcher, await ask(watcher, type="subscribe", channel="ticker", listing=SYMBOL)


async def set_state(venue: Any, state: str, **why: Any) -> None:
    set_listing_state = sync_to_async(operations.set_listing_state)
    await set_listing_state(listing_id=venue.listing.pk, state=state, **why)


async def test_a_halt_is_told_with_its_reason_and_end_and_ends_by_itself(
    venue: Any, price: ReferencePrice, engine: Any
) -> None:
    watcher, snapshot = await watch()
    assert (snapshot["state"], snapshot["takes_orders"]) == ("online", True)

    until = clock.now() + timedelta(hours=2)
    await set_state(venue, ListingState.HALTED, reason="The issuer has news.", until=until)

    told = await next_of(watcher, channel="ticker", state="halted")
    assert told["state_reason"] == "The issuer has news."
    assert told["state_until"].startswith(until.isoformat()[:19])
    assert (told["limited_by"], told["takes_orders"]) == ("halted", False)
    assert (told["takes_market_orders"], told["takes_buys"]) == (False, False)

    await set_state(venue, ListingState.ONLINE, reason="")
    told = await next_of(watcher, channel="ticker", state="online")
    assert (told["takes_orders"], told["state_until"]) == (True, None)
    await watcher.disconnect()


@pytest.mark.parametrize(
    ("state", "taken"),
    [
        ("cancel_only", (False, False, False)),
        ("limit_only", (True, False, True)),
        ("reduce_only", (True, True, False)),
        ("auction", (True, False, True)),
    ],
)
@pytest.mark.usefixtures("price", "engine")
async def test_each_state_says_what_is_still_taken(
    venue: Any, state: str, taken: tuple[bool, bool, bool]
) -> None:
    watcher, _ = await watch()

    await set_state(venue, state, reason="a test")

    told = await next_of(watcher, channel="ticker", state=state)
    fields = ("takes_orders", "takes_market_orders", "takes_buys")
    assert tuple(told[name] for name in fields) == taken
    await watcher.disconnect()


async def test_a_halt_of_the_share_is_told_when_it_begins_and_when_it_ends(
    venue: Any, price: ReferencePrice, engine: Any
) -> None:
    watcher, _ = await watch()
    rows = ReferencePrice.objects.filter(pk=price.pk)

    await sync_to_async(rows.update)(is_halted=True, halt_reason="news pending")
    told = await next_of(watcher, channel="ticker", share_halted=True)
    assert (told["limited_by"], told["share_halt_reason"]) == ("share_halted", "news pending")
    assert (told["state"], told["takes_orders"]) == ("online", False)

    await sync_to_async(rows.update)(is_halted=False, halt_reason="")
    assert (await next_of(watcher, channel="ticker", share_halted=False))["takes_orders"]
    await watcher.disconnect()


async def test_what_no_engine_tells_is_found_by_looking(
    venue: Any, price: ReferencePrice, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old price, or a halt while the engine is away."""
    monkeypatch.setattr(market_data, "STATES_REFRESH_SECONDS", 0.05)
    watcher, snapshot = await watch()
    assert snapshot["limited_by"] == ""

    rows = ReferencePrice.objects.filter(pk=price.pk)
    await sync_to_async(rows.update)(published_at=clock.now() - timedelta(days=30))

    told = await next_of(watcher, channel="ticker", reference_stale=True)
    assert (told["limited_by"], told["takes_orders"]) == ("reference_stale", False)
    await watcher.disconnect()


NOON = datetime(2026, 11, 24, 12, tzinfo=NEW_YORK)


def found_at(now: datetime) -> MarketState:
    return read_states([SYMBOL], now=now)[SYMBOL]


def test_a_price_just_grown_old_is_told_before_it_stops_anything(
    venue: Any, price: ReferencePrice
) -> None:
    rows = ReferencePrice.objects.filter(pk=price.pk)
    rows.update(published_at=NOON - timedelta(seconds=61))
    state = found_at(NOON)
    assert (state.is_stale, state.limited_by, state.takes_orders) == (True, "reference_stale", True)

    rows.update(published_at=NOON - timedelta(seconds=121))
    assert not found_at(NOON).takes_orders


@pytest.mark.parametrize(
    ("hours", "moment", "opens_at"),
    [
        ("regular", "2026-11-25 17:00", "2026-11-27 09:30"),
        ("24/5", "2026-11-27 18:00", "2026-11-29 20:00"),
        ("24/5", "2026-11-27 16:30", None),
        ("24/7", "2026-11-28 12:00", None),
    ],
)
def test_a_listing_says_when_its_hours_begin_again(
    venue: Any, hours: str, moment: str, opens_at: str | None
) -> None:
    operations.set_protection(listing_id=venue.listing.pk, hours=hours)

    state = found_at(datetime.fromisoformat(moment).replace(tzinfo=NEW_YORK))

    wanted = opens_at and datetime.fromisoformat(opens_at).replace(tzinfo=NEW_YORK)
    assert state.limited_until == wanted
    assert state.limited_by == ("session_closed" if opens_at else "reference_stale")
    assert state.takes_orders == (opens_at is None), "a missing price alone stops nothing"


def test_a_pause_is_told_with_its_end(venue: Any, price: ReferencePrice) -> None:
    until = NOON + timedelta(minutes=5)
    ListingPhase.objects.create(
        listing=venue.listing, phase="pause", reason="at_upper_band", since=NOON, until=until,
        batch_no=1,
    )  # fmt: skip
    ReferencePrice.objects.filter(pk=price.pk).update(published_at=NOON)

    state = found_at(NOON)

    assert (state.limited_by, state.limited_until) == ("pause", until)
    assert not state.takes_orders
