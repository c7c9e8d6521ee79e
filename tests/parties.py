"""Sandbox parties as real processes for tests: start, kill -9, start again.

    chain = Party("chain", folder, ["--slot-ms", "20"])
    chain.start(); chain.kill(); chain.start()
All parties in one folder share its clock file.
"""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
CALENDAR = ROOT / "platform" / "reference" / "data" / "xnys.csv"
START_SECONDS_MAX = 60


class Party:
    """One sandbox process; `folder` outlives it, so a restart finds its state."""

    def __init__(
        self, name: str, folder: Path, options: list[str], *, key: str = "", secret: str = ""
    ) -> None:
        self.name = name
        self.clock_file = folder / "clock.json"
        self._folder = folder
        self._options = options
        self._environment = {"SANDBOX_CUSTODIAN_KEY": key, "SANDBOX_SECRET": secret}
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Party":
        argv = [sys.executable, "-m", f"sandbox.{self.name}", "--port", str(self._port)]
        argv += ["--state", str(self._folder / self.name), *self._options]
        environment = {**os.environ, **self._environment, "PYTHONPATH": str(ROOT / "platform")}
        environment.pop("BOURSE_ENV", None)
        self._process = subprocess.Popen(argv, env=environment, cwd=ROOT)
        self._wait_until_it_answers()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=60)

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"{self.name} ended at its start"
            try:
                if httpx.get(self.url + "/sandbox/health", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"{self.name} did not answer")


class SandboxClock:
    """The parties' clock, as a tester moves it."""

    def __init__(self, party: Party) -> None:
        self._party = party

    def now(self) -> datetime:
        try:
            offset = json.loads(self._party.clock_file.read_text())["offset_seconds"]
        except FileNotFoundError:
            offset = 0
        return datetime.now(UTC) + timedelta(seconds=offset)

    def advance(self, **step: float) -> None:
        """advance(hours=3)"""
        self.to(self.now() + timedelta(**step))

    def to(self, instant: datetime) -> None:
        answer = self._party.post("/sandbox/clock", {"to": instant.isoformat()})
        assert answer.status_code == 200, answer.text
        # Other processes look at the file ten times a second.
        time.sleep(0.15)

    def to_next_session(self, *, minutes: int = 5) -> None:
        """Some minutes into the next regular session that has not begun."""
        opens = next(at for at in _opens() if at > self.now())
        self.to(opens + timedelta(minutes=minutes))

    def to_closed_market(self) -> None:
        """The night before the next session."""
        opens = next(at for at in _opens() if at > self.now() + timedelta(hours=2))
        self.to(opens - timedelta(hours=1))


def _opens() -> list[datetime]:
    rows = CALENDAR.read_text().splitlines()[1:]
    return [datetime.fromisoformat(row.split(",")[3]) for row in rows]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
