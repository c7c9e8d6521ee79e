"""PyPI `ccxt` with nothing changed but the URL: every kind of order, created, edited, canceled."""

from typing import Any

import ccxt
import pytest

from tests.kraken.test_ccxt import client
from tests.live import Processes

SYMBOL = "AAPLX/USDC"

# What create_order is called with beside the symbol: type, side, amount, price, parameters;
# then what ccxt makes of what comes back: type, price, trigger.
Case = tuple[tuple[Any, ...], tuple[str, float | None, float | None]]
CASES: dict[str, Case] = {
    "limit, day's end by GTD": (
        ("limit", "buy", 1, 90, {"timeInForce": "GTD", "expiretm": "+3600"}),
        ("limit", 90.0, None),
    ),
    "post-only": (("limit", "buy", 1, 90, {"postOnly": True}), ("limit", 90.0, None)),
    "stop loss": (
        ("market", "sell", 1, None, {"stopLossPrice": 80}),
        ("market", None, 80.0),
    ),
    "stop loss, limit": (
        ("limit", "sell", 1, 79, {"stopLossPrice": 80}),
        ("limit", 79.0, 80.0),
    ),
    "take profit": (
        ("market", "sell", 1, None, {"takeProfitPrice": 120}),
        ("market", None, 120.0),
    ),
    "take profit, limit": (
        ("limit", "sell", 1, 119, {"takeProfitPrice": 120}),
        ("limit", 119.0, 120.0),
    ),
    "trailing, absolute": (
        ("market", "sell", 1, None, {"trailingAmount": "5"}),
        ("trailing-stop", None, None),
    ),
    "trailing, percent": (
        ("market", "sell", 1, None, {"trailingPercent": "5"}),
        ("trailing-stop", None, None),
    ),
    "trailing, limit": (
        ("limit", "sell", 1, None, {"trailingAmount": "5", "trailingLimitAmount": "1"}),
        ("limit", 5.0, None),  # what ccxt makes of Kraken's own "+5.00" as well
    ),
    "iceberg": (
        ("iceberg", "sell", 1, None, {"price": "110", "displayvol": "0.25"}),
        ("iceberg", 110.0, None),
    ),
    "with a close": (
        ("limit", "buy", 1, 90, {"close": {"ordertype": "stop-loss", "price": 70}}),
        ("limit", 90.0, None),
    ),
    "reduce only": (("limit", "sell", 1, 110, {"reduceOnly": True}), ("limit", 110.0, None)),
}


def shown(order: dict[str, Any]) -> tuple[str, float | None, float | None]:
    """What ccxt reads; a trailing stop's distance it takes for a price, which means nothing."""
    is_trailing = order["type"].startswith("trailing")
    trigger = order["stopLossPrice"] or order["takeProfitPrice"]
    return order["type"], None if is_trailing else order["price"], trigger


def test_ccxt_creates_and_cancels_every_kind_of_order(venue: Any, live_bourse: Processes) -> None:
    web = live_bourse.web.replace("localhost", "127.0.0.1")
    alice = client(web, venue.investor("Alice", usd=1_000, tokens=10))
    maker = client(web, venue.investor("Maker", usd=1_000, tokens=10))
    alice.load_markets()
    maker.create_order(SYMBOL, "limit", "sell", 1, 100)
    alice.create_order(SYMBOL, "limit", "buy", 1, 100)  # a trade, for trails to start from

    for name, (asked, wanted) in CASES.items():
        made = alice.create_order(SYMBOL, *asked)
        found = alice.fetch_order(made["id"], SYMBOL)
        assert shown(found) == wanted, name
        assert (found["status"], found["side"]) == ("open", asked[1]), name
        assert alice.cancel_order(made["id"], SYMBOL), name
        assert alice.fetch_order(made["id"], SYMBOL)["status"] == "canceled", name

    at_once = alice.create_order(SYMBOL, "limit", "buy", 1, 90, {"timeInForce": "IOC"})
    assert alice.fetch_order(at_once["id"], SYMBOL)["status"] == "expired"
    ccxt_changes_orders(alice)
    assert alice.fetch_balance()["USDC"]["used"] == 0


def ccxt_changes_orders(alice: Any) -> None:
    """Edits under the same id, batches, and the dead-man switch."""
    bid = alice.create_order(SYMBOL, "limit", "buy", 1, 90)
    edited = alice.edit_order(bid["id"], SYMBOL, "limit", "buy", 0.5, 91)
    assert edited["info"]["amend_id"]
    found = alice.fetch_order(bid["id"], SYMBOL)
    assert (found["amount"], found["price"], found["status"]) == (0.5, 91.0, "open")
    stop = alice.create_order(SYMBOL, "market", "sell", 1, None, {"stopLossPrice": 80})
    alice.edit_order(stop["id"], SYMBOL, "market", "sell", None, None, {"stopLossPrice": 85})
    assert alice.fetch_order(stop["id"], SYMBOL)["stopLossPrice"] == 85.0
    with pytest.raises(ccxt.InsufficientFunds):
        alice.edit_order(bid["id"], SYMBOL, "limit", "buy", 500, 91)

    orders = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 1, "price": price}
        for price in (88, 89)
    ]
    placed = alice.create_orders(orders)
    assert [each["price"] for each in placed] == [88.0, 89.0]
    alice.cancel_orders([each["id"] for each in placed], SYMBOL)
    assert {each["id"] for each in alice.fetch_open_orders(SYMBOL)} == {bid["id"], stop["id"]}

    armed = alice.cancel_all_orders_after(60_000)
    assert armed["result"]["triggerTime"] > armed["result"]["currentTime"]
    assert alice.cancel_all_orders_after(0)["result"]["triggerTime"] == "0"
    alice.cancel_all_orders()
    assert alice.fetch_open_orders(SYMBOL) == []
