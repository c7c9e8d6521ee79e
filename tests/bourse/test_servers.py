"""The embedded servers under the tests, which are also those under `manage.py up`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import ProgrammingError, connection, connections, transaction

from bourse.supervisor import launch
from bourse.supervisor.ports import Reservation
from bourse.supervisor.valkey import Valkey
from tests import servers


@pytest.fixture
def free_port() -> Iterator[int]:
    with closing(Reservation()) as reservation:
        yield reservation.port


@pytest.mark.django_db
def test_the_application_runs_as_a_role_that_owns_no_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("bourse_app",)
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tableowner = 'bourse_app'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) > 5 FROM pg_tables WHERE tableowner = 'bourse_owner'")
        assert cursor.fetchone() == (True,)


@pytest.mark.django_db
def test_the_application_cannot_empty_or_alter_a_table() -> None:
    for statement in ("TRUNCATE django_session", "ALTER TABLE django_session ADD COLUMN x int"):
        with (
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_a_clone_is_what_django_and_other_processes_use(cloned_database: str) -> None:
    with psycopg.connect(cloned_database) as other:
        name = other.execute("SELECT current_database()").fetchone()

    for alias in ("default", "owner"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == name
    assert os.environ["DATABASE_URL"] == cloned_database


def test_valkey_is_closed_to_clients_without_the_password(valkey_url: str, valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey_url) as known:
        assert known.ping()
    with (
        redis.Redis(host="127.0.0.1", port=valkey.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_committed_rows_survive_a_kill_of_the_server(tmp_path: Path, free_port: int) -> None:
    postgres = servers.Postgres(tmp_path / "pg", free_port)
    first = servers._run(postgres)
    with psycopg.connect(postgres.admin_url(), autocommit=True) as client:
        client.execute("CREATE TABLE kept AS SELECT 1 AS n")
    first.kill()
    first.wait()

    again = servers._run(postgres)

    with psycopg.connect(postgres.admin_url()) as client:
        assert client.execute("SELECT n FROM kept").fetchone() == (1,)
    again.send_signal(signal.SIGINT)
    assert again.wait(timeout=20) == 0


def test_a_pid_file_that_names_somebody_else_is_not_in_the_way(
    tmp_path: Path, free_port: int
) -> None:
    postgres = servers.Postgres(tmp_path / "pg", free_port)
    first = servers._run(postgres)
    first.kill()
    first.wait()
    lock_file = tmp_path / "pg" / "data" / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    again = servers._run(postgres)

    again.send_signal(signal.SIGINT)
    assert again.wait(timeout=20) == 0


def test_the_servers_stop_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.path[:0] = ['.', 'platform']\n"
        "from pathlib import Path; from tests import servers\n"
        f"postgres = servers.Postgres(Path({str(tmp_path)!r}) / 'pg', servers.Reservation().port)\n"
        "print(servers._run(postgres).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert launch.is_alive(server)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 20
    while launch.is_alive(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not launch.is_alive(server)


def test_no_two_reservations_share_a_port() -> None:
    reservations = [Reservation() for _ in range(50)]
    assert len({reservation.port for reservation in reservations}) == 50
    for reservation in reservations:
        reservation.close()


def test_the_admin_role_needs_its_password(postgres: None) -> None:
    url = servers.session_postgres().admin_url()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(url.split(":")[2].split("@")[0], "guess"))
