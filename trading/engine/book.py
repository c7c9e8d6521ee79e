"""The book of one listing: price-time priority, every step O(1) but a new price.

A side keeps its prices in a sorted list, best last, and at each price a queue
of orders linked to each other, so a cancel takes an order out of the middle
without a search. A removed order keeps its own links: undoing removals in
reverse order puts every order back exactly where it stood.

An iceberg shows a slice of itself at a time. How much of a slice is left follows
from what the order has filled (`shown`), so a rebuilt book shows the same. When
a slice is used up the order goes to the back of its queue with the next one.

Each change is noted in an undo log (a list of (function, arguments)); see
`roll_back`. `trading/engine/naive.py` is the obvious twin that tests compare
against.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from trading.engine.terms import Terms

UndoLog = list[tuple[Callable[..., None], tuple[Any, ...]]]


def roll_back(undo: UndoLog, mark: int = 0) -> None:
    """Undo every step after `mark`, the newest first."""
    while len(undo) > mark:
        step, arguments = undo.pop()
        step(*arguments)


class BookOrder:
    """An order as the engine knows it; amounts in base units.

    `leaves` is what is still to be filled. `quantity` is None for a market
    order by cash, whose size only its fills tell.
    """

    __slots__ = (
        "accepted_at",
        "batch_no",
        "body_hash",
        "cash",
        "client_order_id",
        "fee",
        "fee_millionths",
        "filled",
        "filled_cash",
        "held",
        "id",
        "investor_id",
        "is_buy",
        "leaves",
        "level",
        "listing_id",
        "maker_fee_e6",
        "next",
        "owner_group",
        "post_only",
        "previous",
        "price",
        "priority",
        "protection_price",
        "quantity",
        "reason",
        "snapshot_id",
        "source",
        "status",
        "taker_fee_e6",
        "terms",
        "time_in_force",
        "type",
        "user_ref",
    )

    id: UUID
    listing_id: int
    investor_id: int
    owner_group: UUID
    snapshot_id: int | None
    is_buy: bool
    type: str
    time_in_force: str
    post_only: bool
    price: int | None
    protection_price: int | None
    quantity: int | None
    cash: int | None
    leaves: int
    filled: int
    filled_cash: int
    fee: int
    fee_millionths: int
    maker_fee_e6: int
    taker_fee_e6: int  # the rate it was last judged by; what rests pays the maker's
    held: int
    status: str
    reason: str
    client_order_id: str | None
    body_hash: bytes | None
    user_ref: int | None
    source: str
    priority: int
    batch_no: int
    accepted_at: float
    previous: "BookOrder | None"
    next: "BookOrder | None"
    level: "Level | None"
    terms: Terms | None

    def __init__(  # noqa: PLR0917 - what every order has, in one call
        self,
        id: UUID,
        listing_id: int,
        investor_id: int,
        owner_group: UUID,
        is_buy: bool = False,
        price: int | None = None,
        quantity: int | None = None,
    ) -> None:
        self.id = id
        self.listing_id = listing_id
        self.investor_id = investor_id
        self.owner_group = owner_group
        self.is_buy = is_buy
        self.price = price
        self.quantity = quantity
        self.snapshot_id = self.protection_price = None
        self.cash = self.user_ref = self.client_order_id = self.body_hash = None
        self.filled = self.filled_cash = self.fee = self.fee_millionths = 0
        self.leaves = self.held = self.maker_fee_e6 = self.taker_fee_e6 = 0
        self.priority = self.batch_no = 0
        self.post_only = False
        self.type, self.time_in_force, self.source = "limit", "gtc", "web"
        self.status, self.reason = "open", ""
        self.accepted_at = 0.0
        self.previous = self.next = self.level = self.terms = None


def shown(order: BookOrder) -> int:
    """How much of a resting order the book shows: all of it, or an iceberg's present slice."""
    terms = order.terms
    if terms is None or terms.display_units is None:
        return order.leaves
    return min(order.leaves, terms.display_units - order.filled % terms.display_units)


class Level:
    """The queue at one price, oldest first; `quantity` is what all of it shows."""

    __slots__ = ("count", "head", "icebergs", "price", "quantity", "rank", "tail")

    def __init__(self, price: int, rank: int) -> None:
        self.price = price
        self.rank = rank
        self.head: BookOrder | None = None
        self.tail: BookOrder | None = None
        self.quantity = 0
        self.count = 0
        self.icebergs = 0  # orders in the queue that may show less than their leaves

    def __iter__(self) -> Iterator[BookOrder]:
        order = self.head
        while order is not None:
            yield order
            order = order.next


class BookSide:
    """Bids or asks. A price's rank grows as it gets better: the price, or minus it."""

    __slots__ = ("is_bids", "levels", "ranks")

    def __init__(self, is_bids: bool) -> None:
        self.is_bids = is_bids
        self.levels: dict[int, Level] = {}
        self.ranks: list[int] = []

    def best(self) -> Level | None:
        return self.levels[self.ranks[-1]] if self.ranks else None

    def __iter__(self) -> Iterator[Level]:
        """Levels from the best on."""
        for rank in reversed(self.ranks):
            yield self.levels[rank]

    def add(self, order: BookOrder, undo: UndoLog) -> Level:
        """Queue an order behind all others at its price."""
        price = order.price
        assert price is not None
        assert order.leaves > 0
        rank = price if self.is_bids else -price
        level = self.levels.get(rank)
        if level is None:
            level = self.levels[rank] = Level(price, rank)
            insort(self.ranks, rank)
        units = shown(order)
        undo.append((_undo_add, (self, order, units, order.previous, order.next)))
        self._append(order, level, units)
        return level

    def remove(self, order: BookOrder, undo: UndoLog) -> Level:
        """Take an order out, wherever it stands."""
        level = order.level
        assert level is not None
        units = shown(order)
        self._unlink(order, level, units)
        undo.append((_undo_remove, (self, order, level, units)))
        return level

    def fill(self, order: BookOrder, units: int, undo: UndoLog) -> bool:
        """Take `units` off a resting order before they are added to its `filled`.

        It keeps its place; it leaves when that was all; an iceberg whose slice is
        used up goes to the back. True says the last: the caller gives it a new priority.
        """
        level = order.level
        assert level is not None
        assert 0 < units <= order.leaves
        if level.icebergs and order.terms is not None:
            return self._fill_slice(order, level, units, undo)
        if units == order.leaves:
            self._unlink(order, level, units)
            undo.append((_undo_slice, (self, order, level, units, units)))
        else:
            level.quantity -= units
            undo.append((_undo_fill, (order, level, units)))
        order.leaves -= units
        return False

    def _fill_slice(self, order: BookOrder, level: Level, units: int, undo: UndoLog) -> bool:
        terms = order.terms
        assert terms is not None
        before, leaves, display = shown(order), order.leaves, terms.display_units
        order.leaves = rest = leaves - units
        if rest and (display is None or units < before):
            level.quantity -= units
            undo.append((_undo_fill, (order, level, units)))
            return False
        self._unlink(order, level, before)
        undo.append((_undo_slice, (self, order, level, before, leaves)))
        if not rest or display is None:
            return False
        after = min(rest, display - (order.filled + units) % display)
        undo.append((_undo_add, (self, order, after, order.previous, order.next)))
        self._reopen(level)
        self._append(order, level, after)
        return True

    def _reopen(self, level: Level) -> None:
        if not level.count:
            self.levels[level.rank] = level
            insort(self.ranks, level.rank)

    def reshape(self, order: BookOrder, leaves: int, terms: Terms | None, undo: UndoLog) -> None:
        """Let a resting order keep its place with less to fill, or showing less."""
        level, before = order.level, order.leaves
        assert level is not None
        assert 0 < leaves <= before
        totals = (level.quantity, level.icebergs)
        undo.append((_undo_reshape, (order, before, order.terms, level, totals)))
        level.quantity -= shown(order)
        level.icebergs -= _is_iceberg(order)
        order.leaves, order.terms = leaves, terms
        level.quantity += shown(order)
        level.icebergs += _is_iceberg(order)

    def _append(self, order: BookOrder, level: Level, units: int) -> None:
        last = level.tail
        order.level, order.previous, order.next = level, last, None
        if last is None:
            level.head = order
        else:
            last.next = order
        level.tail = order
        level.quantity += units
        level.count += 1
        if order.terms is not None:
            level.icebergs += _is_iceberg(order)

    def _unlink(self, order: BookOrder, level: Level, units: int) -> None:
        before, after = order.previous, order.next
        if before is None:
            level.head = after
        else:
            before.next = after
        if after is None:
            level.tail = before
        else:
            after.previous = before
        level.quantity -= units
        level.count -= 1
        if order.terms is not None:
            level.icebergs -= _is_iceberg(order)
        order.level = None  # but its own links stay, for _relink
        if not level.count:
            del self.levels[level.rank]
            if self.ranks[-1] == level.rank:
                self.ranks.pop()
            else:
                del self.ranks[bisect_left(self.ranks, level.rank)]

    def _relink(self, order: BookOrder, level: Level, units: int) -> None:
        self._reopen(level)
        if order.previous is None:
            level.head = order
        else:
            order.previous.next = order
        if order.next is None:
            level.tail = order
        else:
            order.next.previous = order
        order.level = level
        level.quantity += units
        level.count += 1
        if order.terms is not None:
            level.icebergs += _is_iceberg(order)


def _is_iceberg(order: BookOrder) -> bool:
    return order.terms is not None and order.terms.display_units is not None


def _undo_add(
    side: BookSide,
    order: BookOrder,
    units: int,
    previous: BookOrder | None,
    next: BookOrder | None,
) -> None:
    """Take it out again; its links as before are those of a removal to be undone next."""
    assert order.level is not None
    side._unlink(order, order.level, units)
    order.previous, order.next = previous, next


def _undo_remove(side: BookSide, order: BookOrder, level: Level, units: int) -> None:
    side._relink(order, level, units)


def _undo_slice(side: BookSide, order: BookOrder, level: Level, units: int, leaves: int) -> None:
    order.leaves = leaves
    side._relink(order, level, units)


def _undo_fill(order: BookOrder, level: Level, units: int) -> None:
    order.leaves += units
    level.quantity += units


def _undo_reshape(
    order: BookOrder,
    leaves: int,
    terms: Terms | None,
    level: Level,
    totals: tuple[int, int],
) -> None:
    order.leaves, order.terms = leaves, terms
    level.quantity, level.icebergs = totals


class Book:
    """Both sides of one listing."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(is_bids=True)
        self.asks = BookSide(is_bids=False)

    def side_of(self, order: BookOrder) -> BookSide:
        return self.bids if order.is_buy else self.asks

    def opposite(self, is_buy: bool) -> BookSide:
        return self.asks if is_buy else self.bids

    def check_invariants(self, *, may_cross: bool = False) -> None:
        """Raise AssertionError when the book contradicts itself; for tests and rebuilds.

        While an auction gathers orders the book may be crossed.
        """
        for side in (self.bids, self.asks):
            assert side.ranks == sorted(side.levels), "prices are sorted and complete"
            for level in side:
                queue = list(level)
                assert queue, "no price is empty"
                assert level.quantity == sum(shown(order) for order in queue)
                assert level.count == len(queue)
                assert level.icebergs == sum(_is_iceberg(order) for order in queue)
                assert all(order.leaves > 0 and order.level is level for order in queue)
                priorities = [order.priority for order in queue]
                assert priorities == sorted(priorities), "first come, first served"
        bid, ask = self.bids.best(), self.asks.best()
        if bid is not None and ask is not None and not may_cross:
            assert bid.price < ask.price, "the book is not crossed"
