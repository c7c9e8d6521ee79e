"""How much each investor traded: a UTC day is counted once it is ten minutes over.

Counted from the trades themselves, in the transaction that notes the day, so a day is
counted once whatever is delivered how often; engines learn of it by a trigger. A bought
and a sold dollar count alike, and every stablecoin that is quoted counts as a dollar.
"""

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from trading.models import Trade, VolumeDay

DAYS_COUNTED = 30
# By then no batch of the day can still be under way; its transaction would have ended.
CLOSE_AFTER = timedelta(minutes=10)

NOTE_DAY = """
    INSERT INTO trading_volumeday (day, closed_at) VALUES (%s, %s)
        ON CONFLICT DO NOTHING RETURNING day
"""
COUNT_DAY = """
    INSERT INTO trading_investorvolume (investor_id, day, day_units, month_units)
    WITH fill AS (
        SELECT buyer_id, seller_id, cash_units * 1000000 / (10 ^ quote.decimals)::bigint AS units
          FROM trading_trade AS trade
          JOIN trading_listing AS listing ON listing.id = trade.listing_id
          JOIN custody_asset AS quote ON quote.id = listing.quote_id
         WHERE traded_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
           AND traded_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
    ), side AS (
        SELECT buyer_id AS investor_id, units FROM fill
        UNION ALL SELECT seller_id, units FROM fill
    ), today AS (
        SELECT investor_id, sum(units)::bigint AS units FROM side GROUP BY investor_id
    ), earlier AS (
        SELECT investor_id, sum(day_units)::bigint AS units FROM trading_investorvolume
         WHERE day > %(day)s::date - %(days)s AND day < %(day)s::date GROUP BY investor_id
    )
    SELECT investor_id, %(day)s, coalesce(today.units, 0),
           coalesce(today.units, 0) + coalesce(earlier.units, 0)
      FROM today FULL JOIN earlier USING (investor_id)
     WHERE coalesce(today.units, 0) + coalesce(earlier.units, 0) > 0
"""


def count_days(*, now: datetime) -> list[date]:
    """Count every day that is over and was not counted yet; return those counted here."""
    last = (now - CLOSE_AFTER).date() - timedelta(days=1)
    day = _first_day(last)
    counted = []
    while day <= last:
        if _count(day, now):
            counted.append(day)
        day += timedelta(days=1)
    return counted


def _first_day(last: date) -> date:
    """The day after the last counted one; days that no longer matter are passed over."""
    first = last - timedelta(days=DAYS_COUNTED - 1)
    counted = VolumeDay.objects.aggregate(day=Max("day"))["day"]
    if counted is not None:
        following: date = counted + timedelta(days=1)
        return max(first, following)
    traded = Trade.objects.aggregate(at=Min("traded_at"))["at"]
    begun: date = last if traded is None else min(last, traded.date())
    return max(first, begun)


@transaction.atomic
def _count(day: date, now: datetime) -> bool:
    """False when somebody else counts it, or did."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE_DAY, [day, now])
        if cursor.fetchone() is None:
            return False
        cursor.execute(COUNT_DAY, {"day": day, "days": DAYS_COUNTED})
    return True
