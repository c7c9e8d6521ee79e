"""Bourse's own processes under the tests: sandbox parties, web, engine, worker.

They are the supervisor's parts, started on the test's database and Valkey.
"""

import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from bourse.environment import Environment
from bourse.supervisor import addresses as addressing
from bourse.supervisor.addresses import PARTIES, Addresses
from bourse.supervisor.cli import write_run_file
from bourse.supervisor.overseer import Part
from bourse.supervisor.parts import all_parts

READY_SECONDS = 90.0


@dataclass
class Processes:
    """Parts that run, by name; their output is in `logs`."""

    addresses: Addresses
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def web(self) -> str:
        return self.addresses.web_url

    def url(self, party: str) -> str:
        """Address of a sandbox party: chain, custodian, kyc or prices."""
        return self.addresses.party_url(party)

    def start(self, *names: str) -> None:
        """Start these parts and wait until each may be relied on."""
        parts = {part.name: part for part in all_parts(self.addresses)}
        for name in names:
            parts[name].prepare()
            with (self.logs / f"{name}.log").open("ab") as log:
                self.running[name] = parts[name].start(log)
        for name in names:
            self._wait(parts[name])

    def kill(self, name: str) -> None:
        """kill -9, as the machine's memory killer would."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Ask them to stop, the last started first."""
        for name in list(reversed(list(self.running) if names is None else list(names))):
            process = self.running.pop(name)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

    def _wait(self, part: Part) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not part.is_ready():
            assert self.running[part.name].poll() is None, f"{part.name}: {self.log(part.name)}"
            assert time.monotonic() < deadline, f"{part.name} is slow: {self.log(part.name)}"
            time.sleep(0.05)


def claim() -> Processes:
    """Addresses for this worker; the run file tells settings where the parties are."""
    addresses = addressing.claim(Environment())
    logs = addresses.var / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    write_run_file(addresses)
    # Read once and kept; what was kept is from before the file existed.
    settings.ENV.__dict__.pop("run_file", None)
    return Processes(addresses, logs)


def start_sandbox() -> Processes:
    processes = claim()
    processes.start(*PARTIES)
    return processes
