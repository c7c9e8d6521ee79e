"""Pairs, batches and changes of orders by /ws/v1, with the real engine."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from tests.trading.test_websocket import (  # noqa: F401
    Socket,
    _close_clients,
    ask,
    log_in,
    socket,
)

BUY = {
    "listing": "AAPLxUSDC",
    "side": "buy",
    "order_type": "limit",
    "quantity": "1",
    "price": "90",
}
SELL = BUY | {"side": "sell", "price": "110"}
STOP = {
    "listing": "AAPLxUSDC",
    "side": "sell",
    "order_type": "stop_loss",
    "quantity": "1",
    "trigger_price": "80",
}


@pytest.fixture
async def alice(venue: Any, engine: Any) -> Socket:
    investor = await sync_to_async(venue.investor)("Alice", usd=1_000, tokens=10)
    connection = socket()
    await connection.connect()
    await log_in(connection, investor, "read", "trade")
    return connection


async def test_every_change_has_a_message_of_its_own(alice: Socket) -> None:
    placed = (await ask(alice, type="place_order", **BUY))["order"]

    amended = await ask(alice, type="amend_order", request_id=1, order_id=placed["id"], price="91")
    assert (amended["type"], amended["request_id"]) == ("order", 1)
    assert (amended["order"]["id"], amended["order"]["price"]) == (placed["id"], "91.00")

    replaced = await ask(
        alice, type="replace_order", order_id=placed["id"], order=BUY | {"price": "92"}
    )
    assert replaced["order"]["terms"]["replaces"] == placed["id"]

    pair = await ask(alice, type="place_pair", first=SELL, second=STOP)
    assert pair["type"] == "pair"
    assert pair["first"]["terms"]["link_id"] == pair["second"]["terms"]["link_id"]
    assert pair["second"]["status"] == "untriggered"

    batch = await ask(alice, type="place_orders", orders=[BUY, BUY | {"quantity": "100"}])
    first, second = batch["results"]
    assert (batch["type"], first["order"]["status"]) == ("results", "open")
    assert (second["code"], second["details"]["available"]) == ("insufficient_funds", "817.818")

    canceled = await ask(alice, type="cancel_orders", order_ids=[first["order"]["id"]])
    assert canceled["results"][0]["order"]["status"] == "canceled"

    armed = await ask(alice, type="cancel_all_after", timeout_seconds=60)
    assert (armed["type"], armed["cancel_at"] is not None) == ("dead_man", True)
    off = await ask(alice, type="cancel_all_after", timeout_seconds=0)
    assert off == {"type": "dead_man", "cancel_at": None}

    assert await ask(alice, type="cancel_all", listing="AAPLxUSDC", request_id="all") == {
        "type": "canceled",
        "count": 3,
        "request_id": "all",
    }
    await alice.disconnect()


async def test_what_is_wrong_is_named_and_changes_nothing(alice: Socket) -> None:
    placed = (await ask(alice, type="place_order", **BUY))["order"]
    unknown = "0192f2c0-1111-7aaa-8bbb-000000000001"
    for message, code in (
        ({"type": "amend_order", "order_id": placed["id"]}, "invalid"),
        ({"type": "amend_order", "price": "91"}, "malformed_message"),
        ({"type": "amend_order", "order_id": unknown, "price": "91"}, "not_found"),
        ({"type": "amend_order", "order_id": placed["id"], "side": "sell"}, "malformed_message"),
        ({"type": "place_pair", "first": SELL}, "malformed_message"),
        ({"type": "place_orders", "orders": [BUY]}, "malformed_message"),
        ({"type": "cancel_orders"}, "invalid"),
        ({"type": "cancel_all", "listing": "NOPExUSDC"}, "not_found"),
        ({"type": "cancel_all_after", "timeout_seconds": -1}, "malformed_message"),
    ):
        refused = await ask(alice, **message)
        assert (refused["type"], refused["code"]) == ("refused", code), message

    await ask(alice, type="cancel_order", order_id=placed["id"])
    closed = await ask(alice, type="amend_order", order_id=placed["id"], price="91")
    assert closed["code"] == "order_not_open"
    gone = await ask(alice, type="replace_order", order_id=placed["id"], order=BUY)
    assert gone["code"] == "order_not_open"
    await alice.disconnect()


async def test_without_the_scope_there_are_no_changes(venue: Any) -> None:
    reader = socket()
    await reader.connect()
    assert (await ask(reader, type="cancel_all"))["code"] == "not_authenticated"
    await log_in(reader, await sync_to_async(venue.investor)("Reader"), "read")
    assert (await ask(reader, type="cancel_all"))["code"] == "scope_missing"
    await reader.disconnect()
