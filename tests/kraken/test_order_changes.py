"""Every order type, and every way to change orders, in Kraken's words with the real engine."""

import json
from typing import Any

import pytest

from tests.partners import KrakenClient
from trading import order_changes
from trading.models import Order

PAIR = {"pair": "AAPLXUSDC"}
BUY = PAIR | {"type": "buy", "ordertype": "limit", "volume": "1", "price": "90"}
SELL = PAIR | {"type": "sell", "ordertype": "limit", "volume": "1", "price": "110"}
STOP = PAIR | {"type": "sell", "ordertype": "stop-loss-limit", "volume": "1"}

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def alice(venue: Any) -> KrakenClient:
    return KrakenClient.of(venue.investor("Alice", usd=1_000, tokens=10))


@pytest.fixture
def maker(venue: Any) -> KrakenClient:
    return KrakenClient.of(venue.investor("Maker", usd=10_000, tokens=10))


def add(client: KrakenClient, values: dict[str, str], **more: str) -> str:
    errors, added = client.private("AddOrder", **values | more)
    assert errors == []
    [txid] = added["txid"]
    return str(txid)


def look(client: KrakenClient, txid: str) -> dict[str, Any]:
    return dict(client.private("QueryOrders", txid=txid)[1][txid])


def send_json(client: KrakenClient, method: str, content: dict[str, Any]) -> Any:
    nonce = str(next(client.nonces))
    body = json.dumps({"nonce": nonce, **content}).encode()
    return client.raw(method, body, "application/json", nonce)


def test_a_stop_shows_its_trigger_and_its_limit_and_fires(
    alice: KrakenClient, maker: KrakenClient
) -> None:
    stop = add(alice, STOP, price="95", price2="94", trigger="last", userref="3")

    row = alice.private("OpenOrders")[1]["open"][stop]
    assert row["descr"]["order"] == "sell 1.00000000 AAPLxUSDC @ stop loss 95.00 -> limit 94.00"
    assert (row["descr"]["ordertype"], row["descr"]["price"], row["descr"]["price2"]) == (
        "stop-loss-limit",
        "95.00",
        "94.00",
    )
    assert (row["status"], row["stopprice"], row["limitprice"], row["trigger"], row["misc"]) == (
        "open",
        "95.00",
        "0.00",
        "last",
        "",
    )
    add(maker, BUY, price="95", volume="1.5")
    add(alice, SELL, price="95")

    fired = look(alice, stop)
    assert (fired["misc"], fired["limitprice"], fired["vol_exec"]) == (
        "stopped",
        "94.00",
        "0.50000000",
    )


def test_what_closes_an_order_names_it_as_its_referral(
    alice: KrakenClient, maker: KrakenClient
) -> None:
    add(maker, SELL, price="100")
    close = {"close[ordertype]": "stop-loss", "close[price]": "80"}

    errors, added = alice.private("AddOrder", **BUY | {"price": "100"} | close)

    assert errors == []
    assert added["descr"]["close"] == "close position @ stop loss 80.00"
    [(_, child)] = alice.private("OpenOrders")[1]["open"].items()
    assert (child["refid"], child["descr"]["ordertype"]) == (added["txid"][0], "stop-loss")


def test_lifetimes_flags_and_icebergs_are_shown(alice: KrakenClient) -> None:
    gtd = look(alice, add(alice, BUY, timeinforce="GTD", expiretm="+3600", oflags="post"))
    assert gtd["timeinforce"] == "GTD"
    assert 3_590 < gtd["expiretm"] - gtd["opentm"] <= 3_600
    assert gtd["oflags"] == "fciq,post"
    iceberg = look(alice, add(alice, SELL, ordertype="iceberg", displayvol="0.25"))
    assert iceberg["descr"]["ordertype"] == "iceberg"
    reduced = look(alice, add(alice, SELL, reduce_only="true", stptype="cancel-both"))
    assert reduced["reduce_only"] is True


def test_amending_keeps_the_id_and_editing_gives_another(alice: KrakenClient) -> None:
    txid = add(alice, BUY, cl_ord_id="mine")

    errors, answer = alice.private("AmendOrder", txid=txid, order_qty="0.5", limit_price="91")
    assert (errors, list(answer)) == ([], ["amend_id"])
    assert look(alice, txid)["descr"]["order"] == "buy 0.50000000 AAPLxUSDC @ limit 91.00"
    assert alice.private("AmendOrder", cl_ord_id="mine", limit_price="92")[0] == []
    assert alice.private("AmendOrder", txid=txid)[0] == ["EGeneral:Invalid arguments"]
    assert alice.private("AmendOrder", txid=txid, limit_price="+1")[0] == [
        "EGeneral:Invalid arguments:limit_price"
    ]

    errors, edited = alice.private("EditOrder", **PAIR, txid=txid, volume="2", price="93")
    assert errors == []
    assert (edited["status"], edited["originaltxid"], edited["orders_cancelled"]) == ("ok", txid, 1)
    assert edited["descr"]["order"] == "buy 2.00000000 AAPLxUSDC @ limit 93.00"
    assert look(alice, txid)["reason"] == "replaced"
    assert look(alice, edited["txid"])["vol"] == "2.00000000"
    for method in ("AmendOrder", "EditOrder"):
        again = alice.private(method, **PAIR, txid=txid, limit_price="93", price="93")
        assert again[0] == ["EOrder:Unknown order"], method
    refused = alice.private("EditOrder", **PAIR, txid=edited["txid"], volume="200")
    assert refused[0] == ["EOrder:Insufficient funds"]
    assert look(alice, edited["txid"])["status"] == "open"


def test_editing_a_stop_moves_its_trigger(alice: KrakenClient) -> None:
    stop = add(alice, STOP, price="95", price2="94", userref="3")

    errors, edited = alice.private("EditOrder", **PAIR, txid="3", price="96", price2="95")

    assert errors == []
    assert (edited["price"], edited["price2"]) == ("96.00", "95.00")
    moved = look(alice, edited["txid"])
    assert moved["descr"]["order"] == "sell 1.00000000 AAPLxUSDC @ stop loss 96.00 -> limit 95.00"
    assert moved["userref"] == 3
    assert look(alice, stop)["status"] == "canceled"


def test_a_batch_has_one_entry_each_and_is_canceled_in_one_call(alice: KrakenClient) -> None:
    orders = [
        {"type": "buy", "ordertype": "limit", "volume": 1, "price": "90", "userref": 5},
        {"type": "buy", "ordertype": "limit", "volume": "100", "price": "90"},
        {"type": "buy", "ordertype": "limit", "volume": "1", "price": "89", "cl_ord_id": "b"},
        {"type": "buy", "ordertype": "nonsense", "volume": "1"},
    ]
    errors, placed = send_json(alice, "AddOrderBatch", PAIR | {"orders": orders})

    assert errors == []
    first, second, third, fourth = placed["orders"]
    assert first["descr"]["order"] == "buy 1.00000000 AAPLxUSDC @ limit 90.00"
    assert second == {"error": "EOrder:Insufficient funds"}
    assert fourth == {"error": "EGeneral:Invalid arguments:ordertype"}
    assert look(alice, third["txid"])["cl_ord_id"] == "b"
    one = send_json(alice, "AddOrderBatch", PAIR | {"orders": orders[:1]})
    assert one[0] == ["EGeneral:Invalid arguments:orders"]

    canceled = send_json(alice, "CancelOrderBatch", {"orders": [5], "cl_ord_ids": ["b"]})
    assert canceled == ([], {"count": 2})
    assert send_json(alice, "CancelOrderBatch", {"orders": [third["txid"]]})[0] == [
        "EOrder:Unknown order"
    ]
    assert send_json(alice, "CancelOrderBatch", {})[0] == ["EGeneral:Invalid arguments:orders"]


def test_cancel_all_takes_stops_with_it(alice: KrakenClient) -> None:
    add(alice, BUY)
    add(alice, STOP, price="95", price2="94")

    assert alice.private("CancelAll") == ([], {"count": 2})
    assert alice.private("OpenOrders")[1]["open"] == {}


def test_the_dead_man_switch_tells_when_it_goes_off(alice: KrakenClient) -> None:
    errors, armed = alice.private("CancelAllOrdersAfter", timeout="60")
    assert errors == []
    assert armed["triggerTime"] > armed["currentTime"]
    assert alice.private("CancelAllOrdersAfter", timeout="0")[1]["triggerTime"] == "0"
    for timeout in ("", "-1", "86401", "soon"):
        refused = alice.private("CancelAllOrdersAfter", timeout=timeout)[0]
        assert refused == ["EGeneral:Invalid arguments:timeout"], timeout


def test_validate_judges_in_full_and_places_nothing(alice: KrakenClient) -> None:
    errors, result = alice.private("AddOrder", **BUY, validate="True")

    assert (errors, result) == ([], {"descr": {"order": "buy 1.00000000 AAPLxUSDC @ limit 90.00"}})
    poor = alice.private("AddOrder", **BUY | {"volume": "100"}, validate="true")
    assert poor[0] == ["EOrder:Insufficient funds"]
    assert not Order.objects.exists()


def test_others_orders_cannot_be_changed(alice: KrakenClient, maker: KrakenClient) -> None:
    txid = add(alice, BUY)

    for method in ("AmendOrder", "EditOrder"):
        errors, _ = maker.private(method, **PAIR, txid=txid, limit_price="80", price="80")
        assert errors == ["EOrder:Unknown order"], method
    assert send_json(maker, "CancelOrderBatch", {"orders": [txid]})[0] == ["EOrder:Unknown order"]
    assert look(alice, txid)["descr"]["price"] == "90.00"


def test_an_order_named_often_is_canceled_once(
    alice: KrakenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty names are fifty commands at most, and as many as there are orders."""
    sent: list[int] = []
    send = order_changes.send_batch_sync

    def count_and_send(commands: Any) -> Any:
        sent.append(len(commands))
        return send(commands)

    monkeypatch.setattr(order_changes, "send_batch_sync", count_and_send)
    txids = [add(alice, BUY | {"volume": "0.1"}, userref="7") for _ in range(3)]

    answer = send_json(alice, "CancelOrderBatch", {"orders": [*txids, *[7] * 40]})

    assert (answer, sent) == (([], {"count": 3}), [3])


def test_an_order_without_a_reference_has_no_name_but_its_own(alice: KrakenClient) -> None:
    txid = add(alice, BUY)

    for method in ("CancelOrder", "AmendOrder", "EditOrder"):
        errors, _ = alice.private(method, **PAIR, txid="None", limit_price="80", price="80")
        assert errors == ["EOrder:Unknown order"], method
    assert alice.private("OpenOrders", userref="None")[1]["open"] == {}
    assert look(alice, txid)["status"] == "open"


def test_an_order_of_a_batch_that_is_only_to_be_judged_is_not_placed(alice: KrakenClient) -> None:
    judged, late = BUY | {"validate": "true"}, BUY | {"deadline": "2026-01-01T00:00:00Z"}
    for more in ({}, {"validate": False}, {"validate": True}):
        answer = send_json(alice, "AddOrderBatch", PAIR | more | {"orders": [judged, late]})

        first, second = answer[1]["orders"]
        assert set(first) == {"descr"}, more
        assert second == {"error": "EGeneral:Invalid arguments:deadline"}, more
    assert not Order.objects.exists()
