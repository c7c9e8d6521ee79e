"""Nobody is locked in: who holds tokens where they are not offered may sell, and only sell.

Nadia lives in France, where AAPLx is not offered, and holds five: every address is there
for her, "sell only", until she has sold them. A freeze alone leaves no exit.
"""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from custody.models import Asset
from tests.boundaries.test_country_block import (
    LIMIT_BUY,
    SYMBOL,
    WITHOUT_A_PAIR,
    Reader,
    address,
    anna,
    block_country,
    block_listing,
    blocked,
    marie,
    socket_of,
    symbol_routes,
)
from tests.trading.test_websocket import _close_clients, ask, next_of  # noqa: F401
from trading import order_entry
from trading.kraken import public
from trading.models import Order

__all__ = ["anna", "blocked", "marie"]


@pytest.fixture
def nadia(venue: Any) -> Reader:
    return Reader.of(venue, "Nadia", "FR", tokens=5)


@pytest.mark.usefixtures("blocked")
@pytest.mark.parametrize("route", symbol_routes())
def test_every_address_is_there_for_who_holds_it(venue: Any, nadia: Reader, route: str) -> None:
    target = address(route, SYMBOL)
    if route.endswith(("/confirm/", "/order/")):
        return  # takes a signed preview; sells, see below

    assert nadia.browser.get(target).status_code == 200
    if route.startswith("/api/"):
        assert nadia.partner.get(target)[0] == 200


@pytest.mark.usefixtures("blocked")
def test_every_list_says_sell_only_to_who_holds_it(venue: Any, nadia: Reader) -> None:
    trade = nadia.browser.get(reverse("trade", args=[SYMBOL])).content.decode()
    assert "You can sell, not buy" in trade
    assert 'data-sell-only="yes"' in trade
    for page in ("markets", "portfolio"):
        html = nadia.browser.get(reverse(page)).content.decode()
        assert "Sell only" in html, page
        assert f"/trade/{SYMBOL}/?side=sell" in html, page
        assert f"/buy/{SYMBOL}/" not in html, page
    assert "You can sell, not buy" in nadia.browser.get(f"/buy/{SYMBOL}/").content.decode()

    listed = nadia.partner.get("/api/v1/listings/")[1]
    assert [(row["symbol"], row["sell_only"]) for row in listed] == [(SYMBOL, True)]
    assert nadia.public("AssetPairs")[1][SYMBOL]["status"] == "reduce_only"
    for method in sorted(public.METHODS.keys() - WITHOUT_A_PAIR - {"Assets"}):
        assert nadia.public(method, pair=SYMBOL)[0] == [], method
    assert "AAPLx" in nadia.public("Assets")[1]


@pytest.mark.usefixtures("blocked")
def test_a_holder_sells_by_every_interface_and_buys_by_none(
    venue: Any, engine: Any, nadia: Reader
) -> None:
    buy, sell = (LIMIT_BUY | {"listing": SYMBOL, "side": side} for side in ("buy", "sell"))
    refused = nadia.partner.post("/api/v1/orders/", buy)
    assert (refused[0], refused[1]["code"]) == (403, "sell_only")
    assert nadia.partner.post("/api/v1/orders/", sell)[0] == 201

    order = {"pair": SYMBOL, "ordertype": "limit", "volume": "1", "price": "100"}
    word = "EService:Market in reduce_only mode"
    assert nadia.kraken.private("AddOrder", type="buy", **order)[0] == [word]
    assert nadia.kraken.private("AddOrder", type="sell", **order)[0] == []

    form = {"side": "sell", "order_type": "limit", "price": "100", "quantity": "1", "key": "a" * 24}
    place = reverse("place_order", args=[SYMBOL])
    nadia.browser.post(place, form)
    nadia.browser.post(place, {**form, "side": "buy", "key": "b" * 24})
    mine = Order.objects.filter(investor_id=nadia.investor_id)
    assert mine.filter(side="sell", status="open").count() == 3
    assert not mine.filter(side="buy").exists()


@pytest.mark.usefixtures("blocked")
async def test_a_holder_watches_and_sells_by_the_socket(
    venue: Any, engine: Any, nadia: Reader
) -> None:
    hers = await socket_of(nadia)
    for channel in ("book", "trades", "ticker"):
        answer = await ask(hers, type="subscribe", channel=channel, listing=SYMBOL)
        assert answer["type"] == "snapshot"
    order = {"type": "place_order", **LIMIT_BUY, "listing": SYMBOL}

    await hers.send_json_to(order)
    assert (await next_of(hers, type="refused"))["code"] == "sell_only"
    await hers.send_json_to({**order, "side": "sell"})
    assert (await next_of(hers, type="order"))["order"]["status"] == "open"
    await hers.disconnect()


@pytest.mark.usefixtures("blocked")
def test_the_listing_is_gone_once_all_is_sold(
    venue: Any, engine: Any, anna: Reader, nadia: Reader
) -> None:
    order_entry.place_sync(venue.order(anna.investor_id, "buy", quantity=5, price=100))
    order_entry.place_sync(venue.order(nadia.investor_id, "sell", quantity=5, price=100))

    assert nadia.partner.get("/api/v1/listings/") == (200, [])
    assert nadia.browser.get(reverse("trade", args=[SYMBOL])).status_code == 404


def test_an_open_order_alone_keeps_the_listing_in_sight(
    venue: Any, engine: Any, marie: Reader
) -> None:
    """A resting buy is pulled with the block; until then its owner sees where it rests."""
    order_entry.place_sync(venue.order(marie.investor_id, "buy", quantity=1, price=100))
    engine.stop()
    block_listing(venue)

    assert marie.partner.get(f"/api/v1/listings/{SYMBOL}/")[1]["sell_only"] is True


@pytest.mark.usefixtures("blocked")
def test_a_freeze_leaves_no_exit(venue: Any, engine: Any, nadia: Reader) -> None:
    venue.allow(nadia.investor_id, may_buy=False, may_sell=False, country="FR")

    assert nadia.partner.get("/api/v1/listings/") == (200, [])
    assert nadia.browser.get(reverse("trade", args=[SYMBOL])).status_code == 404
    assert nadia.kraken.private(
        "AddOrder", pair=SYMBOL, type="sell", ordertype="limit", volume="1", price="100"
    )[0] == ["EQuery:Unknown asset pair"]


def test_who_may_not_buy_anywhere_sees_sell_only_where_it_is_offered(
    venue: Any, anna: Reader
) -> None:
    venue.allow(anna.investor_id, may_buy=False)

    assert anna.partner.get(f"/api/v1/listings/{SYMBOL}/")[1]["sell_only"] is True
    assert anna.public("AssetPairs")[1][SYMBOL]["status"] == "reduce_only"
    assert "Sell only" in anna.browser.get(reverse("markets")).content.decode()


def test_what_rests_can_be_canceled_seen_and_what_is_held_redeemed(
    venue: Any, engine: Any, nadia: Reader
) -> None:
    Asset.objects.filter(code="AAPLx").update(
        mint_address="So11111111111111111111111111111111111111112"
    )
    resting = order_entry.place_sync(venue.order(nadia.investor_id, "sell", quantity=1, price=100))
    block_listing(venue)

    portfolio = nadia.browser.get(reverse("portfolio")).content.decode()
    assert "AAPLx" in portfolio
    assert nadia.partner.get(f"/api/v1/orders/{resting.id}/")[1]["status"] == "open"
    assert nadia.browser.get(reverse("order", args=[resting.id])).status_code == 200
    assert nadia.browser.get(reverse("activity")).status_code == 200
    canceled = nadia.partner.delete(f"/api/v1/orders/{resting.id}/")
    assert (canceled[0], canceled[1]["status"]) == (200, "canceled")

    assert "AAPLx" in nadia.browser.get(reverse("new_redemption")).content.decode()
    redeemed = nadia.partner.post(
        "/api/v1/redemptions/",
        {"asset": "AAPLx", "quantity": "2", "idempotency_key": json.dumps("out")},
    )
    assert redeemed[0] == 201, redeemed


async def test_a_buy_of_what_is_sell_only_can_be_canceled_but_not_changed(
    venue: Any, engine: Any, marie: Reader
) -> None:
    """By nobody's door, also while the engine has not heard of her country yet."""
    order = venue.order(marie.investor_id, "buy", quantity=1, price=100)
    resting = await order_entry.place(order)
    await sync_to_async(block_country)(venue)

    assert await sync_to_async(_changes)(marie, str(resting.id)) == [
        (403, "sell_only"),
        (403, "sell_only"),
        ["EService:Market in reduce_only mode"],
        ["EService:Market in reduce_only mode"],
    ]
    hers = await socket_of(marie)
    await hers.send_json_to({"type": "amend_order", "order_id": str(resting.id), "price": "101"})
    assert (await next_of(hers, type="refused"))["code"] == "sell_only"
    await hers.disconnect()
    amend = reverse("amend_order", args=[resting.id])
    await sync_to_async(marie.browser.post)(amend, {"price": "102"})
    stands = await order_entry.get_order(investor_id=marie.investor_id, order_id=resting.id)
    assert (stands.price_units, stands.status) == (order.price_units, "open")
    gone = await sync_to_async(marie.partner.delete)(f"/api/v1/orders/{resting.id}/")
    assert gone[0] == 200


def _changes(marie: Reader, order_id: str) -> list[Any]:
    """What each way to change it by a request says."""
    address, body = f"/api/v1/orders/{order_id}/", json.dumps({"price": "101"}).encode()
    amended = marie.partner.send("PATCH", address, body)
    replaced = marie.partner.post(address + "replace/", LIMIT_BUY | {"listing": SYMBOL})
    return [
        (amended[0], amended[1]["code"]),
        (replaced[0], replaced[1]["code"]),
        marie.kraken.private("AmendOrder", txid=order_id, limit_price="101")[0],
        marie.kraken.private("EditOrder", txid=order_id, pair=SYMBOL, price="101")[0],
    ]
