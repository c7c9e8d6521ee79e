"""Candles and 24 hours: counted in any portions, they are what the trades say."""

import random
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections

from custody.models import Asset
from trading import candles, queries
from trading.models import Candle, CandleProgress
from trading.queries.charts import INTERVALS_SECONDS, MONTH_SECONDS, start_of

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
_TRADE = """
INSERT INTO trading_trade (id, listing_id, trade_no, price_units, quantity_units, cash_units,
                           maker_order_id, taker_order_id, buyer_id, seller_id, taker_side,
                           maker_fee_units, taker_fee_units, batch_no, traded_at)
VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, gen_random_uuid(), gen_random_uuid(), 1, 2, 'buy',
        0, 0, 1, %s)
"""
Row = tuple[int, int, int, datetime]  # trade_no, price, quantity, when


def trade(venue: Any, rows: list[Row]) -> None:
    with connection.cursor() as cursor:
        for number, price, quantity, at in rows:
            cash = price * quantity // 10**8
            cursor.execute(_TRADE, [venue.listing.pk, number, price, quantity, cash, at])


def make_rows(seed: int, count: int) -> list[Row]:
    """Trades over some 100 days, bunched, in order."""
    chance, at, rows = random.Random(seed), NOON - timedelta(days=100), []
    for number in range(1, count + 1):
        at += timedelta(seconds=chance.choice([0, 0.25, 7, 50, 4_000, 90_000 * chance.random()]))
        rows.append((number, chance.randint(90, 110) * 10**6, chance.randint(1, 50) * 10**6, at))
    return rows


def expected(rows: list[Row], interval_seconds: int) -> list[tuple[Any, ...]]:
    """The same from the definition."""
    found: dict[datetime, list[Row]] = {}
    for row in rows:
        found.setdefault(start_of(row[3], interval_seconds), []).append(row)
    return [
        (
            start,
            each[0][1],
            max(row[1] for row in each),
            min(row[1] for row in each),
            each[-1][1],
            sum(row[2] for row in each),
            sum(row[1] * row[2] // 10**8 for row in each),
            len(each),
        )
        for start, each in sorted(found.items())
    ]


def as_rows(found: list[queries.Candle]) -> list[tuple[Any, ...]]:
    return [
        (c.start_at, c.open_units, c.high_units, c.low_units, c.close_units, c.volume_units,
         c.cash_units, c.trades)
        for c in found
    ]  # fmt: skip


@pytest.mark.parametrize("portion", [0, 7, 100])
def test_every_interval_is_what_the_trades_say_counted_or_not(
    venue: Any, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    rows = make_rows(portion, 300)
    trade(venue, rows[:200])
    if portion:
        monkeypatch.setattr(candles, "TRADES_AT_ONCE", portion)
        assert candles.count_all() == 200
        assert candles.count_all() == 0
    trade(venue, rows[200:])

    for interval in INTERVALS_SECONDS:
        found = queries.candles(listing_id=venue.listing.pk, interval_seconds=interval, limit=1_000)
        assert as_rows(found) == expected(rows, interval), interval


def test_two_counters_at_once_count_each_trade_once(venue: Any) -> None:
    trade(venue, make_rows(5, 200))

    def count() -> None:
        try:
            candles.count_all()
        finally:
            connections.close_all()

    threads = [Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for step in (60, 3_600, 86_400):
        assert sum(Candle.objects.filter(step_seconds=step).values_list("trades", flat=True)) == 200
    assert CandleProgress.objects.get().trade_no == 200


def test_days_are_cut_at_midnight_utc_and_months_by_the_calendar(venue: Any) -> None:
    last_of_february = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    first_of_march = datetime(2026, 3, 1, tzinfo=UTC)
    trade(venue, [(1, 10**8, 10**8, last_of_february), (2, 2 * 10**8, 10**8, first_of_march)])
    candles.count_all()

    def starts(interval: int) -> list[datetime]:
        found = queries.candles(listing_id=venue.listing.pk, interval_seconds=interval)
        return [each.start_at for each in found]

    assert starts(86_400) == [datetime(2026, 2, 28, tzinfo=UTC), first_of_march]
    assert starts(MONTH_SECONDS) == [datetime(2026, 2, 1, tzinfo=UTC), first_of_march]


def test_adjusted_prices_are_per_share_by_the_multiplier_when_it_traded(venue: Any) -> None:
    """A split two for one between two trades of the same minute."""
    split_at = NOON + timedelta(seconds=30)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE custody_assetevent SET pgh_created_at = '2020-01-01'")
        Asset.objects.filter(pk=venue.token.pk).update(multiplier_e18=2 * 10**18)
        cursor.execute(
            "UPDATE custody_assetevent SET pgh_created_at = %s WHERE multiplier_e18 = 2e18",
            [split_at],
        )
    before, after = NOON, split_at + timedelta(seconds=1)
    trade(venue, [(1, 200 * 10**6, 10**8, before), (2, 210 * 10**6, 10**8, after)])

    for _ in range(2):  # not counted yet, then counted
        (raw,) = queries.candles(listing_id=venue.listing.pk, interval_seconds=60)
        (adjusted,) = queries.candles(
            listing_id=venue.listing.pk, interval_seconds=60, adjusted=True
        )
        assert (raw.open_units, raw.close_units, raw.volume_units) == (
            200 * 10**6,
            210 * 10**6,
            2 * 10**8,
        )
        assert (adjusted.open_units, adjusted.high_units) == (200 * 10**6, 200 * 10**6)
        assert (adjusted.close_units, adjusted.low_units) == (105 * 10**6, 105 * 10**6)
        assert adjusted.volume_units == 3 * 10**8
        assert adjusted.cash_units == raw.cash_units == 410 * 10**6
        assert adjusted.vwap_units == 410 * 10**6 // 3
        candles.count_all()
    assert Candle.objects.filter(step_seconds=60).count() == 2


def test_pages_of_candles_have_no_gap_and_no_repeat_while_trades_come_in(venue: Any) -> None:
    rows = make_rows(3, 120)
    trade(venue, rows[:100])
    pages: list[list[queries.Candle]] = []
    before: datetime | None = None
    for number in range(100):
        page = queries.candles(
            listing_id=venue.listing.pk, interval_seconds=300, before=before, limit=9
        )
        if not page:
            break
        pages.insert(0, page)
        before = page[0].start_at
        if number < 20:
            trade(venue, [rows[100 + number]])
            candles.count_all()

    found = [candle for page in pages for candle in page]
    assert as_rows(found)[:-1] == expected(rows[:100], 300)[:-1]


def test_the_last_24_hours_are_what_the_trades_say_to_the_second(venue: Any) -> None:
    chance, rows = random.Random(9), []
    at = NOON - timedelta(hours=30)
    for number in range(1, 400):
        at += timedelta(seconds=chance.uniform(0, 540))
        rows.append((number, chance.randint(90, 110) * 10**6, 10**8 * number, at))
    trade(venue, rows[:300])
    candles.count_all()
    trade(venue, rows[300:])
    for now in (NOON, NOON - timedelta(minutes=17, seconds=3), rows[-1][3] + timedelta(hours=24)):
        inside = [row for row in rows if row[3] > now - timedelta(hours=24)]
        day = queries.statistics(listing_ids=[venue.listing.pk], now=now)[venue.listing.pk]

        assert day.trades == len(inside)
        assert day.volume_units == sum(row[2] for row in inside)
        assert day.cash_units == sum(row[1] * row[2] // 10**8 for row in inside)
        assert day.last_units == rows[-1][1]
        if inside:
            assert (day.open_units, day.change_units) == (inside[0][1], rows[-1][1] - inside[0][1])
            assert day.high_units == max(row[1] for row in inside)
            assert day.vwap_units == day.cash_units * 10**8 // day.volume_units
