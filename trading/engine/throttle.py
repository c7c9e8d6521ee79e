"""How many messages an investor may send: a token bucket each, by the batch's clock.

A bucket is one number, the moment until which its messages are paid for (the
generic cell rate algorithm): each message moves it on by the time one takes, and
an order is refused that would find it more than the burst ahead of now. A cancel
is never refused, but counts. A bucket that nobody has touched for the length of a
burst is full, so it need not be remembered: memory is bounded by who sends now.
"""

from trading.engine.book import UndoLog
from trading.engine.refusals import TooManyMessages

# How much of its rate an investor may save up; 1 second of silence buys 1 second's messages.
BURST_SECONDS = 2.0
MICROS = 1_000_000


class Throttle:
    """Buckets of those who sent lately, in two halves of which the older is forgotten whole."""

    __slots__ = ("_burst", "_interval", "_new", "_old", "_turn_at")

    def __init__(self, *, per_second: int, burst_seconds: float = BURST_SECONDS) -> None:
        # In whole microseconds: tenths of a second do not add up in binary.
        self._interval = MICROS // per_second
        self._burst = round(burst_seconds * MICROS)
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._turn_at = 0

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._new) + len(self._old)

    def count(self, investor_id: int, now: float, undo: UndoLog, *, is_cancel: bool) -> None:
        """Count a message.

        :raises TooManyMessages: an order too many; it is not counted, the next may fit.
        """
        at = round(now * MICROS)
        if at >= self._turn_at:
            self._turn(at, undo)
        before = self._new.get(investor_id)
        paid = self._old.get(investor_id, at) if before is None else before
        paid = max(paid, at) + self._interval
        if paid - at > self._burst:
            if not is_cancel:
                raise TooManyMessages(per_second=str(MICROS // self._interval))
            paid = at + self._burst  # a storm of cancels costs no more than a whole burst
        undo.append((self._restore, (investor_id, before)))
        self._new[investor_id] = paid

    def _restore(self, investor_id: int, before: int | None) -> None:
        if before is None:
            del self._new[investor_id]
        else:
            self._new[investor_id] = before

    def _turn(self, at: int, undo: UndoLog) -> None:
        """No bucket of the older half was touched within a burst: all of them are full."""
        undo.append((self._unturn, (self._new, self._old, self._turn_at)))
        self._old, self._new, self._turn_at = self._new, {}, at + self._burst

    def _unturn(self, new: dict[int, int], old: dict[int, int], turn_at: int) -> None:
        self._new, self._old, self._turn_at = new, old, turn_at
