"""A stand-by takes the pool over from an owner that is dead, frozen or cut off."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async

from custody.verification.run import verify_ledger
from tests.trading_database import engine_address, engine_database
from tests.trading_load import Load, owner_epoch, until_epoch
from tests.trading_proxy import CuttingProxy
from trading import order_entry
from trading.commands import CancelOrder
from trading.heartbeat import POLL_SECONDS, SILENT_SECONDS, Watch
from trading.models import Order, Pool

ROOT = Path(__file__).resolve().parents[2]
# The promise is 3 s, and `engine_restart` measures it; here others use the machine too.
HAND_OVER_SECONDS_MAX = 20.0


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()


@pytest.fixture
def spawn_engine(venue: Any, valkey_url: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Engines as processes of their own, to be killed."""
    running: list[subprocess.Popen[bytes]] = []

    def spawn() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "manage.py", "run_engine"], cwd=ROOT)
        running.append(process)
        return process

    yield spawn
    for process in running:
        process.kill()
        process.wait()


def count_stand_bys() -> int:
    """Engines that are connected, the owner not counted."""
    with psycopg.connect(**engine_database()) as connection:
        row = connection.execute(
            "SELECT count(*) - 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'bourse-engine'"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def until_standing_by(engines: int) -> None:
    deadline = time.monotonic() + 30
    while await sync_to_async(count_stand_bys)() < engines:
        assert time.monotonic() < deadline, "no engine stands by"
        await asyncio.sleep(0.05)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


async def finish(load: Load) -> None:
    """Stop the load: what was acknowledged is kept, nothing happened twice, books balance."""
    await load.stop()
    await sync_to_async(load.assert_kept)()
    report = await sync_to_async(verify_ledger)()
    assert report.is_clean, report.differences


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_stand_by_takes_over_from_an_owner_under_load(
    venue: Any, spawn_engine: Any, number: signal.Signals
) -> None:
    owner = spawn_engine()
    await until_epoch(1)
    spawn_engine()
    await until_standing_by(1)
    load = await Load.start(venue)
    await load.until_more(30)

    os.kill(owner.pid, number)
    with at_most(HAND_OVER_SECONDS_MAX):
        await until_epoch(2)
        await load.until_more(1)
    await load.until_more(30)
    if number == signal.SIGSTOP:
        batch_no = (await sync_to_async(Pool.objects.get)(id=1)).batch_no
        os.kill(owner.pid, signal.SIGCONT)
        await until_standing_by(1)
        await load.until_more(30)
        assert (await sync_to_async(Pool.objects.get)(id=1)).batch_no > batch_no
        assert await owner_epoch() == 2, "the one that slept stands by"

    await finish(load)


async def test_a_stand_by_takes_over_from_an_owner_whose_packets_are_dropped(
    venue: Any, start_engine: Any, spawn_engine: Any
) -> None:
    host, port = await sync_to_async(engine_address)()
    with CuttingProxy(host, port) as proxy:
        start_engine(host="127.0.0.1", port=str(proxy.port))
        await until_epoch(1)
        spawn_engine()
        await until_standing_by(1)
        load = await Load.start(venue)
        await load.until_more(30)

        proxy.swallow()
        with at_most(HAND_OVER_SECONDS_MAX):
            await until_epoch(2)
    # The line is cut now: the old owner hears so, and stands by.
    await load.until_more(30)

    assert await owner_epoch() == 2
    await finish(load)


async def test_engines_that_are_killed_one_after_the_other_lose_nothing(
    venue: Any, spawn_engine: Any
) -> None:
    engines = [spawn_engine()]
    await until_epoch(1)
    engines += [spawn_engine(), spawn_engine()]
    await until_standing_by(2)
    load = await Load.start(venue)

    for epoch in (2, 3):
        await load.until_more(20)
        owner = (await sync_to_async(Pool.objects.get)(id=1)).owner
        pid = int(owner.rpartition(":")[2])
        assert pid in {engine.pid for engine in engines}
        os.kill(pid, signal.SIGKILL)
        await until_epoch(epoch)
    await load.until_more(20)

    await finish(load)


async def test_a_batch_that_waits_is_not_taken_for_a_dead_owner(
    venue: Any, spawn_engine: Any
) -> None:
    """A lock holds the batch up for longer than an owner may be silent."""
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    spawn_engine()
    await until_epoch(1)
    spawn_engine()
    await until_standing_by(1)
    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))

    locked, ends = threading.Event(), threading.Event()

    def hold_up() -> None:
        with psycopg.connect(**engine_database()) as connection:
            connection.execute("SELECT FROM trading_order WHERE id = %s FOR UPDATE", [order.id])
            locked.set()
            time.sleep(2 * SILENT_SECONDS)
            ends.set()

    held_up = asyncio.create_task(asyncio.to_thread(hold_up))
    assert await asyncio.to_thread(locked.wait, 60)
    cancel = CancelOrder(investor_id=alice, order_id=order.id)
    canceled = await order_entry.cancel(cancel)
    assert ends.is_set(), "the batch waited for the lock"
    await held_up

    assert canceled.status == "canceled"
    assert await owner_epoch() == 1
    assert await sync_to_async(Order.objects.filter(status="open").count)() == 0


def look(watch: Watch, sign: object, start: float, seconds: float) -> tuple[bool, float]:
    """Look as often as a stand-by does; whether it ever heard nothing, and when it stopped."""
    now, end = start, start + seconds
    while now < end:
        if watch.is_silent(sign, now):
            return True, now
        now += POLL_SECONDS
    return False, now


def test_an_owner_is_silent_when_its_sign_stands_still() -> None:
    is_silent, at = look(Watch(), "the same", 100.0, 10.0)

    assert is_silent
    assert SILENT_SECONDS <= at - 100.0 < SILENT_SECONDS + 2 * POLL_SECONDS


def test_an_owner_that_beats_is_never_silent() -> None:
    watch, now = Watch(), 0.0
    for sign in range(50):
        is_silent, now = look(watch, sign, now, SILENT_SECONDS / 2)
        assert not is_silent


def test_a_stand_by_that_slept_itself_begins_to_listen_anew() -> None:
    watch = Watch()
    _, now = look(watch, "the same", 0.0, SILENT_SECONDS * 0.8)

    is_silent, _ = look(watch, "the same", now + 60.0, SILENT_SECONDS * 0.8)

    assert not is_silent
