"""UUIDv7 made here, because PostgreSQL has `uuidv7()` only from 18 on (RFC 9562, 5.7)."""

import os
import threading
import time
from uuid import UUID

_RANDOM_BITS = 74
_STEP_MASK = (1 << 40) - 1
_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new identifier: 48 bits of milliseconds, then 74 bits, random at each new millisecond.

    Within a process each is greater than the one before, also inside one millisecond and after
    the clock stepped back (RFC 9562, 6.2, method 2): what was made later sorts later.
    """
    global _last  # noqa: PLW0603 - the order is a fact of the whole process
    # Real time, not the kernel clock: ids must not repeat when a sandbox clock moves.
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10)) >> 6
    with _lock:
        if milliseconds > _last >> _RANDOM_BITS:
            _last = (milliseconds << _RANDOM_BITS) | chance
        else:
            _last += 1 + (chance & _STEP_MASK)
        value = _last
    head, high, low = value >> 74, (value >> 62) & 0xFFF, value & ((1 << 62) - 1)
    return UUID(int=(head << 80) | (0x7 << 76) | (high << 64) | (0x2 << 62) | low)
