"""Order entry that is drowning refuses orders before cancels, and says so before it sends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from django.db import DatabaseError, InterfaceError

from trading import engine_line
from trading.commands import Answer, CancelOrder, commands_key
from trading.engine_line import EngineLine, Overloaded
from trading.pool_routes import PoolRoutes


@pytest.fixture
async def line(valkey_url: str) -> AsyncIterator[EngineLine]:
    """A line with no engine at its other end."""
    opened = EngineLine()
    yield opened
    await opened.close()
    client = redis.Redis.from_url(valkey_url)
    client.delete(commands_key(1))
    client.close()


def ignore(answer: Answer | None) -> None:
    """Nobody waits."""


def cancel() -> CancelOrder:
    return CancelOrder(investor_id=1, client_order_id="mine")


async def test_with_too_many_waiting_here_a_cancel_still_goes_up_to_a_limit(
    venue: Any, line: EngineLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_line, "WAITING_MAX", 2)
    for _ in range(2):
        line.submit(venue.order(1, "buy", quantity=1, price=100), 5.0, ignore)

    with pytest.raises(Overloaded):
        line.submit(venue.order(1, "buy", quantity=1, price=100), 5.0, ignore)
    for _ in range(2):
        line.submit(cancel(), 5.0, ignore)
    with pytest.raises(Overloaded):
        line.submit(cancel(), 5.0, ignore)


async def test_with_a_long_list_before_the_engine_orders_are_refused_and_cancels_sent(
    venue: Any, line: EngineLine, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_line, "BACKLOG_MAX", 3)
    monkeypatch.setattr(engine_line, "BACKLOG_KNOWN_SECONDS", 60.0)
    monkeypatch.setattr(engine_line, "CANCELS_MAX", 1_000)
    client = redis.Redis.from_url(valkey_url)
    for _ in range(3):
        line.submit(venue.order(1, "buy", quantity=1, price=100), 5.0, ignore)
    async with asyncio.timeout(60):
        while client.llen(commands_key(1)) < 3:
            await asyncio.sleep(0.01)
        while True:  # until the line has been told how long the list is
            try:
                line.submit(venue.order(1, "buy", quantity=1, price=100), 5.0, ignore)
            except Overloaded:
                break
            await asyncio.sleep(0.01)

    known: Any = client.llen(commands_key(1))
    line.submit(cancel(), 5.0, ignore)
    async with asyncio.timeout(60):
        while client.llen(commands_key(1)) <= known:
            await asyncio.sleep(0.01)
    client.close()


@pytest.mark.parametrize("problem", [DatabaseError, InterfaceError])
async def test_a_database_lost_on_the_way_leaves_nobody_waiting(
    venue: Any,
    line: EngineLine,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
    problem: type[Exception],
) -> None:
    """Those being sent and those that came meanwhile: none is sent late, after it was given up."""
    loop, told = asyncio.get_running_loop(), []
    answers: list[asyncio.Future[Answer | None]] = [loop.create_future() for _ in range(2)]

    async def cut(self: PoolRoutes, commands: list[Any]) -> list[list[int]]:
        told.append(len(commands))
        line.submit(venue.order(1, "buy", quantity=1, price=100), 60.0, answers[1].set_result)
        raise problem("the connection is closed")

    with monkeypatch.context() as broken:
        broken.setattr(PoolRoutes, "find_all", cut)
        line.submit(venue.order(1, "buy", quantity=1, price=100), 60.0, answers[0].set_result)
        async with asyncio.timeout(30):  # the orders' own deadlines are further away
            assert await asyncio.gather(*answers) == [None, None]
    assert told == [1]

    line.submit(venue.order(1, "buy", quantity=1, price=100), 60.0, ignore)
    with redis.Redis.from_url(valkey_url) as client:
        async with asyncio.timeout(30):
            while not client.llen(commands_key(1)):
                await asyncio.sleep(0.01)
        assert client.llen(commands_key(1)) == 1
