"""A call auction: the one price at which orders that have gathered are matched at once.

The price at which most can be executed; among those the one that leaves the
smallest surplus; among those the one nearest the reference (without one, their
middle). Then the better price and the earlier order first, as ever, but all at
that one price. Icebergs take part whole. Pure: reads a book, which may be crossed,
and plans; `apply` carries out.
"""

from bisect import bisect_right
from collections.abc import Iterator
from operator import neg
from typing import Final, NamedTuple

from trading.engine.book import Book, BookOrder, BookSide, Level, UndoLog
from trading.engine.fees import TOKEN
from trading.engine.matching import Execution, add_fill

Excluded = set[BookOrder]
SEARCHES_MAX: Final = 16  # for the price, each without those who would meet their own


class Indication(NamedTuple):
    """What the auction would come to if it ended now."""

    price: int
    quantity: int  # executable
    imbalance: int  # what is left at that price: bids' more than 0, asks' less


class Uncross(NamedTuple):
    """The auction's end, planned: fills in the order they happen, all at one price.

    `canceled` are orders that would have met an older one of their own owner group; they
    leave the book before the fills. No price: nothing can be executed.
    """

    indication: Indication | None
    fills: list[tuple[BookOrder, BookOrder, int]]  # bid, ask, units
    canceled: list[BookOrder]


def indicate(book: Book, *, reference: int | None, tick: int) -> Indication | None:
    """The indicative price, volume and imbalance; None when no bid meets an ask."""
    return _indicate(book, set(), reference, tick)


def plan_uncross(book: Book, *, reference: int | None, tick: int) -> Uncross:
    """Whom the auction matches with whom. Changes nothing.

    Where a bid would meet an ask of its own group the newer one is canceled, and the price
    is found again without it, so that the volume is the largest of what remains. After some
    times that is not left to the price: each could name one more order only.
    """
    excluded: Excluded = set()
    canceled: list[BookOrder] = []
    searches = 0
    while True:
        searches += 1
        indication = _indicate(book, excluded, reference, tick)
        if indication is None:
            return Uncross(None, [], canceled)
        fills, meeting = _pair(book, excluded, indication)
        if not meeting:
            return Uncross(indication, fills, canceled)
        if searches == SEARCHES_MAX:
            meeting = _crossing(book, excluded)
        canceled += meeting
        excluded.update(meeting)


def apply_uncross(book: Book, planned: Uncross, undo: UndoLog) -> list[Execution]:
    """Carry out the fills, once the canceled orders are out of the book.

    The older order of a pair is its maker; both pay the maker's rate frozen on them.
    """
    if planned.indication is None:
        return []
    price = planned.indication.price
    return [_execute(book, price, fill, undo) for fill in planned.fills]


def _execute(
    book: Book, price: int, fill: tuple[BookOrder, BookOrder, int], undo: UndoLog
) -> Execution:
    bid, ask, units = fill
    maker, taker = (bid, ask) if bid.priority < ask.priority else (ask, bid)
    cash = price * units // TOKEN
    requeued = book.side_of(maker).fill(maker, units, undo)
    taker_requeued = book.side_of(taker).fill(taker, units, undo)
    return Execution(
        maker=maker,
        taker=taker,
        price=price,
        quantity=units,
        cash=cash,
        maker_fee=add_fill(maker, units, cash, maker.maker_fee_e6, undo),
        taker_fee=add_fill(taker, units, cash, taker.maker_fee_e6, undo),
        requeued=requeued,
        taker_requeued=taker_requeued,
    )


def _indicate(
    book: Book, excluded: Excluded, reference: int | None, tick: int
) -> Indication | None:
    bids, asks = _Curve(book.bids, excluded), _Curve(book.asks, excluded)
    if not bids.ranks or not asks.ranks or bids.ranks[0] < -asks.ranks[0]:
        return None
    lowest, highest = -asks.ranks[0], bids.ranks[0]
    limits = [*bids.ranks, *(-rank for rank in asks.ranks)]
    # Demand and supply change at limits only: a limit and the ticks beside it are all there is.
    steps = sorted({price for limit in limits for price in (limit - tick, limit, limit + tick)})
    found = [_judge(price, bids, asks) for price in steps if lowest <= price <= highest]
    most = max(quantity for _, quantity, _ in found)
    least = min(abs(left) for _, quantity, left in found if quantity == most)
    best = [price for price, quantity, left in found if quantity == most and abs(left) == least]
    # Both conditions hold all the way between the outermost of them.
    return Indication(*_judge(_nearest(reference, best[0], best[-1], tick), bids, asks))


class _Curve:
    """How much one side would trade at a price: all whose rank is at least that good."""

    def __init__(self, side: BookSide, excluded: Excluded) -> None:
        self.ranks: list[int] = []  # best first
        self._totals = [0]
        for level in side:
            units = _volume(level, excluded)
            if units:
                self.ranks.append(level.rank)
                self._totals.append(self._totals[-1] + units)

    def units(self, rank: int) -> int:
        return self._totals[bisect_right(self.ranks, -rank, key=neg)]


def _volume(level: Level, excluded: Excluded) -> int:
    """The units at one price, hidden ones too."""
    if not level.icebergs and not excluded:
        return level.quantity
    return sum(order.leaves for order in level if order not in excluded)


def _judge(price: int, bids: _Curve, asks: _Curve) -> tuple[int, int, int]:
    demand, supply = bids.units(price), asks.units(-price)
    return price, min(demand, supply), demand - supply


def _nearest(reference: int | None, low: int, high: int, tick: int) -> int:
    """The price on the tick in [low, high] nearest the reference, or the middle; ties go down."""
    wanted = (low + high) // 2 if reference is None else min(max(reference, low), high)
    below = wanted - wanted % tick
    return below + tick if wanted - below > below + tick - wanted else below


def _pair(
    book: Book, excluded: Excluded, indication: Indication
) -> tuple[list[tuple[BookOrder, BookOrder, int]], list[BookOrder]]:
    """Match by priority, and name those that would meet an older order of their own group."""
    fills: list[tuple[BookOrder, BookOrder, int]] = []
    meeting: list[BookOrder] = []
    bids, asks = _queue(book.bids, excluded), _queue(book.asks, excluded)
    bid, ask = next(bids, None), next(asks, None)
    bid_left = bid.leaves if bid else 0
    ask_left = ask.leaves if ask else 0
    price = indication.price
    while bid and ask and _limit(bid) >= price >= _limit(ask):
        if bid.owner_group.int == ask.owner_group.int:
            newer = bid if bid.priority > ask.priority else ask
            meeting.append(newer)
            bid_left, ask_left = (0, ask_left) if newer is bid else (bid_left, 0)
        else:
            units = min(bid_left, ask_left)
            fills.append((bid, ask, units))
            bid_left, ask_left = bid_left - units, ask_left - units
        if not bid_left:
            bid = next(bids, None)
            bid_left = bid.leaves if bid else 0
        if not ask_left:
            ask = next(asks, None)
            ask_left = ask.leaves if ask else 0
    return fills, meeting


def _crossing(book: Book, excluded: Excluded) -> list[BookOrder]:
    """All that could meet an older order of their own group, at whatever price."""
    groups: dict[int, tuple[list[BookOrder], list[BookOrder]]] = {}
    for number, side in enumerate((book.bids, book.asks)):
        for order in _queue(side, excluded):
            own = groups.setdefault(order.owner_group.int, ([], []))
            own[number].append(order)
    newer: list[BookOrder] = []
    for bids, asks in groups.values():
        while bids and asks and _limit(bids[0]) >= _limit(asks[0]):
            side_of_newer = bids if bids[0].priority > asks[0].priority else asks
            newer.append(side_of_newer.pop(0))
    return newer


def _queue(side: BookSide, excluded: Excluded) -> Iterator[BookOrder]:
    return (order for level in side for order in level if order not in excluded)


def _limit(order: BookOrder) -> int:
    assert order.price is not None
    return order.price
