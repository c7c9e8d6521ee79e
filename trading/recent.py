"""What a pool's engine remembers of what was lately done: commands taken, orders closed.

Both are forgotten by halves: when the newer one is full, the older is dropped whole.
"""

from collections.abc import Iterable
from uuid import UUID

from trading.engine.book import BookOrder
from trading.states import LIVE_STATUSES

# Twice as long as any command may wait, so an id that is forgotten is long past its deadline.
REMEMBER_SECONDS = 120.0
CLOSED_MAX = 50_000  # orders of a half


class Recent:
    """Ids of commands, none of which may be executed twice; and orders that live no longer."""

    def __init__(self) -> None:
        self._new: set[UUID] = set()
        self._old: set[UUID] = set()
        self._turn_at = 0.0
        self._closed: dict[UUID, tuple[int, str]] = {}
        self._closed_before: dict[UUID, tuple[int, str]] = {}

    def __contains__(self, id: UUID) -> bool:
        return id in self._new or id in self._old

    def discard(self, ids: Iterable[UUID]) -> None:
        """Forget ids of a batch that was undone."""
        self._new.difference_update(ids)
        self._old.difference_update(ids)

    def update(self, ids: Iterable[UUID], now: float) -> None:
        """Remember ids for at least REMEMBER_SECONDS."""
        if now >= self._turn_at:
            self._old, self._new = self._new, set()
            self._turn_at = now + REMEMBER_SECONDS
        self._new.update(ids)

    def close(self, orders: Iterable[BookOrder]) -> None:
        """Remember how those of a batch's orders ended that live no longer."""
        if len(self._closed) >= CLOSED_MAX:
            self._closed_before, self._closed = self._closed, {}
        self._closed.update(
            (order.id, (order.investor_id, order.status))
            for order in orders
            if order.status not in LIVE_STATUSES
        )

    def reopen(self, ids: Iterable[UUID]) -> None:
        """Forget how orders of a batch ended that was undone."""
        for id in ids:
            self._closed.pop(id, None)
            self._closed_before.pop(id, None)

    def end_of(self, investor_id: int, order_id: UUID) -> str | None:
        """The status with which this investor's order ended; None: not known here."""
        found = self._closed.get(order_id) or self._closed_before.get(order_id)
        return found[1] if found is not None and found[0] == investor_id else None
