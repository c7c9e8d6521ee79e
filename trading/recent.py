"""What a pool's engine remembers of what was lately done: commands taken, orders closed.

Both are forgotten by halves: when the newer one is full, the older is dropped whole.
"""

from collections.abc import Iterable, Set
from uuid import UUID

from trading.engine.book import BookOrder
from trading.states import LIVE_STATUSES

# Twice as long as any command may wait, so an id that is forgotten is long past its deadline.
REMEMBER_SECONDS = 120.0
CLOSED_MAX = 50_000  # orders of a half


class Recent:
    """Ids of commands, none of which may be executed twice; and orders that live no longer."""

    def __init__(self) -> None:
        # The ids' numbers: an id's own hash is made in Python, each time.
        self._new: set[int] = set()
        self._old: set[int] = set()
        self._turn_at = 0.0
        self._closed: dict[int, tuple[int, str]] = {}
        self._closed_before: dict[int, tuple[int, str]] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._new or number in self._old

    def discard(self, numbers: Set[int]) -> None:
        """Forget ids of a batch that was undone."""
        self._new.difference_update(numbers)
        self._old.difference_update(numbers)

    def update(self, numbers: Set[int], now: float) -> None:
        """Remember ids for at least REMEMBER_SECONDS."""
        if now >= self._turn_at:
            self._old, self._new = self._new, set()
            self._turn_at = now + REMEMBER_SECONDS
        self._new.update(numbers)

    def close(self, orders: Iterable[BookOrder]) -> None:
        """Remember how those of a batch's orders ended that live no longer."""
        if len(self._closed) >= CLOSED_MAX:
            self._closed_before, self._closed = self._closed, {}
        closed = self._closed
        for order in orders:
            status = order.status
            if status not in LIVE_STATUSES:
                closed[order.id.int] = (order.investor_id, status)

    def reopen(self, ids: Iterable[UUID]) -> None:
        """Forget how orders of a batch ended that was undone."""
        for id in ids:
            self._closed.pop(id.int, None)
            self._closed_before.pop(id.int, None)

    def end_of(self, investor_id: int, order_id: UUID) -> str | None:
        """The status with which this investor's order ended; None: not known here."""
        found = self._closed.get(order_id.int) or self._closed_before.get(order_id.int)
        return found[1] if found is not None and found[0] == investor_id else None
