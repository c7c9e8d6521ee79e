"""The grammar of order entry: what it takes, and the field that it names when it does not."""

import dataclasses
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kernel.money import MalformedAmount
from tests.api.shapes import LISTING
from trading import order_bodies as bodies
from trading.commands import CancelOrder, PlaceOrder
from trading.engine.refusals import SellOnly

LIMIT = {
    "listing": "AAPLxUSDC",
    "side": "buy",
    "order_type": "limit",
    "quantity": "2",
    "price": "100.50",
}
MARKET = {"listing": "AAPLxUSDC", "side": "sell", "order_type": "market", "quantity": "2"}
STOP = {**MARKET, "order_type": "stop_loss", "trigger_price": "90"}
TRAIL = {**MARKET, "order_type": "trailing_stop", "trail": "5"}


def command(body: dict[str, Any]) -> PlaceOrder:
    read = bodies.read(bodies.PlaceBody, body)
    return bodies.place_command(read, LISTING, investor_id=7, source="api")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "listing"),
    (LIMIT | {"quantity": 1.5}, "quantity"),
    (LIMIT | {"quantity": True}, "quantity"),
    (LIMIT | {"quantity": "9" * 41}, "quantity"),
    (LIMIT | {"cash": "10"}, "quantity"),
    (LIMIT | {"side": "short"}, "side"),
    (LIMIT | {"stop_price": "9"}, "stop_price"),
    (LIMIT | {"price": None}, "price"),
    (MARKET | {"price": "1"}, "price"),
    (STOP | {"trigger_price": None}, "trigger_price"),
    (LIMIT | {"trigger_price": "9"}, "trigger_price"),
    (STOP | {"order_type": "stop_loss_limit"}, "price"),
    (LIMIT | {"trigger_by": "index"}, "trigger_by"),
    (STOP | {"trigger_by": "moon"}, "trigger_by"),
    (TRAIL | {"trail_percent": "5"}, "trail"),
    (TRAIL | {"trail": None}, "trail"),
    (LIMIT | {"trail": "5"}, "trail"),
    (TRAIL | {"order_type": "trailing_stop_limit"}, "limit_offset"),
    (TRAIL | {"limit_offset": "1"}, "limit_offset"),
    (LIMIT | {"time_in_force": "gtd"}, "expires_at"),
    (LIMIT | {"expires_at": 5}, "expires_at"),
    (LIMIT | {"time_in_force": "gtd", "expires_at": "2026-11-25T10:00:00"}, "expires_at"),
    (LIMIT | {"client_order_id": "x" * 37}, "client_order_id"),
    (LIMIT | {"client_order_id": ""}, "client_order_id"),
    (LIMIT | {"client_order_id": " a"}, "client_order_id"),
    (LIMIT | {"client_order_id": "a\0"}, "client_order_id"),
    (LIMIT | {"client_order_id": "a\ud800"}, "client_order_id"),
    (LIMIT | {"listing": "AAPL\0"}, "listing"),
    (LIMIT | {"user_ref": 2**31}, "user_ref"),
    (LIMIT | {"user_ref": "1"}, "user_ref"),
    (LIMIT | {"post_only": "true"}, "post_only"),
    (LIMIT | {"self_trade_prevention": "maybe"}, "self_trade_prevention"),
    (LIMIT | {"deadline": "soon"}, "deadline"),
    (LIMIT | {"deadline": -1}, "deadline"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_a_refusal_names_the_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(bodies.InvalidBody) as refused:
        command(body)
    assert refused.value.field == field
    assert list(refused.value.details) == [field]
    assert refused.value.message == f"{field}: {refused.value.problem}"


def test_every_field_arrives_in_base_units() -> None:
    placed = command(
        LIMIT
        | {
            "time_in_force": "gtd",
            "expires_at": "2026-11-25T10:00:00+01:00",
            "display": "0.5",
            "reduce_only": False,
            "self_trade_prevention": "decrement",
            "close_take_profit": "120",
            "close_stop_loss": "80.25",
            "client_order_id": "mine 1",
            "user_ref": -4,
            "validate_only": True,
        }
    )
    assert (placed.quantity_units, placed.price_units) == (200_000_000, 100_500_000)
    assert placed.expires_at == 1_795_597_200.0
    assert placed.display_units == 50_000_000
    assert (placed.close_take_profit_units, placed.close_stop_loss_units) == (
        120_000_000,
        80_250_000,
    )
    assert (placed.client_order_id, placed.user_ref) == ("mine 1", -4)
    assert (placed.self_trade_prevention, placed.validate_only) == ("decrement", True)


def test_triggers_and_trails_arrive_with_their_measure() -> None:
    stop = command(STOP | {"trigger_by": "index"})
    assert (stop.trigger_price_units, stop.trigger_by) == (90_000_000, "index")
    percent = TRAIL | {"order_type": "trailing_stop_limit", "trail": None}
    trail = command(percent | {"trail_percent": "2.5", "limit_offset": "-0.25"})
    assert (trail.trail_units, trail.trail_e6, trail.limit_offset_units) == (None, 25_000, -250_000)
    assert command(TRAIL).trail_units == 5_000_000
    with pytest.raises(MalformedAmount):
        command(percent | {"trail_percent": "2.55555", "limit_offset": "1"})
    with pytest.raises(MalformedAmount):
        command(percent | {"trail_percent": "2", "limit_offset": "--1"})


def test_a_moment_is_a_text_with_its_offset_or_seconds() -> None:
    assert bodies.seconds_of(None) is None
    for moment in (1_795_597_200, "2026-11-25T09:00:00Z"):
        read = bodies.read(bodies.PlaceBody, LIMIT | {"deadline": moment})
        assert bodies.seconds_of(read.deadline) == 1_795_597_200


def test_a_buy_of_what_can_only_be_left_is_refused() -> None:
    leaving = dataclasses.replace(LISTING, sell_only=True)
    read = bodies.read(bodies.PlaceBody, LIMIT)
    with pytest.raises(SellOnly):
        bodies.place_command(read, leaving, investor_id=7, source="api")


def test_a_pair_is_in_one_listing_and_names_the_leg_that_is_wrong() -> None:
    pair = bodies.read(bodies.PairBody, {"first": MARKET | {"price": "9"}, "second": STOP})
    with pytest.raises(bodies.InvalidBody) as refused:
        bodies.pair_command(pair, LISTING, investor_id=7, source="api")
    assert refused.value.field == "first.price"
    pair = bodies.read(bodies.PairBody, {"first": LIMIT, "second": STOP | {"listing": "MSFTxUSDC"}})
    with pytest.raises(bodies.InvalidBody) as refused:
        bodies.pair_command(pair, LISTING, investor_id=7, source="api")
    assert refused.value.field == "second.listing"


def test_a_batch_has_two_to_fifteen_orders_and_names_the_one_that_is_malformed() -> None:
    for orders, field in (
        ([LIMIT], "orders"),
        ([LIMIT] * 16, "orders"),
        ([LIMIT, LIMIT | {"side": 1}], "orders.1.side"),
        ([LIMIT, {"side": "buy"}], "orders.1.listing"),
    ):
        with pytest.raises(bodies.InvalidBody) as refused:
            bodies.read(bodies.PlaceBatchBody, {"orders": orders})
        assert refused.value.field == field
    assert len(bodies.read(bodies.PlaceBatchBody, {"orders": [LIMIT] * 15}).orders) == 15


def test_a_batch_of_cancels_names_one_to_fifty_orders() -> None:
    id = UUID("0192f2c0-1111-7aaa-8bbb-000000000001")
    named = bodies.read(
        bodies.CancelBatchBody, {"order_ids": [str(id)], "client_order_ids": ["mine"]}
    )
    first, second = bodies.cancel_commands(named, investor_id=7)
    assert isinstance(first, CancelOrder)
    assert (first.order_id, second.client_order_id) == (id, "mine")
    for body in ({}, {"order_ids": [str(id)] * 26, "client_order_ids": ["a"] * 25}):
        with pytest.raises(bodies.InvalidBody):
            bodies.cancel_commands(bodies.read(bodies.CancelBatchBody, body), investor_id=7)


def test_an_amendment_changes_something() -> None:
    with pytest.raises(bodies.InvalidBody):
        bodies.amend_command(bodies.read(bodies.AmendBody, {}), LISTING, investor_id=7)
    amended = bodies.amend_command(
        bodies.read(bodies.AmendBody, {"quantity": "1.5", "post_only": False}),
        LISTING,
        investor_id=7,
        client_order_id="mine",
    )
    assert (amended.quantity_units, amended.price_units, amended.post_only) == (
        150_000_000,
        None,
        False,
    )


def test_a_frame_of_the_websocket_is_the_same_body_with_a_type() -> None:
    decode = msgspec.json.Decoder(bodies.OrderMessage).decode
    frame = decode(msgspec.json.encode({"type": "place_order", "request_id": 4, **LIMIT}))
    assert isinstance(frame, bodies.PlaceMessage)
    assert frame.request_id == 4
    assert bodies.place_command(frame, LISTING, investor_id=7, source="api").price_units == (
        100_500_000
    )
    for broken, field in (
        ({"type": "dance"}, "type"),
        ({}, "type"),
        ({"type": "cancel_all_after", "timeout_seconds": -1}, "timeout_seconds"),
        ({"type": "replace_order", "order_id": "x", "order": LIMIT}, "order_id"),
        ({"type": "cancel_all", "listings": "x"}, "listings"),
    ):
        with pytest.raises(msgspec.ValidationError) as error:
            decode(msgspec.json.encode(broken))
        assert bodies.invalid_body(error.value).field == field
