"""The one clock. Every process reads the time here, in UTC, at its edge.

With `BOURSE_CLOCK=sandbox` the time is real time plus an offset that the
sandbox keeps in a small file (`{"offset_seconds": 0}`), so that a tester can
step to the next session. The file is only read here; sandbox/clock.py writes it.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

# How long a process may go on with the offset it knows before it looks again.
RECHECK_SECONDS = 0.1


@dataclass
class _Sandbox:
    """The file that is followed, None for real time, and what was last read there."""

    file: Path | None = None
    checked_at: float = float("-inf")  # monotonic seconds
    # (when the file was modified, the offset it said), replaced as one: threads share them.
    known: tuple[int, timedelta] = (0, timedelta(0))

    def look(self, file: Path) -> None:
        """Read the offset again when RECHECK_SECONDS are over and the file has changed."""
        at = time.monotonic()
        if at - self.checked_at < RECHECK_SECONDS:
            return
        self.checked_at = at
        try:
            modified_ns = os.stat(file).st_mtime_ns
        except FileNotFoundError:
            return  # nobody has moved the clock yet
        if modified_ns != self.known[0]:
            offset = timedelta(seconds=json.loads(file.read_text())["offset_seconds"])
            self.known = modified_ns, offset


_sandbox = _Sandbox()


def configure(sandbox_file: Path | None) -> None:
    """Follow the sandbox's clock file, or real time when None."""
    vars(_sandbox).update(vars(_Sandbox(sandbox_file)))


def followed_file() -> Path | None:
    """The sandbox's clock file, or None for real time."""
    return _sandbox.file


def now() -> datetime:
    """The time now, aware, in UTC."""
    if _sandbox.file is not None:
        _sandbox.look(_sandbox.file)
    return datetime.now(UTC) + _sandbox.known[1]
