"""The private half: signatures over raw bytes, one nonce per key, orders with the real engine."""

import json
from typing import Any

import pytest

from tests.partners import KrakenClient
from trading.kraken import private

LIMIT = {
    "pair": "AAPLXUSDC",
    "type": "buy",
    "ordertype": "limit",
    "volume": "1.5",
    "price": "100.10",
}


@pytest.fixture
def alice(venue: Any) -> KrakenClient:
    return KrakenClient.of(venue.investor("Alice", usd=1_000))


@pytest.fixture
def bob(venue: Any) -> KrakenClient:
    return KrakenClient.of(venue.investor("Bob", tokens=10))


def test_every_method_names_a_scope_and_a_key_without_it_is_refused(venue: Any) -> None:
    investor = venue.investor("Alice")
    for method, (scope, _) in private.METHODS.items():
        other = "trade" if scope == "read" else "read"
        assert KrakenClient.of(investor, other).private(method)[0] == ["EGeneral:Permission denied"]


def test_a_method_that_is_not_in_the_table_does_not_exist(alice: KrakenClient) -> None:
    assert alice.private("Withdraw")[0] == ["EGeneral:Unknown method"]


def test_the_signature_is_over_the_bytes_as_sent(alice: KrakenClient) -> None:
    # hummingbot signs and sends unencoded values; python-kraken-sdk sends JSON with spaces.
    form = b"nonce=1000000000000000001&note=a b/c"
    body = json.dumps({"nonce": "1000000000000000002", "asset": "x"}).encode()

    assert alice.raw("Balance", form, "application/x-www-form-urlencoded; charset=utf-8")[0] == []
    assert alice.raw("Balance", body, "application/json", "1000000000000000002")[0] == []


def test_a_wrong_signature_never_advances_the_nonce(alice: KrakenClient) -> None:
    thief = KrakenClient(alice.key, KrakenClient.of(1, "read").secret)

    assert thief.raw("Balance", b"nonce=18446744073709551615", "application/x-www-form-urlencoded")[
        0
    ] == ["EAPI:Invalid signature"]
    assert alice.private("Balance")[0] == []


def test_a_nonce_that_is_not_higher_is_refused(alice: KrakenClient) -> None:
    form = "application/x-www-form-urlencoded"
    assert alice.raw("Balance", b"nonce=10", form)[0] == []

    for nonce in ("10", "5", "-1", "1e20", "18446744073709551616", "", "x"):
        refused = alice.raw("Balance", f"nonce={nonce}".encode(), form)[0]
        assert refused == ["EAPI:Invalid nonce"], nonce


def test_an_unknown_key_is_told_so(db: None) -> None:
    assert KrakenClient("nobody", "c2VjcmV0").private("Balance")[0] == ["EAPI:Invalid key"]


@pytest.mark.usefixtures("engine")
def test_an_order_lives_from_add_to_cancel(alice: KrakenClient) -> None:
    errors, added = alice.private("AddOrder", **LIMIT, cl_ord_id="mine-1", userref="7")
    assert errors == []
    assert added["descr"] == {"order": "buy 1.50000000 AAPLxUSDC @ limit 100.10"}
    [txid] = added["txid"]

    order = alice.private("OpenOrders", trades="True")[1]["open"][txid]
    assert (order["status"], order["vol"], order["vol_exec"]) == (
        "open",
        "1.50000000",
        "0.00000000",
    )
    assert (order["userref"], order["cl_ord_id"], order["oflags"]) == (7, "mine-1", "fciq")
    assert order["descr"]["price"] == "100.10"
    assert alice.private("BalanceEx")[1]["USDC"] == {
        "balance": "1000.000000",
        "hold_trade": "150.300150",
    }

    assert alice.private("CancelOrder", txid=txid) == ([], {"count": 1})
    assert alice.private("CancelOrder", txid=txid)[0] == ["EOrder:Unknown order"]
    assert alice.private("OpenOrders")[1]["open"] == {}
    closed = alice.private("ClosedOrders", end="1999999999999")[1]
    assert (closed["count"], closed["closed"][txid]["status"]) == (1, "canceled")
    assert alice.private("QueryOrders", txid=txid)[1][txid]["status"] == "canceled"


@pytest.mark.usefixtures("engine")
def test_orders_are_canceled_by_userref_and_by_cl_ord_id(alice: KrakenClient) -> None:
    for _ in range(2):
        alice.private("AddOrder", **LIMIT, userref="42")
    alice.private("AddOrder", **LIMIT, cl_ord_id="mine-2")

    assert alice.private("CancelOrder", txid="42") == ([], {"count": 2})
    assert alice.private("CancelOrder", cl_ord_id="mine-2") == ([], {"count": 1})
    assert alice.private("OpenOrders")[1]["open"] == {}


@pytest.mark.usefixtures("engine")
def test_a_market_order_by_cash_fills_and_shows_in_the_history(
    alice: KrakenClient, bob: KrakenClient
) -> None:
    bob.private("AddOrder", **LIMIT | {"type": "sell", "price": "100"}, oflags="post")

    market = {"pair": "AAPLx/USDC", "type": "buy", "ordertype": "market", "volume": "25"}
    errors, added = alice.private("AddOrder", **market, oflags="viqc")

    assert errors == []
    assert added["descr"]["order"] == "buy 25.000000 AAPLxUSDC @ market"
    [txid] = added["txid"]
    order = alice.private("QueryOrders", txid=txid, trades="true")[1][txid]
    assert (order["status"], order["price"], order["descr"]["ordertype"]) == (
        "closed",
        "100.00",
        "market",
    )
    history = alice.private("TradesHistory")[1]
    [(trade_id, trade)] = history["trades"].items()
    assert order["trades"] == [trade_id]
    assert (history["count"], trade["ordertxid"], trade["ordertype"], trade["maker"]) == (
        1,
        txid,
        "market",
        False,
    )
    assert bob.private("TradesHistory")[1]["trades"][trade_id]["maker"] is True
    assert float(trade["cost"]) + float(trade["fee"]) <= 25


@pytest.mark.usefixtures("engine")
def test_others_orders_are_not_there(alice: KrakenClient, bob: KrakenClient) -> None:
    [txid] = alice.private("AddOrder", **LIMIT)[1]["txid"]

    assert bob.private("QueryOrders", txid=txid) == ([], {})
    assert bob.private("CancelOrder", txid=txid)[0] == ["EOrder:Unknown order"]
    assert txid in alice.private("OpenOrders")[1]["open"]


BAD = "EGeneral:Invalid arguments"
STOP = {"ordertype": "stop-loss", "price": "90"}
TRAIL = {"ordertype": "trailing-stop", "price": "+5"}
REFUSED: list[tuple[dict[str, str], str]] = [
    ({"pair": "NOPEUSDC"}, "EQuery:Unknown asset pair"),
    ({"volume": "1e3"}, f"{BAD}:volume"),
    ({"volume": "0"}, f"{BAD}:volume"),
    ({"volume": "1.000000001"}, f"{BAD}:volume"),
    ({"price": ""}, f"{BAD}:price"),
    ({"price": "+5%"}, f"{BAD}:price"),
    ({"price2": "99"}, f"{BAD}:price2"),
    ({"ordertype": "settle-position"}, f"{BAD}:ordertype"),
    ({"type": "short"}, f"{BAD}:type"),
    ({"timeinforce": "GTD"}, f"{BAD}:expiretm"),
    ({"timeinforce": "GTC", "expiretm": "+60"}, f"{BAD}:expiretm"),
    ({"expiretm": "-60"}, f"{BAD}:expiretm"),
    ({"starttm": "+60"}, f"{BAD}:starttm"),
    ({"oflags": "fcib"}, f"{BAD}:oflags"),
    ({"oflags": "nompp"}, f"{BAD}:oflags"),
    ({"oflags": "viqc"}, f"{BAD}:viqc"),
    ({"leverage": "2"}, f"{BAD}:leverage"),
    ({"stptype": "cancel-all"}, f"{BAD}:stptype"),
    ({"trigger": "index"}, f"{BAD}:trigger"),
    ({"ordertype": "iceberg"}, f"{BAD}:displayvol"),
    ({"displayvol": "1"}, f"{BAD}:displayvol"),
    ({"close[ordertype]": "limit", "close[price]": "120"}, f"{BAD}:close[ordertype]"),
    ({"close[ordertype]": "stop-loss"}, f"{BAD}:close[price]"),
    ({"close[ordertype]": "stop-loss", "close[price2]": "9"}, f"{BAD}:close[price2]"),
    (STOP | {"price": ""}, f"{BAD}:price"),
    (STOP | {"price": "#5%"}, f"{BAD}:price"),
    (STOP | {"trigger": "mark"}, f"{BAD}:trigger"),
    (STOP | {"ordertype": "stop-loss-limit"}, f"{BAD}:price2"),
    (TRAIL | {"price": "5"}, f"{BAD}:price"),
    (TRAIL | {"price": "+5.00001%"}, f"{BAD}:price"),
    (TRAIL | {"ordertype": "trailing-stop-limit"}, f"{BAD}:price2"),
    (TRAIL | {"ordertype": "trailing-stop-limit", "price2": "-1%"}, f"{BAD}:price2"),
    ({"userref": "9999999999"}, f"{BAD}:userref"),
    ({"deadline": "2001-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
    ({"deadline": "soon"}, f"{BAD}:deadline"),
    ({"asset_class": "forex"}, f"{BAD}:asset_class"),
]


def test_what_we_do_not_do_is_refused_and_never_ignored(alice: KrakenClient) -> None:
    # One story, not one for each: every one would want a database of its own.
    for changed, word in REFUSED:
        assert alice.private("AddOrder", **LIMIT | changed)[0] == [word], changed


@pytest.mark.usefixtures("engine")
def test_the_engine_s_refusals_come_in_kraken_s_words(alice: KrakenClient) -> None:
    assert alice.private("AddOrder", **LIMIT | {"volume": "20"})[0] == ["EOrder:Insufficient funds"]
    assert alice.private("AddOrder", **LIMIT | {"volume": "0.001"})[0] == [
        "EOrder:Order minimum not met"
    ]


def test_too_many_requests_are_refused(alice: KrakenClient, monkeypatch: Any) -> None:
    from trading.kraken import views

    monkeypatch.setattr(views, "PRIVATE_REQUESTS_PER_WINDOW_MAX", 2)

    assert [alice.private("Balance")[0] for _ in range(3)][-1] == ["EAPI:Rate limit exceeded"]


def test_values_that_no_row_can_have_find_nothing_and_break_nothing(venue: Any) -> None:
    client = KrakenClient.of(venue.investor("Alice"))

    assert client.private("ClosedOrders", userref="9" * 20) == ([], {"closed": {}, "count": 0})
    errors, _ = client.private("ClosedOrders", cl_ord_id="\0")
    assert errors == ["EGeneral:Invalid arguments"]
    deep = b'{"nonce": "1", "a": ' + b"[" * 50_000
    errors, _ = client.raw("Balance", deep, "application/json", nonce="1")
    assert errors == ["EGeneral:Invalid arguments"]
