"""The servers under the tests: one PostgreSQL a session, one Valkey a worker.

Migrating takes seconds, so a cluster with the migrated template database is
kept in the cache folder, under the hash of all that decides its tables, and
copied for each session. Every session has a folder, ports and servers of its
own; all of them end with the process that started them, kill -9 included.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bourse.supervisor import launch
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
CACHE = ROOT / ".pytest_cache" / "clusters"
CACHED_CLUSTERS_MAX = 3
HOME_PREFIX = "bourse-test-"
TEMPLATE = "bourse_template"
OWNER_PASSWORD = "owner-of-the-tests"
APP_PASSWORD = "application-of-the-tests"
VALKEY_PASSWORD = "valkey-of-the-tests"
# Nothing of a test has to survive a power cut.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}

_held: list[Reservation] = []
_started: list[subprocess.Popen[bytes]] = []


def claim_environment() -> None:
    """Point the environment at this session's servers, before Django reads it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _claim_session()
    home = session_home()
    worker = worker_name()
    valkey = Reservation()
    _held.append(valkey)
    os.environ["BOURSE_TEST_VALKEY_PORT"] = str(valkey.port)
    os.environ.update(
        BOURSE_ENV="development",
        BOURSE_CLOCK="sandbox",
        BOURSE_VAR_DIR=str(home / worker / "var"),
        DATABASE_URL=database_url(APP_ROLE, f"bourse_{worker}"),
        DATABASE_OWNER_URL=database_url(OWNER_ROLE, f"bourse_{worker}"),
        DATABASE_POOL_MAX="0",
        REDIS_URL=worker_valkey().url(),
        CELERY_BROKER_URL=worker_valkey().url(),
    )
    (home / worker / "var").mkdir(parents=True)


def session_home() -> Path:
    return Path(os.environ["BOURSE_TEST_HOME"])


def worker_name() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def session_postgres() -> Postgres:
    return Postgres(session_home() / "postgres", int(os.environ["BOURSE_TEST_POSTGRES_PORT"]), FAST)


def worker_valkey() -> Valkey:
    return Valkey(
        session_home() / worker_name() / "valkey",
        int(os.environ["BOURSE_TEST_VALKEY_PORT"]),
        VALKEY_PASSWORD,
        durable=False,
    )


def database_url(role: str, name: str) -> str:
    password = OWNER_PASSWORD if role == OWNER_ROLE else APP_PASSWORD
    return session_postgres().url(role, password, name)


def start_postgres() -> None:
    """Start the session's PostgreSQL from the cached cluster, once."""
    if "BOURSE_TEST_POSTGRES_STARTED" in os.environ:
        return
    cluster = _cached_cluster()
    postgres = session_postgres()
    subprocess.run(["cp", "-a", "--reflink=auto", str(cluster), str(postgres.home)], check=True)
    _run(postgres)
    os.environ["BOURSE_TEST_POSTGRES_STARTED"] = "1"


def start_valkey() -> Valkey:
    valkey = worker_valkey()
    valkey.prepare()
    with (valkey.home / "log").open("wb") as log:
        process = valkey.start(log)
    _started.append(process)
    valkey.wait_ready(process)
    return valkey


def stop_all() -> None:
    """Stop what this process started and remove the session's folder if it is ours."""
    for process in reversed(_started):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=3)  # PostgreSQL waits for clients that never leave
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=20)
    _started.clear()
    for reservation in _held:
        reservation.close()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(session_home(), ignore_errors=True)


@contextmanager
def clone(name: str) -> Iterator[None]:
    """A fresh copy of the migrated template, dropped at the end."""
    with psycopg.connect(session_postgres().admin_url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE), sql.Identifier(OWNER_ROLE)
            )
        )
        # A copy has the tables' rights, not the database's own.
        connection.execute(
            sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
        )
    try:
        yield
    finally:
        with psycopg.connect(session_postgres().admin_url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _claim_session() -> None:
    for leftover in Path(tempfile.gettempdir()).glob(f"{HOME_PREFIX}*"):
        _remove_if_abandoned(leftover)
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX))
    (home / "session.pid").write_text(str(os.getpid()))
    reservation = Reservation()
    _held.append(reservation)
    os.environ["BOURSE_TEST_HOME"] = str(home)
    os.environ["BOURSE_TEST_POSTGRES_PORT"] = str(reservation.port)
    os.environ.pop("BOURSE_TEST_POSTGRES_STARTED", None)


def _remove_if_abandoned(home: Path) -> None:
    """A killed session could not remove its folder."""
    try:
        process_id = int((home / "session.pid").read_text())
    except (OSError, ValueError):
        return
    if not launch.is_alive(process_id):
        shutil.rmtree(home, ignore_errors=True)


def _cached_cluster() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    cluster = CACHE / _schema_key()
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            _build(cluster)
        cluster.touch()
        _keep_newest()
    return cluster


def _schema_key() -> str:
    """The hash of every file that decides what the migrated database looks like."""
    digest = hashlib.sha256()
    files = [ROOT / "requirements.lock", ROOT / "tests" / "servers.py"]
    for folder in ("accounts", "custody", "trading", "platform"):
        files += (ROOT / folder).glob("**/migrations/**/*.py")
        files += (ROOT / folder).glob("**/models.py")
        files += (ROOT / folder).glob("**/models/**/*.py")
        files += (ROOT / folder).glob("**/supervisor/postgres.py")
        files += (ROOT / folder).glob("**/database_rights.py")
        files += (ROOT / folder).glob("**/sealing_history.py")
    for file in sorted(files):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:20]


def _build(cluster: Path) -> None:
    """A cluster with roles and the migrated template, stopped cleanly."""
    building = Path(tempfile.mkdtemp(prefix="building-", dir=CACHE))
    reservation = Reservation()
    postgres = Postgres(building / "postgres", reservation.port, FAST)
    try:
        process = _run(postgres)
        ensure_roles(postgres.admin_url(), owner_password=OWNER_PASSWORD, app_password=APP_PASSWORD)
        ensure_database(postgres, TEMPLATE)
        _migrate(postgres)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        _started.remove(process)
        (building / "postgres").rename(cluster)
    finally:
        reservation.close()
        shutil.rmtree(building, ignore_errors=True)


def _run(postgres: Postgres) -> subprocess.Popen[bytes]:
    postgres.prepare()
    with (postgres.home / "log").open("wb") as log:
        process = postgres.start(log)
    _started.append(process)
    try:
        postgres.wait_ready(process)
    except launch.CannotStart as problem:
        raise launch.CannotStart(f"{problem}\n{(postgres.home / 'log').read_text()}") from None
    return process


def _migrate(postgres: Postgres) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url(APP_ROLE, APP_PASSWORD, TEMPLATE),
        "DATABASE_OWNER_URL": postgres.url(OWNER_ROLE, OWNER_PASSWORD, TEMPLATE),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--database", "owner", "--skip-checks", "-v0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise launch.CannotStart(f"The migrations failed:\n{done.stdout}{done.stderr}")


def _keep_newest() -> None:
    clusters = sorted(
        (path for path in CACHE.iterdir() if (path / "data").exists()),
        key=lambda path: path.stat().st_mtime,
    )
    for outdated in clusters[:-CACHED_CLUSTERS_MAX]:
        shutil.rmtree(outdated, ignore_errors=True)
