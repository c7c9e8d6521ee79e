"""The public market of one listing: the book by price and by order, and its trades.

Everything is computed from orders and trades as committed; nothing here is
cached, so it is also what a feed starts from (trading/market_data.py).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from trading.models import Trade

DEPTH_LEVELS_MAX = 1_000
TRADES_MAX = 1_000


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
class QueuedOrder:
    """An order as it stands in the book, with what the book shows of it."""

    id: UUID  # as its owner knows it: never for others to see
    side: str
    price_units: int
    quantity_units: int
    priority: int


@dataclass(frozen=True, slots=True)
class Queues:
    """The book order by order, as they would be matched; `seq` as in Depth."""

    seq: int
    orders: list[QueuedOrder]


@dataclass(frozen=True, slots=True)
class TradeView:
    """A trade as the public sees it; `taker_side` is who crossed the spread."""

    id: UUID
    trade_no: int
    price_units: int
    quantity_units: int
    taker_side: str
    traded_at: datetime


# What the book shows of an order: all that is left, or an iceberg's present slice.
SHOWN = """
           CASE WHEN display_units IS NULL THEN quantity_units - filled_units
                ELSE least(quantity_units - filled_units,
                           display_units - mod(filled_units, display_units)) END
"""
_RESTING = f"""
    SELECT stored.id, side, price_units, priority, {SHOWN} AS shown
      FROM trading_order AS stored
      LEFT JOIN trading_orderterms AS terms ON terms.order_id = stored.id
     WHERE status = 'open' AND listing_id = %(listing)s
"""  # noqa: S608 (made of constants)
_SEQ = """
    coalesce((SELECT book_seq FROM trading_bookevent WHERE listing_id = %(listing)s
               ORDER BY event_seq DESC LIMIT 1), 0)
"""
# One statement, hence one snapshot: levels and the sequence number belong together.
_DEPTH = f"""
WITH resting AS ({_RESTING}),
levels AS (
    SELECT side, price_units, sum(shown)::bigint AS quantity, count(*) AS orders
      FROM resting GROUP BY side, price_units
)
SELECT 'seq', {_SEQ}, 0::bigint, 0::bigint
UNION ALL (SELECT * FROM levels WHERE side = 'buy' ORDER BY price_units DESC LIMIT %(limit)s)
UNION ALL (SELECT * FROM levels WHERE side = 'sell' ORDER BY price_units LIMIT %(limit)s)
"""  # noqa: S608 (made of constants)
_QUEUES = f"""
WITH resting AS ({_RESTING})
SELECT NULL, 'seq', {_SEQ}, 0::bigint, 0::bigint
UNION ALL (SELECT id, side, price_units, shown, priority FROM resting WHERE side = 'buy'
            ORDER BY price_units DESC, priority LIMIT %(limit)s)
UNION ALL (SELECT id, side, price_units, shown, priority FROM resting WHERE side = 'sell'
            ORDER BY price_units, priority LIMIT %(limit)s)
"""  # noqa: S608 (made of constants)


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


def queues(*, listing_id: int, limit: int | None = None) -> Queues:
    """The committed book, every order of it or the first `limit` a side."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES, {"listing": listing_id, "limit": limit})
        rows = cursor.fetchall()
    return Queues(rows[0][2], [QueuedOrder(*row) for row in rows[1:]])


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
