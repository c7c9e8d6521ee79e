"""What a hostile client sends by WebSocket ends nobody's socket, and is not taken for an order."""

import asyncio
import json
from typing import Any

import pytest
import uvicorn
from asgiref.sync import sync_to_async

from accounts import api_keys
from accounts.models import ApiKey
from bourse.socket_protocol import MESSAGE_BYTES_MAX
from kernel import clock
from kernel.refusals import Refusal
from tests.trading.conftest import engine, venue  # noqa: F401
from tests.trading.test_market_data_slow import Client, server  # noqa: F401
from tests.trading.test_websocket import _close_clients, ask, log_in, socket  # noqa: F401
from trading import consumers, market_data, order_entry, socket_guard
from trading.socket_guard import Allowance
from trading.socket_orders import MESSAGE_BYTES_MAX as SHORT_WAY_BYTES_MAX
from trading.socket_orders import Desk


class Nobody:
    """A socket that is told nothing."""

    def answer(self, message: dict[str, Any], answer: dict[str, Any]) -> None:
        raise AssertionError(answer)

    def refuse(self, message: dict[str, Any], refusal: Refusal) -> None:
        raise AssertionError(refusal)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":' + b"[" * 8_000,
        b'{"a":' + b'{"a":' * 1_600,
        b'{"type":"cancel_order","client_order_id":"\xed\xa0\x80"}',
        b'{"type":"cancel_order","client_order_id":"\\ud800"}',
        b"\xff\xfe",
        b" " * (SHORT_WAY_BYTES_MAX + 1),
    ],
)
def test_what_cannot_be_decoded_is_left_to_who_can_say_so(text: bytes) -> None:
    desk = Desk(Nobody(), Allowance())
    desk.investor_id = 1

    assert desk.take_at_once(text) is False


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "unsubscribe", "interval_seconds": 60},
        {"type": "unsubscribe", "channel": ["candles"], "interval_seconds": 60},
        {"type": "subscribe", "channel": {"a": 1}, "listing": [[[1]]]},
        {"type": "subscribe", "channel": "book", "listing": {"a": [1]}},
        {"type": "subscribe", "channel": "candles", "listing": "AAPLxUSDC", "interval_seconds": 1},
    ],
)
async def test_a_message_of_the_wrong_shape_ends_nothing(
    venue: Any,  # noqa: F811
    valkey_url: str,
    sent: dict[str, Any],
) -> None:
    connection = socket()
    await connection.connect()

    await connection.send_json_to(sent)
    answer = await ask(connection, type="ping", request_id=1)

    if answer["type"] != "pong":
        assert (answer["type"], answer["code"]) == ("refused", "malformed_message")
        assert all(isinstance(answer.get(name, ""), str) for name in ("channel", "listing"))
        answer = await connection.receive_json_from()
    assert answer == {"type": "pong", "request_id": 1}
    await connection.disconnect()


async def test_text_nested_to_the_interpreters_edge_is_refused(
    venue: Any,  # noqa: F811
    valkey_url: str,
) -> None:
    connection = socket()
    await connection.connect()

    for depth in range(900, 1_000):  # somewhere here reading works, and writing does not
        said = f'"channel":"\\u0062ook","listing":{"[" * depth + "]" * depth}'
        await connection.send_text(f'{{"type":"subscribe",{said}}}')
        assert (await connection.receive_json_from())["code"] == "malformed_message"
    await connection.disconnect()


async def test_to_ask_for_the_same_again_and_again_costs_many_messages(
    venue: Any,  # noqa: F811
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole book is read, sorted and written for an answer; a message costs nothing."""
    monkeypatch.setattr(socket_guard, "MESSAGES_AT_ONCE_MAX", 10 + socket_guard.AGAIN_COSTS)
    monkeypatch.setattr(socket_guard, "MESSAGES_PER_SECOND", 0.001)
    connection = socket()
    await connection.connect()
    level3 = {"channel": "level3", "listing": "AAPLxUSDC"}

    for expected in ("snapshot", "snapshot", "refused"):
        answer = await ask(connection, type="subscribe", **level3)
        assert answer["type"] == expected
        if expected == "snapshot":
            await connection.send_json_to({"type": "unsubscribe", **level3})
    assert answer["code"] == "too_many_messages"
    closed: Any = await connection.receive_output(timeout=8)  # type: ignore[no-untyped-call]
    assert closed["code"] == consumers.TOO_FAST_CODE


async def test_a_feed_asked_for_while_its_key_was_revoked_ends_with_the_key(
    venue: Any,  # noqa: F811
    engine: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its snapshot is being read when the socket is looked at again."""
    monkeypatch.setattr(socket_guard, "RECHECK_SECONDS", 0.1)
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "read")
    key = await ApiKey.objects.aget(investor_id=alice)
    read, reads, go_on = market_data.Feed._own_snapshot, asyncio.Event(), asyncio.Event()

    async def read_slowly(feed: market_data.Feed, channel: str, investor_id: int) -> str:
        reads.set()
        await go_on.wait()
        return await read(feed, channel, investor_id)

    monkeypatch.setattr(market_data.Feed, "_own_snapshot", read_slowly)
    await connection.send_json_to({"type": "subscribe", "channel": "orders"})
    await asyncio.wait_for(reads.wait(), timeout=5)
    await sync_to_async(api_keys.revoke)(investor_id=alice, key_id=key.key_id, now=clock.now())
    assert (await connection.receive_json_from())["code"] == "not_authenticated"
    go_on.set()
    assert (await connection.receive_json_from())["type"] == "snapshot"

    await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    assert (await ask(connection, type="ping"))["type"] == "pong"
    await connection.disconnect()


async def test_what_follows_a_clients_own_close_is_not_taken(
    server: uvicorn.Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[bytes] = []

    def take(desk: Desk, text: bytes) -> bool:
        taken.append(text)
        return b"ping" in text

    monkeypatch.setattr(Desk, "take_at_once", take)
    client = await Client().open(server)
    text = json.dumps({"type": "ping"}).encode()
    frame = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
    taken.clear()

    client.writer.write(frame + bytes((0x88, 0x82, 0, 0, 0, 0)) + b"\x03\xe8" + frame)
    while not client.reader.at_eof():
        await asyncio.wait_for(client.reader.read(1_000), timeout=5)

    assert taken == [text]
    client.close()


@pytest.mark.parametrize("first", [0x81, 0x82, 0x01])
async def test_no_message_is_gathered_that_is_longer_than_any_of_ours(
    server: uvicorn.Server,  # noqa: F811
    first: int,
) -> None:
    """The server was started without a limit of its own, which is 16 MB then."""
    client = await Client().open(server)

    length = (MESSAGE_BYTES_MAX + 1).to_bytes(8, "big")
    client.writer.write(bytes((first, 0xFF)) + length + b"\0\0\0\0" + b"a" * 100)

    opcode, said = await asyncio.wait_for(client.receive(), timeout=5)
    assert (opcode, said[:2]) == (8, (1009).to_bytes(2, "big"))
    client.close()
