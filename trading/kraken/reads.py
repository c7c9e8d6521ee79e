"""Reads that only this surface needs: the best prices of many listings, trades since a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from trading.models import Trade
from trading.queries import PriceLevel, TradeView
from trading.queries.market import SHOWN

_TOPS = f"""
SELECT listing.id, side.name, best.price_units, best.quantity, best.orders
FROM unnest(%(listings)s::bigint[]) AS listing (id)
CROSS JOIN (VALUES ('buy', -1), ('sell', 1)) AS side (name, direction)
CROSS JOIN LATERAL (
    SELECT price_units, sum({SHOWN})::bigint AS quantity, count(*) AS orders
    FROM trading_order
    LEFT JOIN trading_orderterms ON trading_orderterms.order_id = trading_order.id
    WHERE status = 'open' AND listing_id = listing.id AND trading_order.side = side.name
    GROUP BY price_units ORDER BY price_units * side.direction LIMIT 1
) AS best
"""  # noqa: S608 (made of constants)


@dataclass(frozen=True, slots=True)
class Top:
    """The best bid and ask; None where that side is empty."""

    bid: PriceLevel | None = None
    ask: PriceLevel | None = None


def tops(listing_ids: Sequence[int]) -> dict[int, Top]:
    """The best prices of each listing named, as committed."""
    with connection.cursor() as cursor:
        cursor.execute(_TOPS, {"listings": list(listing_ids)})
        rows = cursor.fetchall()
    levels = {(row[0], row[1]): PriceLevel(*row[2:]) for row in rows}
    return {
        each: Top(levels.get((each, "buy")), levels.get((each, "sell"))) for each in listing_ids
    }


def trades_since(*, listing_id: int, since: datetime | None, limit: int) -> list[TradeView]:
    """Trades after `since` in order, or the newest `limit` when it is None.

    A page never ends inside one instant, because its end is the next page's
    `since`: a batch books many trades at the same time.
    """
    trades = Trade.objects.filter(listing_id=listing_id)
    fields = ("id", "trade_no", "price_units", "quantity_units", "taker_side", "traded_at")
    if since is None:
        newest = trades.order_by("-trade_no").values_list(*fields)[:limit]
        return [TradeView(*row) for row in reversed(newest)]
    rows = trades.filter(traded_at__gt=since).order_by("trade_no").values_list(*fields)
    page = [TradeView(*row) for row in rows[:limit]]
    if len(page) == limit:
        last = page[-1]
        same = trades.filter(traded_at=last.traded_at, trade_no__gt=last.trade_no)
        page += [TradeView(*row) for row in same.order_by("trade_no").values_list(*fields)]
    return page
