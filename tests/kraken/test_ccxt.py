"""PyPI `ccxt`, its class `kraken` with nothing changed but the URL, against a live server."""

import time
from typing import Any

import ccxt
import pytest

from accounts import api_keys
from kernel import clock
from tests.live import Processes


def client(web: str, investor_id: int) -> Any:
    key = api_keys.create(
        investor_id=investor_id, kind="kraken", scopes=["read", "trade"], now=clock.now()
    )
    return ccxt.kraken(
        {
            "apiKey": key.key,
            "secret": key.secret,
            "rateLimit": 5,
            "urls": {"api": {"public": web, "private": web}},
        }
    )


def test_ccxt_trades_by_changing_the_url(venue: Any, live_bourse: Processes) -> None:
    web = live_bourse.web.replace("localhost", "127.0.0.1")
    alice = client(web, venue.investor("Alice", usd=1_000))
    bob = client(web, venue.investor("Bob", tokens=10))

    # Markets, as ccxt names them.
    markets = alice.load_markets()
    market = markets["AAPLX/USDC"]
    assert market["active"] is True
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 1e-06)
    assert (market["taker"], market["maker"]) == (0.0025, 0.001)
    assert alice.fetch_status()["status"] == "ok"
    assert abs(alice.fetch_time() - time.time() * 1000) < 60_000

    # Bob offers, Alice sees the book.
    offer = bob.create_order("AAPLX/USDC", "limit", "sell", 2, 101, {"postOnly": True})
    book = alice.fetch_order_book("AAPLX/USDC")
    assert (book["asks"][0][:2], book["bids"]) == ([101.0, 2.0], [])

    # Alice rests a bid, finds it, cancels it.
    bid = alice.create_order("AAPLX/USDC", "limit", "buy", 1.5, 99.5, {"clientOrderId": "alice-1"})
    assert alice.fetch_balance()["USDC"] == {"free": 850.60075, "used": 149.39925, "total": 1000.0}
    [found] = alice.fetch_open_orders("AAPLX/USDC")
    assert (found["id"], found["status"], found["price"], found["amount"], found["remaining"]) == (
        bid["id"],
        "open",
        99.5,
        1.5,
        1.5,
    )
    assert found["clientOrderId"] == "alice-1"
    alice.cancel_order(bid["id"], "AAPLX/USDC")
    assert alice.fetch_order(bid["id"], "AAPLX/USDC")["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_order(bid["id"], "AAPLX/USDC")

    # She buys by cash at market; both see the trade.
    bought = alice.create_market_buy_order_with_cost("AAPLX/USDC", 50.5)
    done = alice.fetch_order(bought["id"], "AAPLX/USDC")
    assert (done["status"], done["average"], done["fee"]["currency"]) == ("closed", 101.0, "USDC")
    [trade] = alice.fetch_my_trades("AAPLX/USDC")
    assert (trade["order"], trade["side"], trade["price"], trade["takerOrMaker"]) == (
        bought["id"],
        "buy",
        101.0,
        "taker",
    )
    [public] = alice.fetch_trades("AAPLX/USDC")
    assert (public["id"], public["price"], public["side"]) == ("1", 101.0, "buy")
    assert alice.fetch_ticker("AAPLX/USDC")["last"] == 101.0
    assert alice.fetch_ohlcv("AAPLX/USDC", "1m")[-1][4] == 101.0
    assert alice.fetch_balance()["AAPLX"]["total"] == trade["amount"]
    assert [order["id"] for order in alice.fetch_closed_orders("AAPLX/USDC")] == [
        bid["id"],
        bought["id"],
    ]

    # What is refused arrives as ccxt's own exception.
    with pytest.raises(ccxt.InsufficientFunds):
        alice.create_order("AAPLX/USDC", "limit", "buy", 100, 100)
    with pytest.raises(ccxt.InvalidOrder):
        alice.create_order("AAPLX/USDC", "limit", "buy", 0.001, 50)
    assert bob.fetch_order(offer["id"])["filled"] == trade["amount"]

    cancel_what_still_waits(alice)
    assert bob.fetch_order(offer["id"])["status"] == "open"


def cancel_what_still_waits(alice: Any) -> None:
    """Whatever still waits goes in one call."""
    bids = [alice.create_order("AAPLX/USDC", "limit", "buy", 1, price) for price in (90, 91, 92)]
    answer = alice.cancel_all_orders()
    assert int(answer[0]["info"]["result"]["count"]) == len(bids)
    assert alice.fetch_open_orders("AAPLX/USDC") == []
    assert alice.fetch_balance()["USDC"]["used"] == 0
