"""One book order by order in the memory of a web process: level 3.

An order stands there under a public id of its own: a keyed hash of its id and its
priority, so it tells nobody who placed it, or when. An order that goes to the back
of its queue gets another one, as does each new slice of an iceberg: nobody sees
that they belong together.
"""

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from heapq import nsmallest
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from trading.commands import OrderView
from trading.queries import ListingView
from trading.queries.market import Queues
from trading.states import OrderStatus

# Of each side: more than anybody can follow; the rest comes with updates when it moves.
ENTRIES_MAX = 10_000


class Entry(NamedTuple):
    """An order as everybody sees it; quantity 0: it is gone."""

    side: str
    price: int
    quantity: int
    priority: int
    id: str


class LiveOrders:
    """Who stands where; `seq` is that of the book."""

    def __init__(self, view: ListingView, queues: Queues) -> None:
        self.view = view
        self.seq = queues.seq
        self._entries = {
            order.id: _entry(
                order.id, order.side, order.price_units, order.quantity_units, order.priority
            )
            for order in queues.orders
        }

    def apply(self, seq: int, orders: Iterable[OrderView]) -> list[Entry]:
        """Take over what the next batch did to this book's orders; returns what is new of it."""
        assert seq == self.seq + 1
        self.seq = seq
        changes: list[Entry] = []
        for order in orders:
            before, now = self._entries.pop(order.id, None), _stands(order)
            if now is not None:
                self._entries[order.id] = now
            if before == now:
                continue
            if before is not None and (now is None or now.id != before.id):
                changes.append(before._replace(quantity=0))
            if now is not None:
                changes.append(now)
        return changes

    def entries(self, limit: int = ENTRIES_MAX) -> list[Entry]:
        """The first ones of each side, in the order in which they would be matched."""
        sides: dict[str, list[Entry]] = {"buy": [], "sell": []}
        for each in self._entries.values():
            sides[each.side].append(each)
        bids = nsmallest(limit, sides["buy"], key=lambda each: (-each.price, each.priority))
        asks = nsmallest(limit, sides["sell"], key=lambda each: (each.price, each.priority))
        return bids + asks


def _stands(order: OrderView) -> Entry | None:
    """Where an order stands in the book, if it does."""
    if order.status != OrderStatus.OPEN or order.price_units is None:
        return None
    leaves = (order.quantity_units or 0) - order.filled_units
    display = order.terms.display_units if order.terms is not None else None
    if display is not None:
        leaves = min(leaves, display - order.filled_units % display)
    return _entry(order.id, order.side, order.price_units, leaves, order.priority)


def _entry(id: UUID, side: str, price: int, quantity: int, priority: int) -> Entry:
    return Entry(side, price, quantity, priority, public_id(id, priority))


def public_id(id: UUID, priority: int) -> str:
    """What an order is called in public while it has this priority."""
    said = id.bytes + priority.to_bytes(8, "big")
    return blake2b(said, key=_key(settings.SECRET_KEY), digest_size=10).hexdigest()


@cache
def _key(secret: str) -> bytes:
    return blake2b(b"trading.live_orders", key=secret.encode()[:64], digest_size=32).digest()
