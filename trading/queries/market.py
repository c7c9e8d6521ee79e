"""The public market of one listing: depth, trades, candles, 24-hour statistics.

Everything is computed from orders and trades as committed; nothing here is
cached, so it is also what a feed starts from (trading/market_data.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from trading.models import Trade

DEPTH_LEVELS_MAX = 1_000
TRADES_MAX = 1_000
CANDLES_MAX = 1_500


@dataclass(frozen=True, slots=True)
class PriceLevel:
    price_units: int
    quantity_units: int
    orders: int


@dataclass(frozen=True, slots=True)
class Depth:
    """The book by price, best first; `seq` is the book_seq it stands at."""

    seq: int
    bids: list[PriceLevel]
    asks: list[PriceLevel]


@dataclass(frozen=True, slots=True)
class TradeView:
    """A trade as the public sees it; `taker_side` is who crossed the spread."""

    id: UUID
    trade_no: int
    price_units: int
    quantity_units: int
    taker_side: str
    traded_at: datetime


@dataclass(frozen=True, slots=True)
class Candle:
    """Trades from `start_at` on for one interval; volume in tokens, cash in quote."""

    start_at: datetime
    open_units: int
    high_units: int
    low_units: int
    close_units: int
    volume_units: int
    cash_units: int
    trades: int


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


NO_TRADES = Statistics(None, None, None, None, 0, 0, 0)

# One statement, hence one snapshot: levels and the sequence number belong together.
_DEPTH = """
WITH levels AS (
    SELECT side, price_units, sum(quantity_units - filled_units)::bigint AS quantity,
           count(*) AS orders
    FROM trading_order WHERE status = 'open' AND listing_id = %(listing)s
    GROUP BY side, price_units
)
SELECT 'seq', coalesce((SELECT book_seq FROM trading_bookevent WHERE listing_id = %(listing)s
                        ORDER BY event_seq DESC LIMIT 1), 0), 0::bigint, 0::bigint
UNION ALL (SELECT * FROM levels WHERE side = 'buy' ORDER BY price_units DESC LIMIT %(limit)s)
UNION ALL (SELECT * FROM levels WHERE side = 'sell' ORDER BY price_units LIMIT %(limit)s)
"""


def depth(*, listing_id: int, levels: int = 100) -> Depth:
    """The committed book, at most `levels` prices a side."""
    limit = min(levels, DEPTH_LEVELS_MAX)
    with connection.cursor() as cursor:
        cursor.execute(_DEPTH, {"listing": listing_id, "limit": limit})
        rows = cursor.fetchall()
    found = Depth(seq=rows[0][1], bids=[], asks=[])
    for side, price, quantity, orders in rows[1:]:
        (found.bids if side == "buy" else found.asks).append(PriceLevel(price, quantity, orders))
    return found


def recent_trades(
    *, listing_id: int, limit: int = 100, before_no: int | None = None, after_no: int | None = None
) -> list[TradeView]:
    """Trades newest first; with `after_no`, those that follow it, oldest first."""
    trades = Trade.objects.filter(listing_id=listing_id)
    if after_no is not None:
        trades = trades.filter(trade_no__gt=after_no).order_by("trade_no")
    else:
        trades = trades.order_by("-trade_no")
    if before_no is not None:
        trades = trades.filter(trade_no__lt=before_no)
    fields = ("id", "trade_no", "price_units", "quantity_units", "taker_side", "traded_at")
    return [TradeView(*row) for row in trades.values_list(*fields)[: min(limit, TRADES_MAX)]]


_CANDLES = """
SELECT to_timestamp(floor(extract(epoch FROM traded_at) / %(seconds)s) * %(seconds)s) AS start_at,
       (array_agg(price_units ORDER BY trade_no))[1], max(price_units), min(price_units),
       (array_agg(price_units ORDER BY trade_no DESC))[1],
       sum(quantity_units)::bigint, sum(cash_units)::bigint, count(*)
FROM trading_trade
WHERE listing_id = %(listing)s AND traded_at >= %(start)s AND traded_at < %(end)s
GROUP BY 1 ORDER BY 1 DESC LIMIT %(limit)s
"""


def candles(
    *,
    listing_id: int,
    interval_seconds: int,
    now: datetime,
    start_at: datetime | None = None,
    limit: int = 500,
) -> list[Candle]:
    """Candles that begin at multiples of the interval, oldest first, gaps left out."""
    limit = min(limit, CANDLES_MAX)
    start_at = start_at or now - timedelta(seconds=interval_seconds * limit)
    named: dict[str, int | datetime] = {
        "listing": listing_id,
        "seconds": interval_seconds,
        "start": start_at,
        "end": now + timedelta(seconds=1),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CANDLES, named)
        rows = cursor.fetchall()
    return [Candle(row[0].astimezone(UTC), *row[1:]) for row in reversed(rows)]


_STATISTICS = """
SELECT listing.id,
       (SELECT price_units FROM trading_trade WHERE listing_id = listing.id
        ORDER BY trade_no DESC LIMIT 1),
       day.open, day.high, day.low, coalesce(day.volume, 0)::bigint, coalesce(day.cash, 0)::bigint,
       day.trades
FROM unnest(%(listings)s::bigint[]) AS listing (id)
CROSS JOIN LATERAL (
    SELECT (array_agg(price_units ORDER BY trade_no))[1] AS open, max(price_units) AS high,
           min(price_units) AS low, sum(quantity_units) AS volume, sum(cash_units) AS cash,
           count(*) AS trades
    FROM trading_trade WHERE listing_id = listing.id AND traded_at > %(since)s
) AS day
"""


def statistics(*, listing_ids: Iterable[int], now: datetime) -> dict[int, Statistics]:
    """The last 24 hours of each listing named."""
    since = now - timedelta(hours=24)
    with connection.cursor() as cursor:
        cursor.execute(_STATISTICS, {"listings": list(listing_ids), "since": since})
        return {row[0]: Statistics(*row[1:]) for row in cursor.fetchall()}
