"""What was traded, counted once a day: 30 days, both sides, whatever the delivery."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection

from kernel.ids import uuid7
from tests.trading.conftest import TOKEN, USD
from trading import volumes
from trading.models import InboxItem, InvestorVolume, Trade, VolumeDay

MAY = datetime(2026, 5, 1, tzinfo=UTC)
ALICE, BOB, CAROL = 1, 2, 3


def trade(venue: Any, at: datetime, usd: int, buyer: int = ALICE, seller: int = BOB) -> None:
    Trade.objects.create(
        id=uuid7(), listing=venue.listing, trade_no=Trade.objects.count() + 1,
        price_units=100 * USD, quantity_units=usd * TOKEN // 100, cash_units=usd * USD,
        maker_order_id=uuid7(), taker_order_id=uuid7(), buyer_id=buyer, seller_id=seller,
        taker_side="buy", maker_fee_units=0, taker_fee_units=0, batch_no=1, traded_at=at,
    )  # fmt: skip


def volume(day: date) -> dict[int, tuple[int, int]]:
    """Whole dollars of the day, and of its 30 days, by investor."""
    rows = InvestorVolume.objects.filter(day=day)
    return {row.investor_id: (row.day_units // USD, row.month_units // USD) for row in rows}


def test_both_sides_count_and_a_day_begins_and_ends_at_midnight_utc(venue: Any) -> None:
    trade(venue, MAY - timedelta(microseconds=1), 10)
    trade(venue, MAY, 100)
    trade(venue, MAY + timedelta(hours=23, minutes=59, seconds=59), 30, buyer=CAROL)
    trade(venue, MAY + timedelta(days=1), 1_000)

    counted = volumes.count_days(now=MAY + timedelta(days=1, minutes=10))

    assert counted == [date(2026, 4, 30), date(2026, 5, 1)]
    assert volume(date(2026, 5, 1)) == {ALICE: (100, 110), BOB: (130, 140), CAROL: (30, 30)}


def test_a_day_is_counted_ten_minutes_after_it_is_over(venue: Any) -> None:
    trade(venue, MAY, 100)

    assert date(2026, 5, 1) not in volumes.count_days(now=MAY + timedelta(days=1, minutes=9))
    assert volumes.count_days(now=MAY + timedelta(days=1, minutes=10)) == [date(2026, 5, 1)]
    assert volumes.count_days(now=MAY + timedelta(days=1, minutes=11)) == []


def test_thirty_days_are_counted_and_then_forgotten(venue: Any) -> None:
    trade(venue, MAY, 100)
    trade(venue, MAY + timedelta(days=29), 7)

    for days in (1, 20, 35, 40):
        volumes.count_days(now=MAY + timedelta(days=days, hours=1))

    assert volume(date(2026, 5, 29))[ALICE] == (0, 100)
    assert volume(date(2026, 5, 30))[ALICE] == (7, 107)
    assert volume(date(2026, 5, 31))[ALICE] == (0, 7)
    assert volume(date(2026, 6, 9))[ALICE] == (0, 7)


def test_days_that_were_missed_are_made_up_for_one_after_the_other(venue: Any) -> None:
    trade(venue, MAY, 100)
    volumes.count_days(now=MAY + timedelta(days=1, hours=1))
    trade(venue, MAY + timedelta(days=3), 5)

    counted = volumes.count_days(now=MAY + timedelta(days=5, hours=1))

    assert counted == [date(2026, 5, day) for day in (2, 3, 4, 5)]
    assert volume(date(2026, 5, 5))[BOB] == (0, 105)


def test_who_traded_nothing_for_thirty_days_has_no_row(venue: Any) -> None:
    trade(venue, MAY, 100)

    volumes.count_days(now=MAY + timedelta(days=31, hours=1))
    volumes.count_days(now=MAY + timedelta(days=90, hours=1))

    assert volume(date(2026, 7, 29)) == {}
    assert VolumeDay.objects.filter(day=date(2026, 7, 29)).exists()


def test_engines_are_told_in_the_transaction_that_counts(venue: Any) -> None:
    volumes.count_days(now=MAY + timedelta(hours=1))

    item = InboxItem.objects.filter(kind="fees").get()
    assert item.payload == {"table": "trading_volumeday"}


def test_two_at_once_count_a_day_once(venue: Any) -> None:
    trade(venue, MAY, 100)

    def count(_: int) -> list[date]:
        try:
            return volumes.count_days(now=MAY + timedelta(days=1, hours=1))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        counted = [day for days in threads.map(count, range(4)) for day in days]

    assert counted == [date(2026, 5, 1)]
    assert volume(date(2026, 5, 1)) == {ALICE: (100, 100), BOB: (100, 100)}
