"""A PostgreSQL and a Valkey for one benchmark, started as the product starts its own.

Durable, and that is asserted: fsync, synchronous_commit and full_page_writes are on.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from bourse.environment import Environment
from bourse.supervisor import addresses as addressing
from bourse.supervisor.addresses import POSTGRES_SETTINGS, Addresses
from bourse.supervisor.launch import wait_until_ready
from bourse.supervisor.parts import all_parts
from bourse.supervisor.ports import Reservation
from bourse.supervisor.postgres import (
    APP_ROLE,
    OWNER_ROLE,
    Postgres,
    ensure_database,
    ensure_roles,
)
from bourse.supervisor.valkey import Valkey

ROOT = Path(__file__).resolve().parents[1]
DATABASE = "bourse"
PASSWORD = "of-a-benchmark"  # noqa: S105 (on loopback, for minutes)
WEB_SECONDS = 60.0
MUST_BE_ON = ("fsync", "synchronous_commit", "full_page_writes")


class Servers:
    """Context manager; inside it Django may be set up, once per process."""

    def __enter__(self) -> Self:
        # Short and in lower case: the socket's path travels in a URL.
        self.home = Path(tempfile.mkdtemp(prefix="bourse-bench-", dir="/tmp"))
        self._reserved = [Reservation(), Reservation()]
        self.postgres = Postgres(
            self.home / "pg",
            self._reserved[0].port,
            {**POSTGRES_SETTINGS, "log_min_messages": "error"},
        )
        self.valkey = Valkey(self.home / "valkey", self._reserved[1].port, PASSWORD)
        self._running: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self) -> None:
        for server in (self.postgres, self.valkey):
            server.prepare()
            with (self.home / f"{type(server).__name__}.log").open("wb") as log:
                process = server.start(log)
            self._running.append(process)
            server.wait_ready(process)
        ensure_roles(self.postgres.admin_url(), owner_password=PASSWORD, app_password=PASSWORD)
        ensure_database(self.postgres, DATABASE)
        self._assert_durable()
        os.environ.update(self.environment())
        self.manage("migrate", "--database", "owner", "--verbosity", "0")

    def _assert_durable(self) -> None:
        with psycopg.connect(self.postgres.admin_url()) as connection:
            for name in MUST_BE_ON:
                row = connection.execute(f"SHOW {name}").fetchone()
                assert row == ("on",), f"{name} must be on for a benchmark of durable things"

    def environment(self) -> dict[str, str]:
        """What settings read. The socket, not TCP: the same as the yardstick's."""
        return {
            "BOURSE_ENV": "development",
            "BOURSE_CLOCK": "system",
            "BOURSE_VAR_DIR": str(self.home / "var"),
            "DATABASE_URL": self._url(APP_ROLE),
            "DATABASE_OWNER_URL": self._url(OWNER_ROLE),
            "DATABASE_POOL_MAX": "0",
            "REDIS_URL": self.valkey.url(),
            "CELERY_BROKER_URL": self.valkey.url(),
            "DJANGO_SETTINGS_MODULE": "bourse.settings",
            "LOG_LEVEL": "WARNING",
            # Buckets are kept and cost what they cost, but refuse none of the few who send here.
            "MESSAGES_PER_SECOND": "1000000",
        }

    def _url(self, role: str) -> str:
        folder = quote(str(self.postgres.socket_folder), safe="")
        return f"postgresql://{role}:{PASSWORD}@{folder}:{self.postgres.port}/{DATABASE}"

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end."""
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True)

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a management command; it is stopped with the servers at the latest."""
        process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT)
        self._running.append(process)
        return process

    def claim_web(self) -> "Web":
        """Decide where the web process will listen. Before Django: its keys are told to both."""
        (self.home / "var").mkdir(exist_ok=True)
        addresses = addressing.claim(Environment())
        os.environ.update(addresses.settings())
        return Web(self, addresses)

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Stop this one too, at the end."""
        self._running.append(process)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for reservation in self._reserved:
            reservation.close()
        shutil.rmtree(self.home, ignore_errors=True)


class Web:
    """The product's web process, started as the supervisor starts it."""

    def __init__(self, servers: Servers, addresses: Addresses) -> None:
        self._servers, self._addresses = servers, addresses

    def start(self) -> str:
        """Its address, once it is ready."""
        part = next(part for part in all_parts(self._addresses) if part.name == "web")
        with (self._servers.home / "web.log").open("wb") as log:
            process = part.start(log)
        self._servers.watch(process)
        wait_until_ready(process, part.is_ready, "web", seconds=WEB_SECONDS)
        return self._addresses.web_url
