"""One whole Bourse, as `make run` starts it, in a var folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bourse.environment import Environment
from bourse.supervisor.launch import is_alive
from tests.servers import ROOT

READY_SECONDS = 420


class House:
    """One `manage.py up` and what it says."""

    def __init__(self, var: Path) -> None:
        self.var = var
        # Where its processes can be made to stand still at a named moment.
        self.faults = var.parent / "faults"
        self.faults.mkdir(parents=True, exist_ok=True)
        names = {name.upper() for name in Environment.model_fields}
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in names and not name.startswith("BOURSE_")
        }
        self.environment["BOURSE_VAR_DIR"] = str(var)
        self.environment["BOURSE_FAULTS_DIR"] = str(self.faults)
        self.process: subprocess.Popen[bytes] | None = None

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> dict[str, Any]:
        """Start it if it is down, and return the run file that it writes once all is ready."""
        if self.is_up():
            return self.run()
        started_at = time.time()
        log = (self.var.parent / "up.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # whoever gets Ctrl-C stops it
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready(since=started_at):
            assert self.process.poll() is None, self.tail()
            assert time.monotonic() < deadline, self.tail()
            time.sleep(0.2)
        return self.run()

    def run(self) -> dict[str, Any]:
        """The run file: addresses and logins."""
        content: dict[str, Any] = json.loads((self.var / "run.json").read_text())
        return content

    def password(self, email: str) -> str:
        """The demo password of a login."""
        return next(str(one["password"]) for one in self.run()["logins"] if one["email"] == email)

    def is_ready(self, *, since: float) -> bool:
        run_file = self.var / "run.json"
        return run_file.exists() and run_file.stat().st_mtime > since

    def manage(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def children(self) -> list[int]:
        started: dict[str, list[int]] = json.loads((self.var / "children.json").read_text())
        return [process_id for process_id, _ in started.values()]

    def process_id(self, part: str) -> int:
        """Of a part that runs, by the supervisor's own list."""
        started: dict[str, list[int]] = json.loads((self.var / "children.json").read_text())
        return started[part][0]

    def kill_everything(self) -> None:
        """The supervisor first, so that nobody restarts anybody; then all, at once."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        for process_id in children:
            if is_alive(process_id):
                os.kill(process_id, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=90)

    def tail(self) -> str:
        return (self.var.parent / "up.log").read_text()[-6000:]
