"""The book of one listing: price-time priority, every step O(1) but a new price.

A side keeps its prices in a sorted list, best last, and at each price a queue
of orders linked to each other, so a cancel takes an order out of the middle
without a search. A removed order keeps its own links: undoing removals in
reverse order puts every order back exactly where it stood.

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

    def __init__(self, id: UUID, listing_id: int, investor_id: int, owner_group: UUID) -> None:
        self.id = id
        self.listing_id = listing_id
        self.investor_id = investor_id
        self.owner_group = owner_group
        self.snapshot_id = self.price = self.protection_price = None
        self.quantity = self.cash = self.user_ref = self.client_order_id = self.body_hash = None
        self.filled = self.filled_cash = self.fee = self.fee_millionths = 0
        self.leaves = self.held = self.maker_fee_e6 = self.priority = self.batch_no = 0
        self.is_buy = self.post_only = False
        self.type, self.time_in_force, self.source = "limit", "gtc", "web"
        self.status, self.reason = "open", ""
        self.accepted_at = 0.0
        self.previous = self.next = self.level = self.terms = None


class Level:
    """The queue at one price, oldest first, and its total."""

    __slots__ = ("count", "head", "price", "quantity", "rank", "tail")

    def __init__(self, price: int, rank: int) -> None:
        self.price = price
        self.rank = rank
        self.head: BookOrder | None = None
        self.tail: BookOrder | None = None
        self.quantity = 0
        self.count = 0

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
        order.level, order.previous, order.next = level, level.tail, None
        if level.tail is None:
            level.head = order
        else:
            level.tail.next = order
        level.tail = order
        level.quantity += order.leaves
        level.count += 1
        undo.append((self._unlink, (order,)))
        return level

    def remove(self, order: BookOrder, undo: UndoLog) -> Level:
        """Take an order out, wherever it stands."""
        level = order.level
        assert level is not None
        self._unlink(order)
        undo.append((self._relink, (order, level)))
        return level

    def reduce(self, order: BookOrder, units: int, undo: UndoLog) -> None:
        """Fill `units` of a resting order; it keeps its place, or leaves when filled."""
        level = order.level
        assert level is not None
        assert 0 < units <= order.leaves
        if units == order.leaves:
            self.remove(order, undo)
        else:
            level.quantity -= units
            undo.append((_restore_quantity, (level, units)))
        order.leaves -= units
        undo.append((_restore_leaves, (order, units)))

    def _unlink(self, order: BookOrder) -> None:
        level = order.level
        assert level is not None
        before, after = order.previous, order.next
        if before is None:
            level.head = after
        else:
            before.next = after
        if after is None:
            level.tail = before
        else:
            after.previous = before
        level.quantity -= order.leaves
        level.count -= 1
        order.level = None  # but its own links stay, for _relink
        if not level.count:
            del self.levels[level.rank]
            if self.ranks[-1] == level.rank:
                self.ranks.pop()
            else:
                del self.ranks[bisect_left(self.ranks, level.rank)]

    def _relink(self, order: BookOrder, level: Level) -> None:
        if not level.count:
            self.levels[level.rank] = level
            insort(self.ranks, level.rank)
        if order.previous is None:
            level.head = order
        else:
            order.previous.next = order
        if order.next is None:
            level.tail = order
        else:
            order.next.previous = order
        order.level = level
        level.quantity += order.leaves
        level.count += 1


def _restore_quantity(level: Level, units: int) -> None:
    level.quantity += units


def _restore_leaves(order: BookOrder, units: int) -> None:
    order.leaves += units


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

    def check_invariants(self) -> None:
        """Raise AssertionError when the book contradicts itself; for tests and rebuilds."""
        for side in (self.bids, self.asks):
            assert side.ranks == sorted(side.levels), "prices are sorted and complete"
            for level in side:
                queue = list(level)
                assert queue, "no price is empty"
                assert level.quantity == sum(order.leaves for order in queue)
                assert level.count == len(queue)
                assert all(order.leaves > 0 and order.level is level for order in queue)
                priorities = [order.priority for order in queue]
                assert priorities == sorted(priorities), "first come, first served"
        bid, ask = self.bids.best(), self.asks.best()
        assert bid is None or ask is None or bid.price < ask.price, "the book is not crossed"
