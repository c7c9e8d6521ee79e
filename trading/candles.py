"""Counting trades into candles of a minute, an hour and a day.

Trades of a listing are numbered without gaps in the order of their commits, so
its candles are right up to one number, and go on from there. The reads add the
trades that are not counted yet (trading/queries/charts.py), so nobody waits
for this, and an engine never does.
"""

from django.db import connection, transaction

from trading.models import CandleProgress, Listing

TRADES_AT_ONCE = 50_000

# Each multiplier that was in force, from when to when.
MULTIPLIERS = """
    SELECT multiplier_e18,
           CASE WHEN row_number() OVER changes > 1 THEN pgh_created_at ELSE '-infinity' END
               AS since,
           coalesce(lead(pgh_created_at) OVER changes, 'infinity') AS until
      FROM custody_assetevent WHERE pgh_obj_id = %(asset)s
    WINDOW changes AS (ORDER BY pgh_created_at, pgh_id)
"""
EPOCH = "timestamptz '1970-01-01 00:00:00+00'"
_COUNT = f"""
WITH multipliers AS ({MULTIPLIERS}),
minutes AS (
    SELECT date_bin('1 minute', traded_at, {EPOCH}) AS start_at, multiplier_e18,
           min(trade_no) AS first_no, max(trade_no) AS last_no, max(price_units) AS high,
           min(price_units) AS low, sum(quantity_units) AS volume, sum(cash_units) AS cash,
           count(*) AS trades
      FROM trading_trade
      JOIN multipliers ON traded_at >= since AND traded_at < until
     WHERE listing_id = %(listing)s AND trade_no > %(after)s AND trade_no <= %(upto)s
     GROUP BY 1, 2
),
parts AS (
    SELECT step, date_bin(make_interval(secs => step), start_at, {EPOCH}) AS start_at,
           multiplier_e18, min(first_no) AS first_no, max(last_no) AS last_no, max(high) AS high,
           min(low) AS low, sum(volume) AS volume, sum(cash) AS cash, sum(trades) AS trades
      FROM minutes CROSS JOIN unnest(ARRAY[60, 3600, 86400]) AS step
     GROUP BY 1, 2, 3
)
INSERT INTO trading_candle AS known
       (listing_id, step_seconds, start_at, multiplier_e18, first_no, last_no, open_units,
        high_units, low_units, close_units, volume_units, cash_units, trades)
SELECT %(listing)s, step, start_at, multiplier_e18, first_no, last_no, first.price_units, high,
       low, last.price_units, volume, cash, trades
  FROM parts
  JOIN trading_trade AS first ON first.listing_id = %(listing)s AND first.trade_no = first_no
  JOIN trading_trade AS last ON last.listing_id = %(listing)s AND last.trade_no = last_no
    ON CONFLICT (listing_id, step_seconds, start_at, multiplier_e18) DO UPDATE
   SET last_no = excluded.last_no, close_units = excluded.close_units,
       high_units = greatest(known.high_units, excluded.high_units),
       low_units = least(known.low_units, excluded.low_units),
       volume_units = known.volume_units + excluded.volume_units,
       cash_units = known.cash_units + excluded.cash_units,
       trades = known.trades + excluded.trades
"""  # noqa: S608 (made of constants)
_NEWEST = """
SELECT coalesce((SELECT trade_no FROM trading_trade WHERE listing_id = %s
                  ORDER BY trade_no DESC LIMIT 1), 0)
"""


def count_all() -> int:
    """Count every listing's new trades; how many there were. Safe at any time, by any number."""
    listings = Listing.objects.order_by("pk").values_list("pk", "asset_id")
    return sum(_count_listing(pk, asset_id) for pk, asset_id in listings)


def _count_listing(listing_id: int, asset_id: int) -> int:
    counted = 0
    while some := _count_some(listing_id, asset_id):
        counted += some
    return counted


@transaction.atomic
def _count_some(listing_id: int, asset_id: int) -> int:
    """Count the next trades in one transaction, alone; how many they were."""
    CandleProgress.objects.get_or_create(listing_id=listing_id)
    progress = CandleProgress.objects.select_for_update().get(listing_id=listing_id)
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [listing_id])
        upto = min(cursor.fetchone()[0], progress.trade_no + TRADES_AT_ONCE)
        if upto == progress.trade_no:
            return 0
        cursor.execute(
            _COUNT,
            {"listing": listing_id, "asset": asset_id, "after": progress.trade_no, "upto": upto},
        )
    counted: int = upto - progress.trade_no
    progress.trade_no = upto
    progress.save()
    return counted
