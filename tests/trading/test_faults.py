"""Engines that die, freeze, or lose the line in the middle of a commit."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from custody.models import LedgerAccount
from kernel import clock
from kernel.refusals import OutcomeUnknown, Refusal
from tests.trading_proxy import CuttingProxy
from trading import order_entry
from trading.commands import CancelOrder, OrderView
from trading.models import Order, Pool, Trade

ROOT = Path(__file__).resolve().parents[2]


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


async def owner_epoch() -> int:
    return (await sync_to_async(Pool.objects.get)(id=1)).epoch


async def until_epoch(epoch: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while await owner_epoch() < epoch:
        assert time.monotonic() < deadline, "no engine takes the pool over"
        await asyncio.sleep(0.05)


async def trade(venue: Any, alice: int, bob: int, seed: int, acknowledged: list[OrderView]) -> None:
    """Orders of two investors that meet each other, noting what was acknowledged."""
    dice = random.Random(seed)

    async def trader(investor: int, side: str) -> None:
        while True:
            order = venue.order(
                investor, side, quantity=dice.randint(1, 5) / 100, price=100 + dice.randint(-2, 2)
            )
            try:
                answer = await order_entry.place(order, timeout_seconds=1.0)
                acknowledged.append(answer)
                if answer.status == "open" and dice.random() < 0.3:
                    cancel = CancelOrder(investor_id=investor, order_id=answer.id)
                    acknowledged.append(await order_entry.cancel(cancel, timeout_seconds=1.0))
            except (OutcomeUnknown, Refusal):
                continue

    sides = [(alice, "buy"), (bob, "sell")] * 5
    await asyncio.gather(*(trader(*side) for side in sides))


async def until_more(acknowledged: list[OrderView], more: int) -> None:
    wanted, deadline = len(acknowledged) + more, time.monotonic() + 30
    while len(acknowledged) < wanted:
        assert time.monotonic() < deadline, "nothing is acknowledged"
        await asyncio.sleep(0.01)


async def settle() -> None:
    """Wait for a batch that began after now: then no command of before is left."""
    now = clock.now()
    for _ in range(200):
        pool = await sync_to_async(Pool.objects.get)(id=1)
        if pool.processed_until is not None and pool.processed_until > now:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the engine does not move")


def assert_kept(acknowledged: list[OrderView]) -> None:
    """Every acknowledged order is stored, at least as far as it was acknowledged."""
    stored = {order.id: order for order in Order.objects.all()}
    for view in acknowledged:
        order = stored[view.id]
        assert order.filled_units >= view.filled_units
        if view.status != "open":
            assert (order.status, order.filled_units) == (view.status, view.filled_units)


def verify() -> None:
    """The product's own checks: balances, holds, trades against orders and entries."""
    from custody.verification.run import verify_ledger

    report = verify_ledger()
    assert report.is_clean, report.differences


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_an_engine_killed_under_load_loses_nothing_acknowledged(
    venue: Any, spawn_engine: Any, seed: int
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=100_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=1_000)
    first = spawn_engine()
    await until_epoch(1)
    acknowledged: list[OrderView] = []
    work = asyncio.create_task(trade(venue, alice, bob, seed, acknowledged))
    await until_more(acknowledged, 30)

    await asyncio.sleep(random.Random(seed).random() / 3)
    first.kill()
    spawn_engine()
    await until_epoch(2)
    await until_more(acknowledged, 30)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await settle()

    await sync_to_async(assert_kept)(acknowledged)
    assert await sync_to_async(Trade.objects.count)() > 0
    await sync_to_async(verify)()
    # The rebuilt book still works: what rests can be canceled, and then nothing is held.
    for order in await sync_to_async(list)(Order.objects.filter(status="open")):
        await order_entry.cancel(CancelOrder(investor_id=order.investor_id, order_id=order.id))
    held = LedgerAccount.objects.filter(purpose="trading", held_units__gt=0)
    assert not await sync_to_async(held.exists)()


async def test_a_frozen_owner_is_replaced_and_changes_nothing_when_it_wakes(
    venue: Any, spawn_engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=100_000)
    frozen = spawn_engine()
    await until_epoch(1)
    spawn_engine()  # stands by
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))

    os.kill(frozen.pid, signal.SIGSTOP)
    await until_epoch(2)
    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=91))
    os.kill(frozen.pid, signal.SIGCONT)
    await asyncio.sleep(1.5)

    assert await owner_epoch() == 2, "the one that slept stands by"
    after = await order_entry.place(venue.order(alice, "buy", quantity=1, price=92))
    assert after.batch_no > order.batch_no
    await sync_to_async(verify)()


async def test_two_engines_fight_and_one_of_them_owns_the_pool(
    venue: Any, start_engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=100_000)
    engines = [start_engine() for _ in range(2)]
    orders = [venue.order(alice, "buy", quantity=0.1, price=50 + n % 9) for n in range(200)]

    placed = await asyncio.gather(*map(order_entry.place, orders))

    assert len({order.id for order in placed}) == 200
    assert await owner_epoch() == 1
    owners = [engine for engine in engines if engine.is_owner]
    assert len(owners) == 1
    owners[0].stop()
    await until_epoch(2)
    after = await order_entry.place(venue.order(alice, "buy", quantity=1, price=50))
    assert after.status == "open"
    await sync_to_async(verify)()


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_line_cut_during_commit_is_neither_answered_nor_doubled(
    venue: Any, start_engine: Any, is_committed: bool
) -> None:
    """The proxy cuts after COMMIT was sent: before the server saw it, or before its answer."""
    from tests.trading_database import engine_address

    alice = await sync_to_async(venue.investor)("Alice", usd=100_000)
    host, port = await sync_to_async(engine_address)()
    with CuttingProxy(host, port) as proxy:
        start_engine(host="127.0.0.1", port=str(proxy.port))
        await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))
        command = venue.order(alice, "buy", quantity=1, price=91)

        proxy.cut_at_commit(deliver=is_committed, marker=str(command.id))
        with pytest.raises(OutcomeUnknown):
            await order_entry.place(command, timeout_seconds=1.5)
        await until_epoch(2)

        stored = await sync_to_async(Order.objects.filter(id=command.id).count)()
        assert stored == (1 if is_committed else 0)
        after = await order_entry.place(venue.order(alice, "buy", quantity=1, price=92))
        assert after.status == "open"
    await sync_to_async(verify)()


async def test_a_lost_valkey_costs_an_answer_and_nothing_else(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=90))

    def drop_clients() -> None:
        import redis
        from django.conf import settings

        with redis.Redis.from_url(settings.REDIS_URL) as valkey:
            valkey.client_kill_filter(skipme=True, _type="normal")
            valkey.client_kill_filter(skipme=True, _type="pubsub")

    await sync_to_async(drop_clients)()
    await asyncio.sleep(0.6)

    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=91))
    assert order.status == "open"


async def test_sigterm_stops_the_engine_cleanly(venue: Any, spawn_engine: Any) -> None:
    process = spawn_engine()
    await until_epoch(1)

    process.send_signal(signal.SIGTERM)

    assert await asyncio.to_thread(process.wait, 5) == 0


async def test_an_idle_engine_uses_next_to_no_cpu(venue: Any, spawn_engine: Any) -> None:
    process = spawn_engine()
    await until_epoch(1)
    await asyncio.sleep(1)

    def used() -> float:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    await asyncio.sleep(3)

    assert used() - before < 0.15  # 5 % of a core, on a busy test machine
