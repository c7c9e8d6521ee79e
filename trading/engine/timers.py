"""What has to happen at a moment: orders that expire, dead-man switches that fire.

A heap of moments; an entry that no longer stands for anything is skipped when its
turn comes, so nothing has to be taken out of the middle.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from uuid import UUID

from trading.engine.book import UndoLog

TIDY_FROM = 10_000  # entries; below that nobody cares


class Timers:
    """Moments in seconds since the epoch, the kernel's time."""

    __slots__ = ("_heap", "dead_men")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []  # (moment, order id as int or 0, investor)
        self.dead_men: dict[int, float] = {}  # investor -> when all of their orders go

    def add(self, moment: float, order_id: UUID) -> None:
        heappush(self._heap, (moment, order_id.int, 0))

    def set_dead_man(self, investor_id: int, due: float | None, undo: UndoLog) -> None:
        """Wind an investor's switch up, or turn it off."""
        undo.append((self._restore_dead_man, (investor_id, self.dead_men.get(investor_id))))
        self._restore_dead_man(investor_id, due)

    def restore_dead_man(self, investor_id: int, due: float) -> None:
        """As stored."""
        self._restore_dead_man(investor_id, due)

    def _restore_dead_man(self, investor_id: int, due: float | None) -> None:
        if due is None:
            self.dead_men.pop(investor_id, None)
        else:
            self.dead_men[investor_id] = due
            heappush(self._heap, (due, 0, investor_id))

    def next_due(self) -> float | None:
        """The earliest moment at which something may have to happen."""
        return self._heap[0][0] if self._heap else None

    def tidy(self, orders: Mapping[UUID, object], undo: UndoLog) -> None:
        """Drop the entries of orders that live no longer, once they are most of all."""
        standing = len(orders) + len(self.dead_men)
        if len(self._heap) < TIDY_FROM or len(self._heap) < 2 * standing:
            return
        kept = [entry for entry in self._heap if self._stands(entry, orders)]
        heapify(kept)
        undo.append((setattr, (self, "_heap", self._heap)))
        self._heap = kept

    def _stands(self, entry: tuple[float, int, int], orders: Mapping[UUID, object]) -> bool:
        moment, order_id, investor_id = entry
        if order_id:
            return UUID(int=order_id) in orders
        return self.dead_men.get(investor_id) == moment

    def pop_due(self, now: float, undo: UndoLog) -> tuple[float, int, int] | None:
        """Take the earliest entry that is due: (moment, order id or 0, investor)."""
        if not self._heap or self._heap[0][0] > now:
            return None
        entry = heappop(self._heap)
        undo.append((heappush, (self._heap, entry)))
        return entry
