"""Which commands an engine takes first, from a list in a real Valkey."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import redis

from trading import intake
from trading.commands import (
    CancelOrder,
    Command,
    Envelope,
    PlaceOrder,
    commands_key,
)
from trading.intake import Intake
from trading.sequencer import Sequencer

POOL = 77  # nobody else's


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey_url)
    client.delete(commands_key(POOL))
    yield client
    client.delete(commands_key(POOL))
    client.close()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH_MAX", 4)
    monkeypatch.setattr(intake, "LOOK_AHEAD_MAX", 16)


def place(investor_id: int) -> PlaceOrder:
    return PlaceOrder(
        listing="AAPLxUSDC", investor_id=investor_id, side="buy", type="market", cash_units=1
    )


def cancel(investor_id: int) -> CancelOrder:
    return CancelOrder(investor_id=investor_id, client_order_id="mine")


@pytest.fixture
def source(valkey: redis.Redis) -> Iterator[Intake]:
    with contextlib.closing(Intake(valkey, POOL)) as opened:
        yield opened


def push(valkey: redis.Redis, *commands: Command) -> None:
    pack = msgspec.msgpack.encode
    valkey.rpush(commands_key(POOL), *[pack(Envelope(each, 0.0, "me")) for each in commands])


def take(source: Intake) -> list[Any]:
    return [envelope.command for envelope in source.take(wait=False)]


def test_an_engine_that_keeps_up_takes_all_as_they_came(
    valkey: redis.Redis, source: Intake
) -> None:
    sent = [place(1), cancel(2), place(3), cancel(4)]
    push(valkey, *sent)

    assert take(source) == sent


def test_an_engine_that_is_behind_takes_cancels_before_others_orders(
    valkey: redis.Redis, source: Intake
) -> None:
    orders = [place(investor) for investor in range(1, 7)]
    late = [cancel(8), cancel(9)]
    push(valkey, *orders, *late)

    assert take(source) == [*late, *orders[:2]]
    assert take(source) == orders[2:]
    assert take(source) == []


def test_a_cancel_never_overtakes_an_order_of_its_own_investor(
    valkey: redis.Redis, source: Intake
) -> None:
    mine, my_cancel = place(1), cancel(1)
    others = [place(investor) for investor in (2, 3, 4, 5)]
    first_mine = cancel(6)
    push(valkey, first_mine, mine, *others, my_cancel, place(6), cancel(6))

    taken = [command for _ in range(3) for command in take(source)]

    assert len(taken) == 9
    assert taken[0] == first_mine
    assert taken.index(mine) < taken.index(my_cancel)
    of_six = [type(command) for command in taken if command.investor_id == 6]
    assert of_six == [CancelOrder, PlaceOrder, CancelOrder]


def test_what_is_behind_is_left_to_the_next_engine_in_its_order(
    valkey: redis.Redis, source: Intake
) -> None:
    orders = [place(investor) for investor in range(1, 9)]
    push(valkey, *orders[:7])
    assert take(source) == orders[:4]
    push(valkey, orders[7])

    source.give_back()

    with contextlib.closing(Intake(valkey, POOL)) as heir:
        assert take(heir) + take(heir) == orders[4:]
    assert take(source) == []


def test_a_stopped_engine_leaves_no_line_to_valkey_open(
    valkey: redis.Redis, start_engine: Callable[[], Sequencer]
) -> None:
    before = lines(valkey)
    engine = start_engine()
    wait_until(lambda: lines(valkey) - before)

    engine.stop()

    wait_until(lambda: not lines(valkey) - before)


def test_who_has_given_back_leaves_no_line_open(valkey: redis.Redis, source: Intake) -> None:
    before = lines(valkey)
    push(valkey, *[place(investor) for investor in range(1, 9)])
    take(source)
    assert lines(valkey) - before

    source.give_back()

    wait_until(lambda: not lines(valkey) - before)


def lines(valkey: redis.Redis) -> set[str]:
    return {each["id"] for each in valkey.client_list()}


def wait_until(is_so: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
