"""What has to happen at a moment: orders that expire, dead-man switches that fire.

A heap of moments; an entry that no longer stands for anything is skipped when its
turn comes, so nothing has to be taken out of the middle.
"""

from heapq import heappop, heappush
from uuid import UUID

from trading.engine.book import UndoLog


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

    def pop_due(self, now: float, undo: UndoLog) -> tuple[float, int, int] | None:
        """Take the earliest entry that is due: (moment, order id or 0, investor)."""
        if not self._heap or self._heap[0][0] > now:
            return None
        entry = heappop(self._heap)
        undo.append((heappush, (self._heap, entry)))
        return entry
