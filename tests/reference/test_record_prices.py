"""Which prices are believed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from reference import operations
from reference.gateways.prices import PriceUpdate
from reference.models import Instrument, ReferencePrice
from reference.states import Exchange, InstrumentKind, PriceSource, Session

# A Tuesday, half an hour after the opening.
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
FEED = "ab" * 32
PRICE = 270_000_000


@pytest.fixture
def apple(db):
    return Instrument.objects.create(
        ticker="AAPL",
        name="Apple Inc.",
        kind=InstrumentKind.STOCK,
        exchange=Exchange.NASDAQ,
        isin="US0378331005",
        isin_source="test",
        price_feed_id=FEED,
        price_source=PriceSource.SIMULATED,
    )


def update(price=PRICE, *, seconds=0, confidence=50_000, feed_id=FEED):
    return PriceUpdate(feed_id, price, confidence, NOW + timedelta(seconds=seconds))


def record(*updates, now=NOW):
    return operations.record_prices(updates=updates, now=now)


def believed():
    return ReferencePrice.objects.get().price_per_share_micros


def test_a_sound_price_is_believed(apple):
    recorded = record(update())

    row = ReferencePrice.objects.get()
    assert (recorded.accepted, recorded.refused) == (1, {})
    assert (row.price_per_share_micros, row.session) == (PRICE, Session.REGULAR)
    assert row.published_at == row.received_at == NOW
    assert str(row.trade_date) == "2026-11-24"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (update(0), "price_not_positive"),
        (update(-PRICE), "price_not_positive"),
        (update(confidence=-1), "price_not_positive"),
        (update(seconds=6), "price_from_the_future"),
        (update(seconds=-8 * 86_400), "price_too_old"),
        (update(confidence=PRICE * 31 // 1000), "price_too_uncertain"),
    ],
)
def test_a_price_that_cannot_be_right_is_refused_and_named(apple, bad, code):
    recorded = record(bad)

    assert recorded.refused == {"AAPL": code}
    assert ReferencePrice.objects.count() == 0


def test_a_clock_a_little_ahead_is_forgiven(apple):
    assert record(update(seconds=5)).accepted == 1


def test_a_jump_is_not_believed_alone(apple):
    record(update(seconds=-20))

    recorded = record(update(PRICE * 112 // 100))

    assert recorded.refused == {"AAPL": "price_jumped"}
    assert believed() == PRICE


def test_a_second_price_near_the_first_corroborates_a_jump(apple):
    record(update(seconds=-20))
    record(update(PRICE * 112 // 100, seconds=-10))

    recorded = record(update(PRICE * 113 // 100))

    assert recorded.accepted == 1
    assert believed() == PRICE * 113 // 100
    assert ReferencePrice.objects.get().suspect_price_micros is None


def test_the_same_price_sent_twice_does_not_corroborate_itself(apple):
    record(update(seconds=-20))
    record(update(PRICE * 112 // 100, seconds=-10))

    recorded = record(update(PRICE * 112 // 100, seconds=-10))

    assert recorded.refused == {"AAPL": "price_jumped"}
    assert believed() == PRICE


def test_a_jump_elsewhere_does_not_corroborate(apple):
    record(update(seconds=-20))
    record(update(PRICE * 2, seconds=-10))

    assert record(update(PRICE // 2)).refused == {"AAPL": "price_jumped"}
    assert believed() == PRICE


def test_an_ordinary_price_clears_the_suspicion(apple):
    record(update(seconds=-20))
    record(update(PRICE * 2, seconds=-10))
    record(update(PRICE + 10_000, seconds=-5))

    assert record(update(PRICE * 2)).refused == {"AAPL": "price_jumped"}


def test_after_a_long_silence_there_is_nothing_to_compare_with(apple):
    record(update())
    later = NOW + timedelta(days=8)

    recorded = record(PriceUpdate(FEED, PRICE * 2, 50_000, later), now=later)

    assert recorded.accepted == 1


def test_prices_out_of_order_are_left_aside_without_refusal(apple):
    record(update())

    recorded = record(update(PRICE + 1, seconds=-1), update(PRICE + 2))

    assert (recorded.not_newer, recorded.refused) == (2, {})
    assert believed() == PRICE


def test_a_feed_nobody_asked_for_is_counted(apple):
    assert record(update(feed_id="cd" * 32)).unknown == 1


def test_one_bad_feed_does_not_stop_the_others(apple):
    other = Instrument.objects.create(
        ticker="IBM",
        name="IBM",
        kind=InstrumentKind.STOCK,
        exchange=Exchange.NYSE,
        isin="US4592001014",
        isin_source="test",
        price_feed_id="cd" * 32,
        price_source=PriceSource.SIMULATED,
    )

    recorded = record(update(0), update(feed_id=other.price_feed_id))

    assert (recorded.accepted, recorded.refused) == (1, {"AAPL": "price_not_positive"})


def test_a_price_published_at_the_close_is_the_close(apple):
    closed_at = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
    record(PriceUpdate(FEED, PRICE, 50_000, closed_at), now=closed_at)

    row = ReferencePrice.objects.get()
    assert row.session == Session.REGULAR
    assert (row.regular_close_micros, row.regular_close_at) == (PRICE, closed_at)


def test_the_next_trade_date_turns_the_close_into_the_previous_one(apple):
    closed_at = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
    evening = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
    record(PriceUpdate(FEED, PRICE, 50_000, closed_at), now=closed_at)

    record(PriceUpdate(FEED, PRICE + 500_000, 50_000, evening), now=evening)

    row = ReferencePrice.objects.get()
    assert (row.session, str(row.trade_date)) == (Session.OVERNIGHT, "2026-11-25")
    assert row.previous_close_micros == PRICE


def test_a_close_of_days_ago_does_not_pass_for_yesterdays(apple):
    closed_at = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    record(PriceUpdate(FEED, PRICE, 50_000, closed_at), now=closed_at)

    record(update())

    assert ReferencePrice.objects.get().previous_close_micros is None
    assert list(operations.list_missing_closes(now=NOW)) == [
        datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
    ]


def test_the_database_refuses_a_price_of_nothing(apple):
    record(update())

    with pytest.raises(IntegrityError), transaction.atomic():
        ReferencePrice.objects.update(price_per_share_micros=0)
