"""Protection with a real engine: it takes effect at a batch, is stored, and survives a restart."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from reference.models import Instrument, ReferencePrice, TradingDay
from tests.trading.by_hand import Hand, make_price, publish, restart
from tests.trading_database import envelopes
from trading import operations
from trading.engine import phases
from trading.models import BookEvent, InboxItem, ListingPhase, MarketBreaker, Order, Trade


def status(command: Any) -> tuple[str, str]:
    order = Order.objects.get(id=command.id)
    return order.status, order.reason


def test_an_episode_is_stored_and_goes_on_after_a_restart(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", tokens=5)
    hand_driven.process([])
    bid = venue.order(alice, "buy", quantity=2, price=110)
    hand_driven.process(envelopes(bid))
    row = ListingPhase.objects.get()
    assert (row.phase, row.reason, row.until) == (
        "limit_state", "at_upper_band", hand.now + timedelta(seconds=15),
    )  # fmt: skip

    hand.turn(seconds=15)
    hand_driven.process([])
    row.refresh_from_db()
    assert (row.phase, row.until) == ("pause", hand.now + timedelta(minutes=5))

    restart(hand_driven)
    hand.turn(minutes=5)
    publish(price, hand.now)
    refused = venue.order(bob, "sell", quantity=1, price=300)
    hand_driven.process(envelopes(refused))
    row.refresh_from_db()
    assert (row.phase, row.reason) == ("auction", "pause")
    assert status(refused) == ("refused", "price_outside_collar")

    ask = venue.order(bob, "sell", quantity=1, price=105)
    hand_driven.process(envelopes(ask))
    assert status(ask) == ("open", "")
    restart(hand_driven)

    hand.turn(seconds=60)
    publish(price, hand.now)
    hand_driven.process([])
    row.refresh_from_db()
    trade = Trade.objects.get()
    assert (row.phase, row.batch_no) == ("continuous", trade.batch_no)
    assert trade.price_units == 105_000_000
    assert trade.maker_fee_units == trade.taker_fee_units == 105_000
    kinds = [
        event[0] for row in BookEvent.objects.order_by("first_event_seq") for event in row.events
    ]
    assert kinds.count("phase") == 4
    assert "indication" in kinds


def test_a_halt_takes_effect_at_the_batch_that_staff_see(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    hand_driven.process([])
    publish(price, hand.now, is_halted=True, halt_reason="T1")
    order = venue.order(alice, "buy", quantity=1, price=99)
    hand_driven.process(envelopes(order))

    assert status(order) == ("refused", "underlying_halted")
    item = InboxItem.objects.filter(kind="reference").latest("id")
    assert item.consumed_batch == Order.objects.get(id=order.id).batch_no

    publish(price, hand.now, is_halted=False, halt_reason="")
    hand_driven.process([])
    assert ListingPhase.objects.get().phase == "auction"


def test_hours_and_the_largest_order_are_read_from_the_listing(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    operations.set_protection(
        listing_id=venue.listing.pk, hours="regular", band_e6=50_000,
        max_cash_units=500_000_000, max_quantity_units=10 * 10**8,
    )  # fmt: skip
    big = venue.order(alice, "buy", quantity=6, price=99)
    beyond = venue.order(alice, "buy", quantity=1, price=106)
    hand_driven.process(envelopes(big, beyond))
    assert status(big) == ("refused", "order_too_large")
    assert status(beyond) == ("refused", "price_outside_band")

    hand.turn(hours=4)
    late = venue.order(alice, "buy", quantity=1, price=99)
    hand_driven.process(envelopes(late))
    assert status(late) == ("refused", "session_closed")


def test_a_calendar_that_changes_reaches_the_engine(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    operations.set_protection(listing_id=venue.listing.pk, hours="regular")
    hand_driven.process([])

    closes = hand.now - timedelta(hours=1)
    TradingDay.objects.filter(date="2026-11-24").update(close_at=closes)
    order = venue.order(alice, "buy", quantity=1, price=99)
    hand_driven.process(envelopes(order))

    assert status(order) == ("refused", "session_closed")


def test_the_breaker_stops_all_listings_and_its_level_is_spent_for_the_day(
    venue: Any, hand: Hand, price: ReferencePrice, hand_driven: Any
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    fund = Instrument.objects.create(
        ticker="SPY", name="SPDR S&P 500", kind="etf", exchange="ARCX", isin="US78462F1030",
        isin_source="test", price_feed_id="b" * 64, price_source="simulated",
    )  # fmt: skip
    proxy = make_price(fund, 558, hand.now, previous_close_micros=600_000_000)
    hand.turn(seconds=1)
    order = venue.order(alice, "buy", quantity=1, price=99)
    hand_driven.process(envelopes(order))
    hand.turn(seconds=1)
    again = venue.order(alice, "buy", quantity=1, price=99)
    hand_driven.process(envelopes(again))

    assert status(again) == ("refused", "market_breaker")
    fired = MarketBreaker.objects.get()
    assert (fired.level, str(fired.trade_date)) == (1, "2026-11-24")
    assert (fired.price_micros, fired.previous_close_micros) == (558_000_000, 600_000_000)

    restart(hand_driven)
    hand.turn(seconds=phases.BREAKER_SECONDS)
    publish(proxy, hand.now)
    publish(price, hand.now)
    hand_driven.process([])
    assert ListingPhase.objects.get().phase == "auction"
    assert MarketBreaker.objects.count() == 1, "each level once a day"

    staff = Client()
    staff.force_login(User.objects.create_superuser(email="ops@example.com", password="x"))
    page = staff.get(reverse("admin:trading_marketbreaker_changelist")).content.decode()
    assert "558.00" in page
    assert "600.00" in page


@pytest.mark.parametrize(
    "wrong", [{"hours": "weekly"}, {"band_e6": 1_000_000}, {"max_cash_units": 1}]
)
def test_protection_out_of_range_is_refused_and_changes_nothing(
    venue: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(operations.ProtectionOutOfRange):
        operations.set_protection(listing_id=venue.listing.pk, **wrong)

    venue.listing.refresh_from_db()
    assert (venue.listing.hours, venue.listing.band_e6) == ("24/7", 100_000)
