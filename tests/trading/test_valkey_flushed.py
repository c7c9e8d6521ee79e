"""Valkey loses all it has, again and again, while orders arrive: nothing of value was in it."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from custody.verification.run import verify_ledger
from kernel.refusals import NotFound, OutcomeUnknown, Refusal
from tests.trading.test_websocket import Socket, ask, socket
from trading import batches, market_data, order_entry
from trading.commands import OrderView
from trading.models import BookEvent, Order

SEED = 20_261_125
TRADERS = 8
FLUSHES = 60
FLUSHES_MAX = 1_000  # where the machine is slow, until enough was answered
ANSWERS_MIN = 20
SECONDS_BETWEEN_FLUSHES = 0.04
# Every so many flushes the server also drops its clients, as one that restarts empty.
DROPS_EVERY = 15
SILENCE_SECONDS_MAX = 120


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()
    await market_data.close()


@pytest.fixture(autouse=True)
def _short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that "not found" is final in two seconds instead of a minute."""
    monkeypatch.setattr(batches, "DEADLINE_MAX_SECONDS", 2.0)


@dataclass
class Sent:
    """What traders were told: answers, refusals, or nothing."""

    answered: dict[UUID, OrderView] = field(default_factory=dict)
    refused: set[UUID] = field(default_factory=set)
    unknown: dict[UUID, int] = field(default_factory=dict)  # whose order it would be

    def are_enough(self) -> bool:
        return len(self.answered) > ANSWERS_MIN and len(self.unknown) > 0


async def trade(venue: Any, investor: int, side: str, dice: random.Random, sent: Sent) -> None:
    while True:
        command = venue.order(
            investor, side, quantity=dice.randint(2, 5) / 100, price=100 + dice.randint(-2, 2)
        )
        try:
            sent.answered[command.id] = await order_entry.place(command, timeout_seconds=0.5)
        except OutcomeUnknown:
            sent.unknown[command.id] = investor
        except Refusal:
            sent.refused.add(command.id)


async def flush(are_enough: Callable[[], bool]) -> None:
    """FLUSHALL at a steady pace; now and then the clients are dropped as well."""

    def empty(number: int) -> None:
        with redis.Redis.from_url(settings.REDIS_URL) as valkey:
            valkey.flushall()
            if number % DROPS_EVERY == DROPS_EVERY - 1:
                valkey.client_kill_filter(skipme=True, _type="normal")
                valkey.client_kill_filter(skipme=True, _type="pubsub")

    for number in range(FLUSHES_MAX):
        if number >= FLUSHES and are_enough():
            return
        await asyncio.to_thread(empty, number)
        await asyncio.sleep(SECONDS_BETWEEN_FLUSHES)


async def watch(connection: Socket, seen: list[dict[str, Any]]) -> None:
    """Whatever the public book feed says."""
    while True:
        # Not the usual patience: a wait that ends takes the socket with it.
        answer = await connection.receive_output(timeout=SILENCE_SECONDS_MAX)
        seen.append(json.loads(answer["text"]))


async def final_answer(investor: int, order_id: UUID) -> OrderView | None:
    """What a client gets that asks by id until the answer can change no more."""
    for _ in range(1200):
        try:
            return await order_entry.get_order(investor_id=investor, order_id=order_id)
        except NotFound as missing:
            if missing.details["final"]:
                return None
        await asyncio.sleep(0.05)
    raise AssertionError(f"{order_id}: no final answer")


async def placed(venue: Any, investor: int) -> OrderView:
    """An order that rests, once the engine has kept up with what came before."""
    for _ in range(20):
        try:
            return await order_entry.place(venue.order(investor, "buy", quantity=0.1, price=90))
        except OutcomeUnknown:
            continue
    raise AssertionError("the engine answers nobody")


async def test_orders_and_feeds_outlive_an_emptied_valkey(
    venue: Any, start_engine: Callable[[], Any]
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=10_000)
    start_engine()
    watcher = socket()
    await watcher.connect()
    seen = [await ask(watcher, type="subscribe", channel="book", listing="AAPLxUSDC")]
    watching = asyncio.create_task(watch(watcher, seen))
    dice, sent = random.Random(SEED), Sent()
    sides = [(alice, "buy"), (bob, "sell")] * (TRADERS // 2)
    traders = [asyncio.create_task(trade(venue, *side, dice, sent)) for side in sides]

    await flush(sent.are_enough)
    await asyncio.sleep(0.5)
    for trader in traders:
        trader.cancel()
    await asyncio.gather(*traders, return_exceptions=True)

    # Acknowledged: all there. Not acknowledged: once or not at all, and it is known which.
    answers = {order: await final_answer(whose, order) for order, whose in sent.unknown.items()}
    stored = {row.id: row for row in await sync_to_async(list)(Order.objects.all())}
    assert len(sent.answered) > ANSWERS_MIN
    assert answers, "every flush missed every command: flush harder"
    for order_id, view in sent.answered.items():
        assert stored[order_id].filled_units >= view.filled_units
    for order_id, answer in answers.items():
        assert (answer is None) == (order_id not in stored)
    assert {stored[each].status for each in sent.refused & stored.keys()} <= {"refused"}

    # The feed goes on: what comes next arrives, and no number was passed over in silence.
    last = await placed(venue, alice)
    newest = await sync_to_async(BookEvent.objects.order_by("book_seq").last)()
    for _ in range(1200):
        if seen[-1].get("seq", 0) >= newest.book_seq:
            break
        await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert last.status == "open"
    assert seen[-1]["seq"] >= newest.book_seq
    for before, after in pairwise(seen):
        assert after["type"] == "snapshot" or after["seq"] == before["seq"] + 1
    await watcher.disconnect()

    report = await sync_to_async(verify_ledger)()
    assert report.is_clean, report.differences
