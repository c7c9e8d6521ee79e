"""engine_restart: seconds from the start of an engine to its first answer.

100,000 open orders over 50 listings, placed through the product's engine. Each round
kills it (kill -9) and starts another with a command in its list: its process, its
imports, the lock, all that is read, and the first commit are in the time. The yardstick
reads the rows of the same orders into Python. Then the owner is killed, and the next one
frozen (SIGSTOP), each beside a stand-by: how long until that one answers?
"""

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import django
import psycopg

from benchmarks.engine_durable import Feeder
from benchmarks.report import Result, say
from benchmarks.servers import Servers

if TYPE_CHECKING:
    from benchmarks.workload import Resting

BOUND = 4.0
ENGINES = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bourse-engine'"
ORDERS, LISTINGS = 100_000, 50
INVESTORS = 60  # each has fewer than the 2,000 open orders that one may have
PLACING_SECONDS_MAX = 600.0
PEAK_MB_MAX = 300.0
HAND_OVER_SECONDS_MAX = 3.0


def run(servers: Servers, *, rounds: int, seed: int, orders: int = ORDERS) -> Result:
    """Medians of both sides over the rounds, and the most memory an engine has had."""
    django.setup()
    from benchmarks import venue
    from benchmarks.workload import Resting

    say(f"engine_restart: seed {seed}, {rounds} rounds, {orders} open orders")
    investors, listings = venue.build(listings=LISTINGS, investors=INVESTORS)
    engine = servers.spawn("run_engine")
    venue.wait_for_funds()
    resting = Resting(investors=investors, listings=listings, seed=seed)
    feeder = Feeder(servers.valkey.url(), resting)
    feeder.prepare(orders)
    feeder.send(PLACING_SECONDS_MAX)
    assert feeder.outcomes == {"open": orders}, f"every order rests: {feeder.outcomes}"
    values, yardstick_values, peaks, resident = [], [], [], []
    after_kill, after_freeze = [], []
    for number in range(1, rounds + 1):
        engine.kill()
        engine.wait()
        yardstick_values.append(_select(servers, orders))
        started = time.monotonic()
        engine = servers.spawn("run_engine")
        _ask(feeder, resting)
        values.append(time.monotonic() - started)
        peaks.append(_megabytes(engine.pid, "VmHWM"))
        resident.append(_megabytes(engine.pid, "VmRSS"))
        say(
            f"round {number}: {values[-1]:.2f} s, the rows {yardstick_values[-1]:.2f} s,"
            f" {resident[-1]:.0f} MB, {peaks[-1]:.0f} at most"
        )
        for fate, found in ((signal.SIGKILL, after_kill), (signal.SIGSTOP, after_freeze)):
            stand_by = _stand_by(servers)
            engine.send_signal(fate)
            found.append(feeder.ask_until_answered(lambda: resting.next("ioc")))
            engine.kill()
            engine = stand_by
        say(f"handed over: {after_kill[-1]:.2f} s when killed, {after_freeze[-1]:.2f} s frozen")
    return Result(
        bench="engine_restart",
        unit="s",
        values=values,
        yardstick="SELECT of the open orders into Python, s",
        yardstick_values=yardstick_values,
        bound=BOUND,
        at_most=True,
        also={
            "peak_mb": (max(peaks), PEAK_MB_MAX),
            "hand_over_killed_s": (max(after_kill), HAND_OVER_SECONDS_MAX),
            "hand_over_frozen_s": (max(after_freeze), HAND_OVER_SECONDS_MAX),
        },
        beside={"resident_mb": resident},
    )


def _ask(feeder: Feeder, resting: "Resting") -> None:
    """One order that expires at once, answered: the engine lives, and books stay as they are."""
    before = feeder.outcomes["expired"]
    feeder.put(resting.next("ioc"))
    feeder.send(PLACING_SECONDS_MAX)
    assert feeder.outcomes["expired"] == before + 1, f"not answered: {feeder.outcomes}"


def _stand_by(servers: Servers) -> subprocess.Popen[bytes]:
    """A second engine, once it waits for the pool."""
    with psycopg.connect(servers.environment()["DATABASE_URL"], autocommit=True) as connection:
        engine = servers.spawn("run_engine")
        deadline = time.monotonic() + PLACING_SECONDS_MAX
        while connection.execute(ENGINES).fetchone() != (2,):
            assert time.monotonic() < deadline, "no engine stands by"
            time.sleep(0.05)
    return engine


def _select(servers: Servers, orders: int) -> float:
    """Seconds for the rows of all open orders, with the engine's own statement."""
    from trading.loading import OPEN_ORDERS
    from trading.models import Listing

    ids = list(Listing.objects.values_list("id", flat=True))
    with psycopg.connect(servers.environment()["DATABASE_URL"]) as connection:
        started = time.monotonic()
        rows = connection.execute(OPEN_ORDERS, [ids]).fetchall()
        seconds = time.monotonic() - started
    assert len(rows) == orders, "the same rows as the engine's"
    return seconds


def _megabytes(pid: int, field: str) -> float:
    """What the system says of a process's memory."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024
