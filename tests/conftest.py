"""What every test may ask for: a database, a clone of it, a Valkey.

    db               the worker's database as the application's role, rolled back
    cloned_database  a fresh clone for tests that commit or use threads and processes
    valkey_url       the worker's empty Valkey
    sandbox          the sandbox's chain, custodian, KYC provider and prices; `.url("chain")`
    live_bourse      web and engine on a cloned database beside the sandbox; `.web`

The servers are real and start with the first test that asks (tests/servers.py).
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests import servers

if "DJANGO_SETTINGS_MODULE" in os.environ:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests configure Django themselves.")

# Before Django is set up: settings read the servers' addresses once.
servers.claim_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "bourse.settings"

import django  # noqa: E402

django.setup()
# A worker that inherited it would read settings before it has claimed servers.
del os.environ["DJANGO_SETTINGS_MODULE"]

from asgiref.sync import SyncToAsync  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402
from django.db import connections  # noqa: E402

from bourse.supervisor.postgres import APP_ROLE, OWNER_ROLE  # noqa: E402
from bourse.supervisor.valkey import Valkey  # noqa: E402
from tests import live  # noqa: E402

_valkey: list[Valkey] = []


def pytest_configure(config: pytest.Config) -> None:
    # With workers the session's PostgreSQL belongs to the process above them.
    if getattr(config.option, "dist", "no") != "no" and not config.option.collectonly:
        servers.start_postgres()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import OneHouse

    return OneHouse(config, log)


def pytest_unconfigure() -> None:
    servers.stop_all()


@pytest.fixture(scope="session")
def postgres() -> None:
    servers.start_postgres()


@pytest.fixture(scope="session")
def valkey() -> Valkey:
    """The worker's Valkey, started once."""
    if not _valkey:
        _valkey.append(servers.start_valkey())
    return _valkey[0]


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """An empty Valkey; settings and environment name the same one."""
    return valkey.url()


@pytest.fixture(autouse=True)
def _empty_valkey() -> None:
    """Cache, throttles and streams start empty in every test."""
    import redis

    for server in _valkey:
        with redis.Redis.from_url(server.url()) as client:
            client.flushall()


@pytest.fixture(scope="session")
def django_db_setup(
    postgres: None, valkey: Valkey, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """The worker's database, in place of the one pytest-django would make."""
    with servers.clone(f"bourse_{servers.worker_name()}"):
        yield
        with django_db_blocker.unblock():
            _close_connections()


@pytest.fixture
def cloned_database(
    request: pytest.FixtureRequest,
    postgres: None,
    valkey: Valkey,
    django_db_blocker: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A fresh migrated database for this test alone; yields its URL for the application."""
    assert "db" not in request.fixturenames, "db rolls back, cloned_database commits: take one"
    name = f"clone_{servers.worker_name()}_{os.urandom(4).hex()}"
    app_url = servers.database_url(APP_ROLE, name)
    owner_url = servers.database_url(OWNER_ROLE, name)
    with servers.clone(name), django_db_blocker.unblock():
        _close_connections()
        for variable, url in (("DATABASE_URL", app_url), ("DATABASE_OWNER_URL", owner_url)):
            monkeypatch.setenv(variable, url)  # for processes that the test starts
            monkeypatch.setattr(django_settings, variable, url)
        for alias in ("default", "owner"):
            monkeypatch.setitem(connections[alias].settings_dict, "NAME", name)
        yield app_url
        _close_connections()


@pytest.fixture(scope="session")
def sandbox(valkey: Valkey) -> Iterator[live.Processes]:
    """The four outside parties, once a worker; settings find them by the run file."""
    processes = live.start_sandbox()
    yield processes
    processes.stop()
    for reservation in processes.addresses.ports.values():
        reservation.close()


@pytest.fixture
def live_bourse(sandbox: live.Processes, cloned_database: str) -> Iterator[live.Processes]:
    """Web and engine as processes, on this test's database."""
    processes = live.Processes(sandbox.addresses, sandbox.logs)
    processes.start("web", "engine")
    yield processes
    processes.stop()
    for name in ("web", "engine"):  # pytest shows it beside a failure
        print(f"--- the end of {name}'s log\n{processes.log(name)[-4000:]}")


def _close_connections() -> None:
    """Close them here and in the thread that async code runs the ORM in."""
    connections.close_all()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
