"""The public book's past: its updates as they were told, out of the stored events."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from trading.commands import BookUpdate
from trading.models import Trade

# Further back a feed is not resumed: a snapshot is shorter.
RESUMED_MAX = 1_000
UPDATES_MAX = 500
INDICATION_ROWS = 200

_COLUMNS = "event_seq, book_seq, trade_no, levels"
_LATEST = f"""
SELECT {_COLUMNS} FROM trading_bookevent WHERE listing_id = %s ORDER BY event_seq DESC LIMIT %s
"""  # noqa: S608 (made of constants)
_BEFORE = f"""
SELECT {_COLUMNS} FROM trading_bookevent WHERE listing_id = %s AND event_seq < %s
 ORDER BY event_seq DESC LIMIT %s
"""  # noqa: S608 (made of constants)
_INDICATION = """
SELECT (event ->> 2)::bigint, (event ->> 3)::bigint, (event ->> 4)::bigint
  FROM (SELECT event_seq, events FROM trading_bookevent WHERE listing_id = %s
         ORDER BY event_seq DESC LIMIT %s) AS latest
 CROSS JOIN LATERAL jsonb_array_elements(events::jsonb) AS event
 WHERE position('"indication"' IN events) > 0 AND event ->> 0 = 'indication'
 ORDER BY (event ->> 1)::bigint DESC LIMIT 1
"""
_HEADS = """
SELECT listing.id, last.book_seq FROM unnest(%s::bigint[]) AS listing (id)
 CROSS JOIN LATERAL (SELECT book_seq FROM trading_bookevent WHERE listing_id = listing.id
                      ORDER BY event_seq DESC LIMIT 1) AS last
"""
_Trade = tuple[UUID, int, int, int, str, float]


class _Row(NamedTuple):
    event_seq: int
    book_seq: int
    trade_no: int
    levels: str | None


_BEGINNING = _Row(0, 0, 0, "[]")
_decode_levels = msgspec.json.Decoder(list[tuple[int, int, int, int]]).decode


def updates_after(*, listing_id: int, symbol: str, seq: int) -> list[BookUpdate] | None:
    """The updates that follow book_seq `seq`, oldest first; None when it is too long ago."""
    rows = _rows(_LATEST, [listing_id, RESUMED_MAX + 1])
    newest = rows[0].book_seq if rows else 0
    newer = [row for row in rows if row.book_seq > seq]
    if not 0 <= seq <= newest or len(newer) > RESUMED_MAX:
        return None
    base = rows[len(newer)] if len(newer) < len(rows) else _BEGINNING
    return _updates(listing_id, symbol, [*newer, base])


def updates_page(
    *, listing_id: int, symbol: str, before: int | None = None, limit: int = 100
) -> tuple[list[BookUpdate], int | None]:
    """Stored updates newest first, and the cursor of the next page.

    The cursor is an event_seq, so new updates move no page; a page is shorter than `limit`
    by the batches that did not move the public book.
    """
    limit = min(limit, UPDATES_MAX)
    rows = _rows(_BEFORE, [listing_id, 2**62 if before is None else before, limit + 1])
    is_last = len(rows) <= limit
    updates = _updates(listing_id, symbol, [*rows, _BEGINNING] if is_last else rows) or []
    return updates[::-1], None if is_last else rows[-2].event_seq


def last_indication(*, listing_id: int) -> tuple[int, int, int] | None:
    """Price, quantity and imbalance of the auction that gathers orders, as told last."""
    with connection.cursor() as cursor:
        cursor.execute(_INDICATION, [listing_id, INDICATION_ROWS])
        row = cursor.fetchone()
    # An event without a price says that nothing would be matched.
    return (row[0], row[1], row[2]) if row is not None and row[0] is not None else None


def heads(listing_ids: Sequence[int]) -> dict[int, int]:
    """The committed book_seq of each listing."""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [list(listing_ids)])
        return dict(cursor.fetchall())


def _rows(query: str, parameters: list[int]) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [_Row(*row) for row in cursor.fetchall()]


def _updates(listing_id: int, symbol: str, rows: list[_Row]) -> list[BookUpdate] | None:
    """Rows, newest first, as the updates that were told, oldest first.

    The last row is what was before them. None: one of them does not say what it did.
    """
    trades = _trades(listing_id, rows[-1].trade_no, rows[0].trade_no)
    found = []
    for before, row in pairwise(reversed(rows)):
        if row.book_seq == before.book_seq:
            continue  # refusals and the like
        if row.levels is None:
            return None
        levels = [
            ("buy" if is_bids else "sell", price, quantity, orders)
            for is_bids, price, quantity, orders in _decode_levels(row.levels)
        ]
        own = [trades[number] for number in range(before.trade_no + 1, row.trade_no + 1)]
        found.append(BookUpdate(symbol, row.book_seq, levels, own))
    return found


def _trades(listing_id: int, after: int, upto: int) -> dict[int, _Trade]:
    rows = Trade.objects.filter(
        listing_id=listing_id, trade_no__gt=after, trade_no__lte=upto
    ).values_list("id", "trade_no", "price_units", "quantity_units", "taker_side", "traded_at")
    return {row[1]: (*row[:5], row[5].timestamp()) for row in rows}
