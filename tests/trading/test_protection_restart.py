"""What a listing missed while no engine ran: it reopens by an auction all the same."""

from datetime import UTC, datetime
from typing import Any

import pytest

from reference.models import ReferencePrice
from reference.sessions import NEW_YORK
from tests.trading.by_hand import Hand, publish, restart
from tests.trading_database import envelopes
from trading import operations
from trading.models import BookEvent, ListingPhase, Trade

USD = 1_000_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def test_hours_that_begin_while_no_engine_runs_begin_with_an_auction(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 12:00")
    move_to(hand, price, "2026-11-24 20:30")
    hand_driven.process([])
    assert (shut_by(), phase()) == ("session_closed", "continuous")

    move_to(hand, price, "2026-11-25 11:00")
    restart(hand_driven)

    assert_an_auction_opens(venue, hand, price, hand_driven, "session_closed")


def test_a_night_that_passed_while_no_engine_ran_is_found_in_the_calendar(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 15:59")

    move_to(hand, price, "2026-11-25 09:30")
    restart(hand_driven)

    assert_an_auction_opens(venue, hand, price, hand_driven, "session_closed")


def test_a_halt_that_ends_while_no_engine_runs_ends_in_an_auction(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 12:00")
    publish(price, hand.now, is_halted=True, halt_reason="T1")
    hand_driven.process([])
    assert (shut_by(), phase()) == ("share_halted", "continuous")

    restart(hand_driven)
    hand_driven.process([])
    assert phase() == "continuous", "it is halted still"
    publish(price, hand.now, is_halted=False, halt_reason="")
    restart(hand_driven)

    assert_an_auction_opens(venue, hand, price, hand_driven, "share_halted")


def test_a_closure_during_an_auction_lets_it_gather_anew(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 15:59")
    publish(price, hand.now, is_halted=True, halt_reason="T1")
    hand_driven.process([])
    publish(price, hand.now, is_halted=False, halt_reason="")
    hand_driven.process([])
    assert phase() == "auction"

    move_to(hand, price, "2026-11-25 09:30")
    restart(hand_driven)

    assert_an_auction_opens(venue, hand, price, hand_driven, "session_closed")


@pytest.mark.parametrize("minutes", [0, 60])
def test_a_restart_within_the_hours_goes_on_at_once(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any, minutes: int
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 12:00")

    hand.turn(minutes=minutes)
    publish(price, hand.now)
    restart(hand_driven)
    cross(venue, hand_driven, venue.investor("A", usd=1_000), venue.investor("B", tokens=5))

    assert Trade.objects.get().price_units == 99 * USD
    assert not ListingPhase.objects.exists()


def test_a_restart_after_the_auction_goes_on_at_once(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    open_at(venue, hand, price, hand_driven, "2026-11-24 15:59")
    move_to(hand, price, "2026-11-25 09:30")
    restart(hand_driven)
    hand_driven.process([])
    hand.turn(seconds=60)
    publish(price, hand.now)
    hand_driven.process([])
    assert (phase(), shut_by()) == ("continuous", "")

    restart(hand_driven)
    cross(venue, hand_driven, venue.investor("A", usd=1_000), venue.investor("B", tokens=5))

    assert (phase(), Trade.objects.count()) == ("continuous", 1)


def test_a_listing_that_trades_always_goes_on_at_once_after_a_weekend(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    hand.now = at("2026-11-20 15:59")
    publish(price, hand.now)
    hand_driven.process([])

    move_to(hand, price, "2026-11-23 09:30")
    restart(hand_driven)
    hand_driven.process([])

    assert not ListingPhase.objects.exists()


# The steps of the stories above.


def open_at(venue: Any, hand: Hand, price: ReferencePrice, engine: Any, moment: str) -> None:
    """Continuous trading in a listing with regular hours."""
    operations.set_protection(listing_id=venue.listing.pk, hours="regular")
    move_to(hand, price, moment)
    engine.process([])
    assert not ListingPhase.objects.exists()


def move_to(hand: Hand, price: ReferencePrice, moment: str) -> None:
    hand.now = at(moment)
    publish(price, hand.now)


def cross(venue: Any, engine: Any, buyer: int, seller: int) -> None:
    ask = venue.order(seller, "sell", quantity=1, price=99)
    bid = venue.order(buyer, "buy", quantity=1, price=101)
    engine.process(envelopes(ask, bid))


def assert_an_auction_opens(
    venue: Any, hand: Hand, price: ReferencePrice, engine: Any, reason: str
) -> None:
    """From the first batch after a restart: gathering, its indication, one price at its end."""
    buyer, seller = venue.investor("Alice", usd=1_000), venue.investor("Bob", tokens=5)
    cross(venue, engine, buyer, seller)
    row = ListingPhase.objects.get()
    assert (row.phase, row.reason, row.shut_by) == ("auction", reason, "")
    assert (row.until - hand.now).total_seconds() == 60
    assert not Trade.objects.exists()
    events = BookEvent.objects.latest("event_seq").events
    assert [event[2:] for event in events if event[0] == "indication"][-1] == [
        100 * USD, 10**8, 0,
    ]  # fmt: skip

    hand.turn(seconds=59)
    publish(price, hand.now)
    engine.process([])
    assert phase() == "auction"
    hand.turn(seconds=1)
    publish(price, hand.now)
    engine.process([])
    assert phase() == "continuous"
    assert Trade.objects.get().price_units == 100 * USD, "at one price, nearest the reference"


def phase() -> str:
    return ListingPhase.objects.get().phase


def shut_by() -> str:
    return ListingPhase.objects.get().shut_by
