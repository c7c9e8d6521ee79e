"""Candles and the last 24 hours of a listing: what is counted already, and the trades since.

Intervals up to half an hour are put together from stored minutes, up to half a
day from hours, longer ones from days; so days, and all that is made of them, are
cut at 00:00 UTC. There is no candle without a trade.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from trading.candles import EPOCH, MULTIPLIERS

CANDLES_MAX = 1_500
MONTH_SECONDS: Final = 2_592_000  # stands for a calendar month
INTERVALS_SECONDS: Final = (
    *(60, 300, 900, 1_800, 3_600, 14_400, 86_400, 604_800),
    *(1_296_000, MONTH_SECONDS),
)
ONE_E18 = 10**18


@dataclass(frozen=True, slots=True)
class Candle:
    """Trades from `start_at` on for one interval; volume in tokens, cash in quote.

    Adjusted, prices are per share, and the volume is in shares (with the token's decimals).
    """

    start_at: datetime
    open_units: int
    high_units: int
    low_units: int
    close_units: int
    volume_units: int
    cash_units: int
    trades: int
    last_no: int = 0  # the number of its last trade

    @property
    def vwap_units(self) -> int:
        """The average price weighted by volume, floored."""
        return self.cash_units * 10**8 // self.volume_units if self.volume_units else 0


_BIN = f"date_bin(make_interval(secs => %(seconds)s), {{at}}, {EPOCH})"
_MONTH = "date_trunc('month', {at}, 'UTC')"
# Prices per share, volumes in shares; both floored.
_ADJUST = {
    True: ("div({} * 1e18, multiplier_e18)", "div({} * multiplier_e18, 1e18)"),
    False: ("{}", "{}"),
}
# An end for the trades that are not counted yet: without one, the planner expects a third of
# all trades there, and reads them all.
_CANDLES = """
WITH multipliers AS ({multipliers}),
progress AS (
    SELECT coalesce((SELECT trade_no FROM trading_candleprogress WHERE listing_id = %(listing)s), 0)
        AS counted
),
stored AS (
    SELECT start_at, multiplier_e18, first_no, last_no, open_units, high_units, low_units,
           close_units, volume_units, cash_units, trades
      FROM trading_candle
     WHERE listing_id = %(listing)s AND step_seconds = %(step)s
       AND start_at >= %(start)s AND start_at < %(end)s
     ORDER BY start_at DESC LIMIT %(rows)s
),
since AS (
    SELECT {bin_trade} AS start_at, multiplier_e18, min(trade_no) AS first_no,
           max(trade_no) AS last_no, max(price_units) AS high_units, min(price_units) AS low_units,
           sum(quantity_units) AS volume_units, sum(cash_units) AS cash_units, count(*) AS trades
      FROM trading_trade
      JOIN multipliers ON traded_at >= since AND traded_at < until
     WHERE listing_id = %(listing)s AND trade_no > (SELECT counted FROM progress)
       AND trade_no <= (SELECT counted FROM progress) + 1000000000
       AND traded_at >= %(start)s AND traded_at < %(end)s
     GROUP BY 1, 2
),
parts AS (
    SELECT {bin_stored} AS start_at, multiplier_e18, first_no, last_no, open_units, high_units,
           low_units, close_units, volume_units::numeric, cash_units::numeric, trades::numeric
      FROM stored
     UNION ALL
    SELECT since.start_at, multiplier_e18, first_no, last_no, first.price_units, high_units,
           low_units, last.price_units, volume_units, since.cash_units, trades
      FROM since
      JOIN trading_trade AS first ON first.listing_id = %(listing)s AND first.trade_no = first_no
      JOIN trading_trade AS last ON last.listing_id = %(listing)s AND last.trade_no = last_no
)
SELECT start_at, (array_agg({open} ORDER BY first_no))[1]::bigint, max({high})::bigint,
       min({low})::bigint, (array_agg({close} ORDER BY last_no DESC))[1]::bigint,
       sum({volume})::bigint, sum(cash_units)::bigint, sum(trades)::bigint,
       max(last_no)
  FROM parts GROUP BY 1 ORDER BY 1 DESC LIMIT %(limit)s
"""
# A minute's row may be there twice when the multiplier changed within it.
_ROWS_BESIDE = 100


def candles(
    *,
    listing_id: int,
    interval_seconds: int,
    start_at: datetime | None = None,
    before: datetime | None = None,
    limit: int = 500,
    adjusted: bool = False,
) -> list[Candle]:
    """The newest candles that begin at `start_at` or later and before `before`, oldest first."""
    limit = min(limit, CANDLES_MAX)
    step = _step_of(interval_seconds)
    is_month = interval_seconds == MONTH_SECONDS
    bin = _MONTH if is_month else _BIN
    price, volume = _ADJUST[adjusted]
    statement = _CANDLES.format(
        multipliers=MULTIPLIERS.replace("%(asset)s", _ASSET),
        bin_trade=bin.format(at="traded_at"),
        bin_stored=bin.format(at="start_at"),
        open=price.format("open_units"),
        high=price.format("high_units"),
        low=price.format("low_units"),
        close=price.format("close_units"),
        volume=volume.format("volume_units"),
    )
    days = 31 if is_month else 0
    named: dict[str, int | datetime] = {
        "listing": listing_id,
        "seconds": interval_seconds,
        "step": step,
        "start": _first_start(start_at, interval_seconds),
        "end": _first_start(before, interval_seconds)
        if before
        else datetime.max.replace(tzinfo=UTC),
        "rows": limit * (days or interval_seconds // step) + _ROWS_BESIDE,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, named)
        rows = cursor.fetchall()
    return [Candle(row[0].astimezone(UTC), *row[1:]) for row in reversed(rows)]


_ASSET = "(SELECT asset_id FROM trading_listing WHERE id = %(listing)s)"


def start_of(moment: datetime, interval_seconds: int) -> datetime:
    """Where the candle of this moment begins."""
    moment = moment.astimezone(UTC)
    if interval_seconds == MONTH_SECONDS:
        return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % interval_seconds, UTC)


def _first_start(moment: datetime | None, interval_seconds: int) -> datetime:
    """The first candle that begins at this moment or later."""
    if moment is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    start = start_of(moment, interval_seconds)
    if start < moment:
        # Into the next one, also from the first of a long month.
        days = 31 * 86_400 if interval_seconds == MONTH_SECONDS else interval_seconds
        start = start_of(start + timedelta(seconds=days), interval_seconds)
    return start


def _step_of(interval_seconds: int) -> int:
    """The longest stored stretch of which the interval is a multiple."""
    return next(step for step in (86_400, 3_600, 60) if interval_seconds % step == 0)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The last 24 hours; prices are None when nothing has traded in them."""

    last_units: int | None  # the last price ever, also when older than 24 hours
    open_units: int | None
    high_units: int | None
    low_units: int | None
    volume_units: int
    cash_units: int
    trades: int

    @property
    def vwap_units(self) -> int | None:
        """The average price weighted by volume, floored."""
        return self.cash_units * 10**8 // self.volume_units if self.volume_units else None

    @property
    def change_units(self) -> int | None:
        """The last price less the first one of the 24 hours."""
        if self.last_units is None or self.open_units is None:
            return None
        return self.last_units - self.open_units


NO_TRADES = Statistics(None, None, None, None, 0, 0, 0)

# The day begins within a minute: that one's trades are read one by one, then minutes up
# to the full hour, then hours, then what is not counted yet.
_STATISTICS = f"""
WITH edges AS (
    SELECT %(since)s::timestamptz AS since,
           date_bin('1 minute', %(since)s, {EPOCH}) AS minute,
           date_bin('1 minute', %(since)s, {EPOCH}) + interval '1 minute' AS minutes,
           date_bin('1 hour', %(since)s, {EPOCH}) + interval '1 hour' AS hours
)
SELECT listing.id,
       (SELECT price_units FROM trading_trade WHERE listing_id = listing.id
         ORDER BY trade_no DESC LIMIT 1),
       day.open, day.high, day.low, coalesce(day.volume, 0)::bigint,
       coalesce(day.cash, 0)::bigint, coalesce(day.trades, 0)::bigint
  FROM edges CROSS JOIN unnest(%(listings)s::bigint[]) AS listing (id)
  LEFT JOIN trading_candleprogress AS progress ON progress.listing_id = listing.id
 CROSS JOIN LATERAL (
    SELECT (array_agg(open ORDER BY no))[1] AS open, max(high) AS high, min(low) AS low,
           sum(volume) AS volume, sum(cash) AS cash, sum(trades) AS trades
      FROM (
        SELECT first_no AS no, open_units AS open, high_units AS high, low_units AS low,
               volume_units AS volume, cash_units AS cash, trades
          FROM trading_candle
         WHERE listing_id = listing.id AND (
               (step_seconds = 60 AND start_at >= minutes AND start_at < hours)
            OR (step_seconds = 3600 AND start_at >= hours))
         UNION ALL
        SELECT trade_no, price_units, price_units, price_units, quantity_units, trade.cash_units, 1
          FROM trading_candle AS edge
          JOIN trading_trade AS trade ON trade.listing_id = listing.id
           AND trade_no BETWEEN edge.first_no AND edge.last_no AND traded_at > since
           AND traded_at < minutes
         WHERE edge.listing_id = listing.id AND edge.step_seconds = 60 AND edge.start_at = minute
         UNION ALL
        SELECT trade_no, price_units, price_units, price_units, quantity_units, cash_units, 1
          FROM trading_trade
         WHERE listing_id = listing.id AND trade_no > coalesce(progress.trade_no, 0)
           AND trade_no <= coalesce(progress.trade_no, 0) + 1000000000
           AND traded_at > since
      ) AS part
 ) AS day
"""  # noqa: S608 (made of constants)


def statistics(*, listing_ids: Iterable[int], now: datetime) -> dict[int, Statistics]:
    """The last 24 hours of each listing named."""
    since = now - timedelta(hours=24)
    with connection.cursor() as cursor:
        cursor.execute(_STATISTICS, {"listings": list(listing_ids), "since": since})
        return {row[0]: Statistics(*row[1:]) for row in cursor.fetchall()}
