"""/ws/v1 as its users see it: a browser with a cookie, a program with a key."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from accounts import api_keys
from accounts.models import ApiKey
from kernel import clock
from trading import consumers, market_data, order_entry, socket_guard


class Socket(ApplicationCommunicator):
    """A WebSocket without a server (channels' own communicator wants daphne)."""

    async def connect(self) -> tuple[bool, int | None]:
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(timeout=8)
        return answer["type"] == "websocket.accept", answer.get("code")

    async def send_text(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def send_json_to(self, message: dict[str, Any]) -> None:
        await self.send_text(json.dumps(message))

    async def receive_json_from(self) -> dict[str, Any]:
        answer = await self.receive_output(timeout=8)
        assert answer["type"] == "websocket.send", answer
        return json.loads(answer["text"])

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=8)


def socket(**headers: str) -> Socket:
    from bourse.asgi import application

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": "/ws/v1",
        "query_string": b"",
        "headers": raw,
        "subprotocols": [],
    }
    return Socket(application, scope)


async def ask(connection: Socket, **message: Any) -> dict[str, Any]:
    await connection.send_json_to(message)
    return await connection.receive_json_from()


async def next_of(connection: Socket, **wanted: Any) -> dict[str, Any]:
    """The next message that has these fields; others are passed over."""
    while True:
        message = await connection.receive_json_from()
        if all(message.get(name) == value for name, value in wanted.items()):
            return message


async def log_in(connection: Socket, investor_id: int, *scopes: str) -> None:
    make = sync_to_async(api_keys.create)
    key = await make(investor_id=investor_id, kind="native", scopes=scopes, now=clock.now())
    timestamp, nonce = str(int(time.time())), "1"
    payload = api_keys.native_payload(
        timestamp=timestamp, nonce=nonce, method="WS", target="/ws/v1", body=b""
    )
    secret = base64.b64decode(key.secret)
    answer = await ask(
        connection,
        type="authenticate",
        key=key.key,
        timestamp=timestamp,
        nonce=nonce,
        signature=hmac.new(secret, payload, hashlib.sha256).hexdigest(),
    )
    assert answer == {"type": "authenticated", "scopes": sorted(scopes)}


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()
    await market_data.close()


async def test_an_order_is_placed_seen_in_the_book_and_canceled(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    trader, watcher = socket(), socket()
    await trader.connect()
    await watcher.connect()
    await log_in(trader, alice, "read", "trade")
    snapshot = await ask(watcher, type="subscribe", channel="book", listing="AAPLxUSDC")
    assert (snapshot["type"], snapshot["bids"], snapshot["asks"]) == ("snapshot", [], [])

    answer = await ask(
        trader,
        type="place_order",
        request_id=7,
        listing="AAPLxUSDC",
        side="buy",
        order_type="limit",
        quantity="1.5",
        price="100.00",
    )
    assert (answer["type"], answer["request_id"]) == ("order", 7)
    assert answer["order"]["status"] == "open"

    update = await watcher.receive_json_from()
    assert update["seq"] == snapshot["seq"] + 1
    assert update["bids"] == [["100.00", "1.5", 1]]

    canceled = await ask(
        trader, type="cancel_order", request_id="c", order_id=answer["order"]["id"]
    )
    assert canceled["order"]["status"] == "canceled"
    update = await watcher.receive_json_from()
    assert update["bids"] == [["100.00", "0", 0]]
    await trader.disconnect()
    await watcher.disconnect()


async def test_own_orders_balances_trades_and_ticker_move_live(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=5)
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "read")
    own = await ask(connection, type="subscribe", channel="orders")
    assert [order["status"] for order in own["orders"]] == ["open"]
    balances = await ask(connection, type="subscribe", channel="balances")
    assert balances["balances"][0]["in_orders"] == "100.1"
    ticker = await ask(connection, type="subscribe", channel="ticker", listing="AAPLxUSDC")
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == ("100.00", None, None)
    trades = await ask(connection, type="subscribe", channel="trades", listing="AAPLxUSDC")
    assert trades["trades"] == []

    await order_entry.place(venue.order(bob, "sell", quantity=1))

    seen = {}
    while len(seen) < 4:
        message = await connection.receive_json_from()
        seen[message["channel"]] = message
    assert [order["status"] for order in seen["orders"]["orders"]] == ["filled"]
    assert seen["trades"]["trades"][0]["taker_side"] == "sell"
    assert (seen["ticker"]["last"], seen["ticker"]["bid"]) == ("100.00", None)
    amounts = {row["asset"]: row["available"] for row in seen["balances"]["balances"]}
    assert amounts == {"USDC": "899.9", "AAPLx": "1"}
    await connection.disconnect()


async def test_a_cancel_sent_right_behind_its_order_never_overtakes_it(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "trade")
    order = {"listing": "AAPLxUSDC", "side": "buy", "order_type": "limit", "quantity": "1"}

    for n in range(20):
        mine = f"mine-{n}"
        await connection.send_json_to(
            {"type": "place_order", "price": "50", "client_order_id": mine, **order}
        )
        await connection.send_json_to({"type": "cancel_order", "client_order_id": mine})

    answers = [await connection.receive_json_from() for _ in range(40)]
    assert {answer["type"] for answer in answers} == {"order"}
    statuses = sorted(answer["order"]["status"] for answer in answers)
    assert statuses == ["canceled"] * statuses.count("canceled") + ["open"] * statuses.count("open")
    assert statuses.count("canceled") >= 20
    await connection.disconnect()


async def test_a_reader_whose_key_lacks_the_scope_may_not_trade(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "read")

    answer = await ask(connection, type="cancel_order", order_id="not-even-parsed")

    assert (answer["type"], answer["code"]) == ("refused", "scope_missing")
    await connection.disconnect()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", "malformed_message"),
        ("[]", "malformed_message"),
        ('{"type": "dance"}', "malformed_message"),
        ('{"type": "subscribe", "channel": "secrets"}', "malformed_message"),
        ('{"type": "subscribe", "channel": "book", "listing": "NOPE"}', "not_found"),
        ('{"type": "subscribe", "channel": "orders"}', "not_authenticated"),
        ('{"type": "place_order"}', "not_authenticated"),
        ('{"type": "authenticate", "key": "x"}', "invalid_timestamp"),
        ('{"type": "' + "x" * 9_000 + '"}', "message_too_large"),
        ("[" * 5_000, "malformed_message"),
    ],
)
async def test_a_bad_message_gets_a_clear_no_and_the_socket_lives(
    venue: Any, valkey_url: str, sent: str, code: str
) -> None:
    connection = socket()
    await connection.connect()

    await connection.send_text(sent)

    assert (await connection.receive_json_from())["code"] == code
    assert (await ask(connection, type="ping", request_id=1)) == {"type": "pong", "request_id": 1}
    await connection.disconnect()


@pytest.mark.parametrize("amount", ["1e3", "-1", " 1", "1,5", "0x1", "1.123456789", "NaN", 1.5])
async def test_an_amount_in_any_other_spelling_is_refused(
    venue: Any, valkey_url: str, amount: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice")
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "trade")

    answer = await ask(
        connection,
        type="place_order",
        listing="AAPLxUSDC",
        side="buy",
        order_type="limit",
        quantity=amount,
        price="100",
    )

    assert answer["type"] == "refused"
    assert answer["code"] in {"malformed_amount", "malformed_message"}
    await connection.disconnect()


async def test_another_sites_page_cannot_open_a_socket(venue: Any, valkey_url: str) -> None:
    connected, code = await socket(origin="https://evil.example").connect()

    assert (connected, code) == (False, 4403)


async def test_who_sends_too_fast_is_told_and_dropped(
    venue: Any, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_guard, "MESSAGES_AT_ONCE_MAX", 5)
    monkeypatch.setattr(socket_guard, "MESSAGES_PER_SECOND", 0.001)
    connection = socket()
    await connection.connect()
    for _ in range(6):
        await connection.send_json_to({"type": "ping"})

    told = await next_of(connection, type="refused")
    assert told["code"] == "too_many_messages"
    assert (await connection.receive_output(timeout=8))["code"] == consumers.TOO_FAST_CODE


async def test_a_quiet_socket_still_hears_the_market_after_thirteen_seconds(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    connection = socket()
    await connection.connect()
    await ask(connection, type="subscribe", channel="book", listing="AAPLxUSDC")

    await asyncio.sleep(13)
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    assert (await connection.receive_json_from())["type"] == "update"
    await connection.disconnect()


async def test_a_listing_not_offered_in_a_country_does_not_exist_there(
    venue: Any, engine: Any
) -> None:
    await sync_to_async(venue.listing.blocks.create)(country="FR")
    marie = await sync_to_async(venue.investor)("Marie", country="FR")
    connection = socket()
    await connection.connect()
    await log_in(connection, marie, "read", "trade")

    answer = await ask(connection, type="subscribe", channel="book", listing="AAPLxUSDC")

    assert answer["code"] == "not_found"
    await connection.disconnect()


async def test_a_socket_that_only_listens_hears_nothing_more_once_its_key_is_revoked(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_guard, "RECHECK_SECONDS", 0.1)
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "read")
    await ask(connection, type="subscribe", channel="orders")
    key = await sync_to_async(lambda: ApiKey.objects.get(investor_id=alice).key_id)()

    await sync_to_async(api_keys.revoke)(investor_id=alice, key_id=key, now=clock.now())

    assert (await connection.receive_json_from())["code"] == "not_authenticated"
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))
    assert (await ask(connection, type="ping"))["type"] == "pong"
    answer = await ask(connection, type="subscribe", channel="orders")
    assert answer["code"] == "not_authenticated"
    await connection.disconnect()


async def test_a_socket_hears_no_more_of_a_listing_that_is_taken_out_of_its_country(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_guard, "RECHECK_SECONDS", 0.1)
    marie = await sync_to_async(venue.investor)("Marie", country="FR")
    bob = await sync_to_async(venue.investor)("Bob", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, marie, "read")
    await ask(connection, type="subscribe", channel="book", listing="AAPLxUSDC")

    await sync_to_async(venue.listing.blocks.create)(country="FR")

    told = await connection.receive_json_from()
    assert (told["code"], told["channel"], told["listing"]) == ("not_found", "book", "AAPLxUSDC")
    await order_entry.place(venue.order(bob, "buy", quantity=1, price=100))
    assert (await ask(connection, type="ping"))["type"] == "pong"
    await connection.disconnect()


async def test_a_second_key_on_a_socket_ends_the_feeds_of_the_first(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    bob = await sync_to_async(venue.investor)("Bob", usd=1_000)
    connection = socket()
    await connection.connect()
    await log_in(connection, alice, "read")
    await ask(connection, type="subscribe", channel="orders")

    await log_in(connection, bob, "read")
    await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))

    assert (await ask(connection, type="ping"))["type"] == "pong"
    await connection.disconnect()


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
async def test_text_that_nothing_can_hold_is_malformed(
    venue: Any, valkey_url: str, text: str
) -> None:
    connection = socket()
    await connection.connect()
    for field in ("listing", "request_id", "channel"):
        raw = {"type": "subscribe", "channel": "book", "listing": "AAPLxUSDC", field: "TEXT"}
        await connection.send_text(json.dumps(raw).replace("TEXT", text))

        assert (await connection.receive_json_from())["code"] == "malformed_message"
    await connection.disconnect()
