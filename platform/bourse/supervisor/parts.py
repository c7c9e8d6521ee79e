"""Everything that can run, in the order in which it starts, and what each needs."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import IO
from urllib.error import URLError

import psycopg

from bourse.environment import BASE_DIR
from bourse.supervisor.addresses import PARTIES, Addresses
from bourse.supervisor.launch import CannotStart, Command, spawn
from bourse.supervisor.overseer import Part
from bourse.supervisor.ports import LOOPBACK

PROBE_SECONDS = 3.0
# A process that nothing can be asked is taken for well when it lives this long.
SETTLED_SECONDS = 2.0
SERVERS = frozenset({"postgres", "valkey"})
FIRST_POOL = 1
# A sandbox party gets these and its own secrets, never a database's password.
PUBLIC = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONUNBUFFERED")
# By the name under which the party reads it, the setting that it shares with us.
PARTY_SETTINGS: dict[str, dict[str, str]] = {
    "chain": {},
    "custodian": {
        "SANDBOX_CUSTODIAN_KEY": "CUSTODIAN_KEY",
        "SANDBOX_SECRET": "CUSTODIAN_SECRET",
    },
    "kyc": {
        name: name for name in ("KYC_PROVIDER_TOKEN", "KYC_PROVIDER_SECRET", "KYC_WEBHOOK_SECRET")
    },
    "prices": {},
    "market-maker": {},
}
CALENDAR = BASE_DIR / "platform" / "reference" / "data" / "xnys.csv"


def all_parts(addresses: Addresses) -> list[Part]:
    """What this machine can run with these addresses, in starting order."""
    parts = [_postgres(addresses), _valkey(addresses)]
    parts += [_party(name, addresses) for name in PARTIES if name in addresses.embedded]
    parts += [_web(addresses), *engines_of(FIRST_POOL, addresses)]
    parts += [_worker(addresses), _sealer(addresses)]
    if addresses.environment.bourse_env == "development":
        parts.append(_market_maker(addresses))
    ours = [part for part in parts if part.name not in SERVERS or part.name in addresses.embedded]
    names = {part.name for part in ours}
    return [_with_needs(part, part.needs & names) for part in ours]


def choose(parts: list[Part], only: set[str]) -> list[Part]:
    """The parts named in `only` and all they need; every part when it is empty.

    :raises CannotStart: a name that is no part.
    """
    by_name = {part.name: part for part in parts}
    unknown = sorted(only - by_name.keys())
    if unknown:
        raise CannotStart(f"No part is called {', '.join(unknown)}: choose {', '.join(by_name)}.")
    wanted, new = set(only), set(only)
    while new:
        new = {need for name in new for need in by_name[name].needs} - wanted
        wanted |= new
    return [part for part in parts if not only or part.name in wanted]


def task(name: str, addresses: Addresses, *argv: str) -> Part:
    """A `manage.py` command that ends by itself, such as migrate."""
    return _python(name, addresses, ["manage.py", *argv], lambda: True, frozenset())


def _postgres(addresses: Addresses) -> Part:
    if "postgres" not in addresses.embedded:
        return _absent("postgres")
    postgres = addresses.postgres()
    return Part(
        name="postgres",
        prepare=postgres.prepare,
        start=postgres.start,
        is_ready=postgres.is_ready,
        stop_signal=signal.SIGINT,
        kill_signal=signal.SIGQUIT,
    )


def _valkey(addresses: Addresses) -> Part:
    if "valkey" not in addresses.embedded:
        return _absent("valkey")
    valkey = addresses.valkey()
    return Part(name="valkey", prepare=valkey.prepare, start=valkey.start, is_ready=valkey.is_ready)


def _party(name: str, addresses: Addresses) -> Part:
    state = addresses.var / "sandbox" / name
    argv = ["-m", f"sandbox.{name}", "--port", str(addresses.port(name)), "--state", str(state)]
    url = f"{addresses.party_url(name)}/sandbox/health"
    return _python(
        name, addresses, argv + _party_options(name, addresses), lambda: _is_ok(url), frozenset()
    )


def _party_options(name: str, addresses: Addresses) -> list[str]:
    if name == "kyc":
        web = f"http://{LOOPBACK}:{addresses.port('web')}"
        return ["--webhook-url", f"{web}/webhooks/kyc/"]
    if name == "custodian":
        prices = addresses.environment.prices_url or addresses.party_url("prices")
        return ["--calendar", str(CALENDAR), "--prices", prices]
    if name == "chain":
        # Final after 6 s instead of 13: people are waiting.
        return ["--slot-ms", "200"]
    return []


def _web(addresses: Addresses) -> Part:
    argv = ["-m", "uvicorn", "bourse.asgi:application"]
    argv += ["--host", LOOPBACK, "--port", str(addresses.port("web"))]
    argv += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "3"]
    argv += ["--ws", "bourse.socket_protocol:SocketProtocol"]
    argv += ["--ws-max-size", str(64 * 1024), "--ws-per-message-deflate", "false"]
    argv += ["--lifespan", "off"]
    url = f"http://{LOOPBACK}:{addresses.port('web')}/health/ready"
    return _python("web", addresses, argv, lambda: _is_ok(url), SERVERS)


def engines_of(pool_id: int, addresses: Addresses) -> list[Part]:
    """An engine for the pool and one that stands by; which of them is which, they settle."""
    beats = _HeartbeatWatch(addresses.process_environment()["DATABASE_URL"], pool_id)
    number = "" if pool_id == FIRST_POOL else f"-{pool_id}"
    argv = ["manage.py", "run_engine", "--pool", str(pool_id)]
    engine = _python(f"engine{number}", addresses, argv, beats.has_moved, SERVERS)
    return [engine, _settling(f"stand-by{number}", addresses, argv)]


def further_engines(addresses: Addresses) -> list[Part]:
    """Those of every pool but the first, once the database can be asked for pools."""
    with psycopg.connect(addresses.process_environment()["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT id FROM trading_pool WHERE id <> %s ORDER BY id", [FIRST_POOL]
        ).fetchall()
    return [part for (pool_id,) in rows for part in engines_of(pool_id, addresses)]


def _worker(addresses: Addresses) -> Part:
    return _settling("worker", addresses, ["manage.py", "run_worker"])


def _sealer(addresses: Addresses) -> Part:
    return _settling("sealer", addresses, ["manage.py", "seal"])


def _market_maker(addresses: Addresses) -> Part:
    argv = ["-m", "sandbox.market_maker", "--web", addresses.web_url]
    argv += ["--key-file", str(addresses.key_file("market-maker"))]
    argv += ["--taker-key-file", str(addresses.key_file("taker")), "--trades-per-minute", "20"]
    return _settling("market-maker", addresses, argv, frozenset({"web", "engine", "prices"}))


def _settling(
    name: str, addresses: Addresses, argv: list[str], needs: frozenset[str] = SERVERS
) -> Part:
    """A process that cannot be asked: ready when it has lived for SETTLED_SECONDS."""
    clock = _Settling()
    part = _python(name, addresses, argv, clock.is_over, needs)
    return Part(name, part.start, part.is_ready, prepare=clock.begin, needs=needs)


def _python(
    name: str,
    addresses: Addresses,
    argv: list[str],
    is_ready: Callable[[], bool],
    needs: frozenset[str],
) -> Part:
    def start(output: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = addresses.process_environment()
        if name in PARTY_SETTINGS:
            environment = _public(environment, PARTY_SETTINGS[name])
        return spawn(Command([sys.executable, *argv], environment, BASE_DIR), output)

    return Part(name=name, start=start, is_ready=is_ready, needs=needs)


def _public(environment: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
    wanted = (*PUBLIC, "BOURSE_ENV", "BOURSE_CLOCK", "BOURSE_VAR_DIR")
    found = {name: environment[name] for name in wanted if name in environment}
    return found | {theirs: environment[ours] for theirs, ours in shared.items()}


def _absent(name: str) -> Part:
    """A server that the outside gives us; all_parts leaves it out."""

    def refuse(output: IO[bytes]) -> subprocess.Popen[bytes]:
        raise AssertionError(f"{name} is not ours to start")

    return Part(name=name, start=refuse, is_ready=lambda: True)


def _with_needs(part: Part, needs: frozenset[str]) -> Part:
    return Part(**{**vars(part), "needs": needs})


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer:  # noqa: S310  ours
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


class _Settling:
    def __init__(self) -> None:
        self._since = time.monotonic()

    def begin(self) -> None:
        self._since = time.monotonic()

    def is_over(self) -> bool:
        return time.monotonic() - self._since > SETTLED_SECONDS


class _HeartbeatWatch:
    """An engine is ready once its pool's heartbeat moves: only the owner writes that."""

    def __init__(self, database_url: str, pool_id: int) -> None:
        self._url, self._pool_id = database_url, pool_id
        self._first: object = self

    def has_moved(self) -> bool:
        try:
            with psycopg.connect(self._url, connect_timeout=int(PROBE_SECONDS)) as connection:
                row = connection.execute(
                    "SELECT heartbeat_at FROM trading_pool WHERE id = %s", [self._pool_id]
                ).fetchone()
        except psycopg.Error:
            return False
        beat = row[0] if row else None
        if self._first is self:
            self._first = beat
        return beat is not None and beat != self._first
