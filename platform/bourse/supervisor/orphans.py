"""Children that a killed supervisor left behind are ended by the next one.

They die with their parent by themselves (launch.py), but one that was stopped
by SIGSTOP or hangs in its clean-up would still hold its port and its locks.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from bourse.supervisor.launch import is_alive

POLITE_SECONDS = 10.0


class Orphanage:
    """Remembers in `file` who was started: name, process id, start time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._started: dict[str, tuple[int, int]] = {}

    def remember(self, name: str, process_id: int) -> None:
        self._started[name] = (process_id, started_ticks(process_id))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._started))
        fresh.replace(self._file)

    def end_all(self) -> list[str]:
        """End everyone remembered who still runs; their names."""
        left = {name: pid for name, (pid, ticks) in self._read().items() if _is_same(pid, ticks)}
        for number, seconds in ((signal.SIGTERM, POLITE_SECONDS), (signal.SIGKILL, 5.0)):
            alive = [process_id for process_id in left.values() if is_alive(process_id)]
            for process_id in alive:
                _signal(process_id, number)
                _signal(process_id, signal.SIGCONT)
            deadline = time.monotonic() + seconds
            while any(map(is_alive, alive)) and time.monotonic() < deadline:
                time.sleep(0.05)
        self._file.unlink(missing_ok=True)
        return list(left)

    def _read(self) -> dict[str, tuple[int, int]]:
        try:
            content: dict[str, list[int]] = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {name: (process_id, ticks) for name, (process_id, ticks) in content.items()}


def started_ticks(process_id: int) -> int:
    """When it started, in ticks since boot: with the id, that names a process; 0 for none."""
    try:
        return int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _is_same(process_id: int, ticks: int) -> bool:
    return ticks > 0 and started_ticks(process_id) == ticks and is_alive(process_id)


def _signal(process_id: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it may go by itself meanwhile
        os.kill(process_id, number)
