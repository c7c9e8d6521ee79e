"""Commands that come twice, too late, or to nobody."""

import asyncio
import time
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from kernel import clock
from kernel.ids import uuid7
from kernel.refusals import NotFound, OutcomeUnknown
from trading import order_entry
from trading.batch_refusals import ClientOrderIdReused
from trading.commands import CancelOrder, Envelope, PlaceOrder, commands_key
from trading.models import BookEvent, Order, Pool, Trade


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()


def push(*envelopes: Envelope) -> None:
    import msgspec

    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.rpush(commands_key(1), *map(msgspec.msgpack.encode, envelopes))


async def settle() -> None:
    """Wait until the engine has committed a batch that began after now."""
    now = clock.now()
    for _ in range(100):
        pool = await sync_to_async(Pool.objects.get)(id=1)
        if pool.processed_until is not None and pool.processed_until > now:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the engine does not move")


async def test_a_command_delivered_twice_is_executed_once(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    await settle()
    command = venue.order(alice, "buy", quantity=1, price=100)
    envelope = Envelope(command, clock.now().timestamp() + 5, "nobody")

    push(envelope, envelope)
    await settle()
    push(envelope)  # in a later batch too
    await settle()

    assert await sync_to_async(Order.objects.count)() == 1
    assert await sync_to_async(venue.balance)(alice, venue.cash) == (1_000_000_000, 100_100_000)


async def test_a_duplicate_is_known_after_the_engine_was_restarted(
    venue: Any, start_engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=5)
    first = start_engine()
    command = venue.order(alice, "buy", quantity=1, price=100)
    await order_entry.place(command)
    await order_entry.place(venue.order(bob, "sell", quantity=1, price=100))
    first.stop()
    start_engine()

    push(Envelope(command, clock.now().timestamp() + 5, "nobody"))
    await settle()

    order = await sync_to_async(Order.objects.get)(id=command.id)
    assert order.status == "filled"
    assert await sync_to_async(Order.objects.count)() == 2


async def test_the_same_client_id_with_the_same_body_gets_the_first_answer(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    body = {"quantity": 1, "price": 100, "client_order_id": "mine"}

    first = await order_entry.place(venue.order(alice, "buy", **body))
    again = await order_entry.place(venue.order(alice, "buy", **body))
    at_once = await asyncio.gather(
        *(order_entry.place(venue.order(alice, "buy", **body)) for _ in range(5))
    )

    assert {order.id for order in [again, *at_once]} == {first.id}
    with pytest.raises(ClientOrderIdReused):
        await order_entry.place(venue.order(alice, "buy", **{**body, "quantity": 2}))
    assert await sync_to_async(Order.objects.filter(status="open").count)() == 1


async def test_a_client_id_is_an_investors_own_and_can_name_an_order_to_cancel(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    bob = await sync_to_async(venue.investor)("Bob", usd=1_000)
    body = {"quantity": 1, "price": 100, "client_order_id": "mine"}

    hers = await order_entry.place(venue.order(alice, "buy", **body))
    his = await order_entry.place(venue.order(bob, "buy", **body))
    canceled = await order_entry.cancel(CancelOrder(investor_id=bob, client_order_id="mine"))

    assert hers.id != his.id
    assert canceled.id == his.id


async def test_without_an_engine_the_outcome_is_unknown_and_never_executed_late(
    venue: Any, start_engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    command = venue.order(alice, "buy", quantity=1, price=100)
    started = time.monotonic()

    with pytest.raises(OutcomeUnknown) as unknown:
        await order_entry.place(command, timeout_seconds=0.5)

    assert unknown.value.details["order_id"] == command.id
    assert time.monotonic() - started < 3
    with pytest.raises(NotFound) as missing:
        await order_entry.get_order(investor_id=alice, order_id=command.id)
    assert missing.value.details["final"] is False, "it may still come, as far as we know"

    start_engine()  # the command still lies in the list, past its deadline
    await settle()
    assert not await sync_to_async(Order.objects.filter(id=command.id).exists)()


async def test_not_found_becomes_final_once_the_pool_has_processed_beyond_the_deadline(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trading import batches

    alice = await sync_to_async(venue.investor)("Alice")
    command = venue.order(alice, "buy", quantity=1, price=100)  # never sent
    monkeypatch.setattr(batches, "DEADLINE_MAX_SECONDS", 0.0)
    await asyncio.sleep(0.01)
    await settle()

    with pytest.raises(NotFound) as missing:
        await order_entry.get_order(investor_id=alice, order_id=command.id)

    assert missing.value.details["final"] is True


async def test_rubbish_in_the_list_hurts_nobody(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.rpush(commands_key(1), b"", b"\xc1", b"\x93\x01\x02\x03", b"x" * 10_000)

    order = await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    assert order.status == "open"


async def test_a_poison_command_is_found_and_refused_and_the_others_go_through(
    venue: Any, engine: Any
) -> None:
    from django.db import connections

    def forbid_a_user_ref() -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "ALTER TABLE trading_order"
                " ADD CONSTRAINT poison CHECK (user_ref IS DISTINCT FROM 13)"
            )

    await sync_to_async(forbid_a_user_ref)()
    alice = await sync_to_async(venue.investor)("Alice", usd=10_000)
    commands = [venue.order(alice, "buy", quantity=1, price=50, user_ref=n) for n in range(30)]

    answers = await asyncio.gather(*map(order_entry.place, commands), return_exceptions=True)

    refused = [n for n, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert refused == [13]
    assert answers[13].code == "command_failed"
    assert await sync_to_async(Order.objects.filter(status="open").count)() == 29
    assert (await sync_to_async(venue.balance)(alice, venue.cash))[1] == 29 * 50_050_000


async def test_a_command_that_meets_a_mistake_in_the_code_is_refused_and_the_others_go_through(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake strikes after the order has changed the book and the balances."""
    from trading.engine.pool import Pool

    place = Pool.place

    def mistaken(pool: Pool, command: PlaceOrder, effects: Any) -> Any:
        order = place(pool, command, effects)
        if command.user_ref == 13:
            raise KeyError("a mistake")
        return order

    alice = await sync_to_async(venue.investor)("Alice", usd=10_000)
    commands = [venue.order(alice, "buy", quantity=1, price=50, user_ref=n) for n in range(30)]
    monkeypatch.setattr(Pool, "place", mistaken)

    answers = await asyncio.gather(*map(order_entry.place, commands), return_exceptions=True)

    refused = [n for n, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert refused == [13]
    assert answers[13].code == "command_failed"
    assert await sync_to_async(Order.objects.filter(status="open").count)() == 29
    assert (await sync_to_async(venue.balance)(alice, venue.cash))[1] == 29 * 50_050_000


async def test_events_and_trades_are_numbered_without_gaps(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=10_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=50)
    for price in (100, 101, 102):
        await order_entry.place(venue.order(alice, "buy", quantity=1, price=price))
        await order_entry.place(venue.order(bob, "sell", quantity=1, price=price))

    rows = await sync_to_async(list)(BookEvent.objects.order_by("event_seq"))
    numbers = [event[1] for row in rows for event in row.events]
    assert numbers == list(range(1, rows[-1].event_seq + 1))
    assert [(row.first_event_seq, row.event_seq) for row in rows] == [
        (row.events[0][1], row.events[-1][1]) for row in rows
    ]
    moved = [row.book_seq for row in rows if any(event[0] == "accepted" for event in row.events)]
    assert moved == list(range(1, 7))
    trades = await sync_to_async(list)(Trade.objects.order_by("trade_no"))
    assert [trade.trade_no for trade in trades] == [1, 2, 3]


async def test_a_cancel_that_could_not_be_sent_is_asked_for_by_its_order(
    venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setattr(order_entry, "COMMAND_TIMEOUT_SECONDS", 0.3)
    cancel = CancelOrder(investor_id=1, order_id=uuid7())

    with pytest.raises(OutcomeUnknown) as unknown:
        await order_entry.cancel(cancel)

    assert unknown.value.details["order_id"] == cancel.order_id
