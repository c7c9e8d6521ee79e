"""Every order type and every way to change orders by /api/v1, with the real engine."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from kernel import clock
from tests.partners import Partner
from trading.models import Order

LISTING = "AAPLxUSDC"
BUY = {"listing": LISTING, "side": "buy", "order_type": "limit", "quantity": "1", "price": "90"}
SELL = {"listing": LISTING, "side": "sell", "order_type": "limit", "quantity": "1", "price": "110"}
STOP = {
    "listing": LISTING,
    "side": "sell",
    "order_type": "stop_loss",
    "quantity": "1",
    "trigger_price": "95",
}

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def alice(venue: Any) -> Partner:
    return Partner.of(venue.investor("Alice", usd=1_000, tokens=10))


@pytest.fixture
def maker(venue: Any) -> Partner:
    return Partner.of(venue.investor("Maker", usd=10_000, tokens=10))


def place(partner: Partner, body: dict[str, Any], *, to: str = "") -> dict[str, Any]:
    status, answer = partner.post(f"/api/v1/orders/{to}", body)
    assert status == 201, answer
    return dict(answer)


def look(partner: Partner, order: dict[str, Any]) -> dict[str, Any]:
    return dict(partner.get(f"/api/v1/orders/{order['id']}/")[1])


def patch(partner: Partner, target: str, body: dict[str, Any]) -> tuple[int, Any]:
    return partner.send("PATCH", f"/api/v1/orders/{target}", json.dumps(body).encode())


def told(answer: dict[str, Any]) -> list[str]:
    """Of each result its order's status, or the code of its refusal."""
    return [each.get("code") or each["order"]["status"] for each in answer["results"]]


def test_a_stop_waits_with_its_terms_and_sells_once_the_price_is_there(
    alice: Partner, maker: Partner
) -> None:
    stop = place(alice, STOP)
    assert (stop["status"], stop["order_type"], stop["price"]) == ("untriggered", "stop_loss", None)
    assert (stop["terms"]["trigger_price"], stop["terms"]["triggered_at"]) == ("95.00", None)
    assert [each["id"] for each in alice.get("/api/v1/orders/?open=true")[1]["results"]] == [
        stop["id"]
    ]
    for price in ("95", "94"):
        place(maker, BUY | {"price": price})

    place(alice, SELL | {"price": "95"})  # trades at 95, which is the trigger

    sold = look(alice, stop)
    assert (sold["status"], sold["average_price"]) == ("filled", "94.00")
    assert sold["terms"]["triggered_at"] is not None


def test_terms_of_every_kind_are_shown_as_they_were_asked_for(
    alice: Partner, maker: Partner
) -> None:
    place(maker, BUY | {"price": "100"})
    place(alice, SELL | {"price": "100"})  # a trailing stop starts from a trade
    moment = (clock.now() + timedelta(hours=1)).replace(microsecond=0)
    iceberg = place(
        alice,
        SELL
        | {"display": "0.25", "time_in_force": "gtd", "expires_at": moment.isoformat()}
        | {"self_trade_prevention": "decrement", "user_ref": 7},
    )
    trailing = place(
        alice,
        {k: STOP[k] for k in ("listing", "side", "quantity")}
        | {"order_type": "trailing_stop_limit", "trail_percent": "2.5", "limit_offset": "-0.50"},
    )
    bracket = place(alice, BUY | {"close_take_profit": "120", "close_stop_loss": "80"})

    terms = iceberg["terms"]
    assert (terms["display"], terms["self_trade_prevention"]) == ("0.25", "decrement")
    assert datetime.fromisoformat(terms["expires_at"]) == moment
    assert iceberg["user_ref"] == 7
    assert (trailing["terms"]["trail_percent"], trailing["terms"]["limit_offset"]) == (
        "2.5",
        "-0.50",
    )
    assert (bracket["terms"]["close_take_profit"], bracket["terms"]["close_stop_loss"]) == (
        "120.00",
        "80.00",
    )
    assert look(alice, iceberg)["terms"] == terms
    assert place(alice, BUY)["terms"] is None  # a plain order carries none


def test_what_a_bracket_fills_is_closed_by_two_linked_orders(
    alice: Partner, maker: Partner
) -> None:
    place(maker, SELL | {"price": "100"})

    entry = place(
        alice, BUY | {"price": "100", "close_take_profit": "120", "close_stop_loss": "80"}
    )

    open_ones = alice.get("/api/v1/orders/?open=true")[1]["results"]
    assert {each["order_type"] for each in open_ones} == {"take_profit", "stop_loss"}
    assert {each["terms"]["parent_id"] for each in open_ones} == {entry["id"]}
    assert len({each["terms"]["link_id"] for each in open_ones}) == 1
    assert {each["status"] for each in open_ones} == {"untriggered"}


def test_of_a_pair_one_cancels_the_other(alice: Partner) -> None:
    pair = place(alice, {"first": SELL, "second": STOP}, to="pairs/")
    first, second = pair["first"], pair["second"]
    assert first["terms"]["link_id"] == second["terms"]["link_id"] is not None

    alice.delete(f"/api/v1/orders/{first['id']}/")

    canceled = look(alice, second)
    assert (canceled["status"], canceled["reason"]) == ("canceled", "linked")
    refused = alice.post(
        "/api/v1/orders/pairs/", {"first": SELL, "second": STOP | {"quantity": "2"}}
    )
    assert refused[0] == 422
    assert alice.get("/api/v1/orders/?open=true")[1]["results"] == []


def test_an_order_is_amended_under_its_id_and_replaced_under_another(alice: Partner) -> None:
    order = place(alice, BUY | {"client_order_id": "mine"})

    status, amended = patch(alice, f"{order['id']}/", {"quantity": "0.5"})
    assert (status, amended["id"], amended["quantity"]) == (200, order["id"], "0.5")
    status, amended = patch(alice, "by-client-id/mine/", {"price": "91"})
    assert (status, amended["price"]) == (200, "91.00")
    assert patch(alice, f"{order['id']}/", {})[1]["code"] == "invalid"
    assert patch(alice, f"{order['id']}/", {"side": "sell"})[1]["code"] == "invalid"

    new = place(alice, BUY | {"price": "92"}, to=f"{order['id']}/replace/")
    assert new["terms"]["replaces"] == order["id"]
    old = look(alice, order)
    assert (old["status"], old["reason"]) == ("canceled", "replaced")
    gone = patch(alice, f"{order['id']}/", {"price": "93"})
    assert (gone[0], gone[1]["code"]) == (422, "order_not_open")
    again = alice.post(f"/api/v1/orders/{order['id']}/replace/", BUY)
    assert (again[0], again[1]["code"]) == (422, "order_not_open")
    assert look(alice, new)["status"] == "open"


def test_a_batch_has_one_result_each_in_its_order(alice: Partner) -> None:
    orders = [BUY, BUY | {"quantity": "100"}, BUY | {"price": "1.5.2"}, BUY | {"price": "89"}]
    status, placed = alice.post("/api/v1/orders/batch/", {"orders": orders})

    assert status == 200
    assert told(placed) == ["open", "insufficient_funds", "malformed_amount", "open"]
    ids = [each["order"]["id"] for each in placed["results"] if "order" in each]
    unknown = "0192f2c0-1111-7aaa-8bbb-000000000001"
    status, canceled = alice.post("/api/v1/orders/cancel-batch/", {"order_ids": [*ids, unknown]})
    assert told(canceled) == ["canceled", "canceled", "order_not_found"]


def test_cancel_all_counts_what_was_open(alice: Partner) -> None:
    place(alice, BUY)
    place(alice, STOP)

    assert alice.delete("/api/v1/orders/?listing=NOPExUSDC")[0] == 404
    assert alice.delete(f"/api/v1/orders/?listing={LISTING}") == (200, {"canceled": 2})
    assert alice.delete("/api/v1/orders/") == (200, {"canceled": 0})


def test_the_dead_man_switch_is_set_and_turned_off(alice: Partner) -> None:
    status, answer = alice.post("/api/v1/orders/cancel-all-after/", {"timeout_seconds": 60})
    assert status == 200
    due = datetime.fromisoformat(answer["cancel_at"]) - clock.now()
    assert timedelta(seconds=50) < due <= timedelta(seconds=60)

    off = alice.post("/api/v1/orders/cancel-all-after/", {"timeout_seconds": 0})
    assert off == (200, {"cancel_at": None})
    assert alice.post("/api/v1/orders/cancel-all-after/", {"timeout_seconds": -1})[0] == 400


def test_validating_judges_in_full_and_leaves_nothing(alice: Partner) -> None:
    status, judged = alice.post("/api/v1/orders/", BUY | {"validate_only": True})
    refused = alice.post("/api/v1/orders/", BUY | {"validate_only": True, "quantity": "100"})

    assert (status, judged["status"]) == (200, "open")
    assert (refused[0], refused[1]["code"]) == (422, "insufficient_funds")
    assert not Order.objects.exists()


def test_what_comes_after_its_deadline_is_not_executed(alice: Partner) -> None:
    late = (clock.now() - timedelta(seconds=1)).isoformat()
    status, refused = alice.post("/api/v1/orders/", BUY | {"deadline": late})

    assert (status, refused["code"]) == (422, "deadline_passed")
    assert not Order.objects.exists()
    for late_one in ("first", "second"):
        pair = {"first": SELL, "second": STOP}
        pair[late_one] = pair[late_one] | {"deadline": late}
        assert alice.post("/api/v1/orders/pairs/", pair)[1]["code"] == "deadline_passed", late_one
    soon = clock.now().timestamp() + 30
    assert place(alice, BUY | {"deadline": soon})["status"] == "open"


def test_reading_alone_allows_none_of_it(venue: Any) -> None:
    reader = Partner.of(venue.investor("Reader"), "read")
    unknown = "0192f2c0-1111-7aaa-8bbb-000000000001"
    for target in ("", "pairs/", "batch/", "cancel-batch/", "cancel-all-after/"):
        assert reader.post(f"/api/v1/orders/{target}", {})[1]["code"] == "scope_missing", target
    assert reader.post(f"/api/v1/orders/{unknown}/replace/", {})[1]["code"] == "scope_missing"
    assert patch(reader, f"{unknown}/", {})[1]["code"] == "scope_missing"
    assert reader.delete("/api/v1/orders/")[1]["code"] == "scope_missing"
