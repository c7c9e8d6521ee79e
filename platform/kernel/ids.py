"""UUIDv7 made here, because PostgreSQL has `uuidv7()` only from 18 on (RFC 9562, 5.7)."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new time-ordered identifier: 48 bits of milliseconds, 74 random bits."""
    # Real time, not the kernel clock: ids must not repeat when a sandbox clock moves.
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)
