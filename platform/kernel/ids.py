"""UUIDv7 made here, because PostgreSQL has `uuidv7()` only from 18 on (RFC 9562, 5.7)."""

import os
import threading
import time
from uuid import UUID

_RANDOM_BITS = 74
_STEP_MASK = (1 << 40) - 1
_DRAWN_AT_ONCE = 256  # ids; asking the system for each costs more than all the rest
_lock = threading.Lock()
_last = 0
_chances: list[int] = []
# Two processes must never draw the same: a child forgets what its parent has left over.
os.register_at_fork(after_in_child=_chances.clear)


def uuid7() -> UUID:
    """A new identifier: 48 bits of milliseconds, then 74 bits, random at each new millisecond.

    Within a process each is greater than the one before, also inside one millisecond and after
    the clock stepped back (RFC 9562, 6.2, method 2): what was made later sorts later.
    """
    global _last  # noqa: PLW0603 - the order is a fact of the whole process
    # Real time, not the kernel clock: ids must not repeat when a sandbox clock moves.
    milliseconds = time.time_ns() // 1_000_000
    with _lock:
        chance = _chances.pop() if _chances else _draw()
        if milliseconds > _last >> _RANDOM_BITS:
            _last = (milliseconds << _RANDOM_BITS) | chance
        else:
            _last += 1 + (chance & _STEP_MASK)
        value = _last
    head, high, low = value >> 74, (value >> 62) & 0xFFF, value & ((1 << 62) - 1)
    return UUID(int=(head << 80) | (0x7 << 76) | (high << 64) | (0x2 << 62) | low)


def _draw() -> int:
    """74 random bits; more of them are laid by."""
    block = os.urandom(10 * _DRAWN_AT_ONCE)
    _chances.extend(int.from_bytes(block[at : at + 10]) >> 6 for at in range(0, len(block), 10))
    return _chances.pop()
