"""The one clock. Every process reads the time here, in UTC, at its edge.

With `BOURSE_CLOCK=sandbox` the time is real time plus an offset that the
sandbox keeps in a small file (`{"offset_seconds": 0}`), so that a tester can
step to the next session. The file is only read here; sandbox/clock.py writes it.
"""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

# How long a process may go on with the offset it knows before it looks again.
RECHECK_SECONDS = 0.1

_sandbox_file: Path | None = None
_offset = timedelta(0)
_checked_at = 0.0
_modified_ns = 0


def configure(sandbox_file: Path | None) -> None:
    """Follow the sandbox's clock file, or real time when None."""
    global _sandbox_file, _offset, _checked_at, _modified_ns
    _sandbox_file, _offset, _checked_at, _modified_ns = sandbox_file, timedelta(0), 0.0, 0


def now() -> datetime:
    """The time now, aware, in UTC."""
    if _sandbox_file is not None:
        _follow(_sandbox_file)
    return datetime.now(UTC) + _offset


def _follow(sandbox_file: Path) -> None:
    global _offset, _checked_at, _modified_ns
    at = time.monotonic()
    if at - _checked_at < RECHECK_SECONDS and _checked_at:
        return
    _checked_at = at
    try:
        modified_ns = os.stat(sandbox_file).st_mtime_ns
    except FileNotFoundError:
        return  # nobody has moved the clock yet
    if modified_ns != _modified_ns:
        _offset = timedelta(seconds=json.loads(sandbox_file.read_text())["offset_seconds"])
        _modified_ns = modified_ns
