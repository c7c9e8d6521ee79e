"""Orders by /api/v1, placed with the real engine."""

from typing import Any
from uuid import UUID

import pytest

from custody.models import LedgerAccount
from tests.partners import Partner
from trading.models import ListingCountryBlock

LIMIT_BUY = {
    "listing": "AAPLxUSDC",
    "side": "buy",
    "order_type": "limit",
    "quantity": "2",
    "price": "100",
}


@pytest.fixture
def alice(venue: Any) -> int:
    return int(venue.investor("Alice", usd=1_000))


@pytest.fixture
def bob(venue: Any) -> int:
    return int(venue.investor("Bob", tokens=10))


@pytest.mark.usefixtures("engine")
def test_an_order_is_placed_found_listed_and_canceled(alice: int) -> None:
    partner = Partner.of(alice)

    status, placed = partner.post("/api/v1/orders/", LIMIT_BUY)
    assert status == 201
    assert UUID(placed["id"]).version == 7
    assert (placed["status"], placed["price"], placed["quantity"], placed["filled_quantity"]) == (
        "open",
        "100.00",
        "2",
        "0",
    )
    assert partner.get(f"/api/v1/orders/{placed['id']}/") == (200, placed)
    assert partner.get("/api/v1/orders/?open=true")[1]["results"] == [placed]

    status, canceled = partner.delete(f"/api/v1/orders/{placed['id']}/")
    assert (status, canceled["status"]) == (200, "canceled")
    assert partner.get("/api/v1/orders/?open=true")[1]["results"] == []
    again = partner.delete(f"/api/v1/orders/{placed['id']}/")
    assert (again[0], again[1]["code"]) == (422, "order_not_open")


@pytest.mark.usefixtures("engine")
def test_the_same_client_order_id_places_once_and_another_body_is_refused(alice: int) -> None:
    partner = Partner.of(alice)
    body = LIMIT_BUY | {"client_order_id": "mine-1"}

    first = partner.post("/api/v1/orders/", body)
    second = partner.post("/api/v1/orders/", body)
    other = partner.post("/api/v1/orders/", body | {"quantity": "3"})

    assert first[0] == 201
    assert second[1]["id"] == first[1]["id"]
    assert (other[0], other[1]["code"]) == (409, "client_order_id_reused")
    assert len(partner.get("/api/v1/orders/")[1]["results"]) == 1
    assert partner.get("/api/v1/orders/by-client-id/mine-1/")[1]["id"] == first[1]["id"]
    assert partner.delete("/api/v1/orders/by-client-id/mine-1/")[1]["status"] == "canceled"


@pytest.mark.usefixtures("engine")
def test_a_trade_shows_to_both_with_their_own_side_role_and_fee(alice: int, bob: int) -> None:
    buyer, seller = Partner.of(alice), Partner.of(bob)
    buyer.post("/api/v1/orders/", LIMIT_BUY)

    status, sold = seller.post(
        "/api/v1/orders/",
        {"listing": "AAPLxUSDC", "side": "sell", "order_type": "market", "quantity": "1.5"},
    )

    assert (status, sold["status"], sold["average_price"]) == (201, "filled", "100.00")
    [bought] = buyer.get("/api/v1/trades/")[1]["results"]
    [given] = seller.get("/api/v1/trades/")[1]["results"]
    assert (bought["side"], bought["role"], bought["fee"]) == ("buy", "maker", "0.15")
    assert (given["side"], given["role"], given["fee"]) == ("sell", "taker", "0.375")
    [public] = buyer.get("/api/v1/listings/AAPLxUSDC/trades/")[1]["results"]
    assert public["taker_side"] == "sell"
    assert "buyer_id" not in public
    balances = {row["asset"]: row for row in buyer.get("/api/v1/balances/")[1]}
    assert balances["AAPLx"]["available"] == "1.5"
    assert balances["USDC"]["in_orders"] == "50.05"


@pytest.mark.usefixtures("engine")
def test_a_foreign_order_and_an_unknown_one_are_equally_not_there(alice: int, bob: int) -> None:
    _, placed = Partner.of(alice).post("/api/v1/orders/", LIMIT_BUY | {"client_order_id": "hers"})
    mallory = Partner.of(bob)
    unknown = "0192f2c0-1111-7aaa-8bbb-000000000001"

    for target in (
        f"/api/v1/orders/{placed['id']}/",
        f"/api/v1/orders/{unknown}/",
        "/api/v1/orders/by-client-id/hers/",
        f"/api/v1/redemptions/{unknown}/",
    ):
        status, body = mallory.get(target)
        assert (status, body["code"]) == (404, "not_found"), target
    for target in (f"/api/v1/orders/{placed['id']}/", "/api/v1/orders/by-client-id/hers/"):
        status, body = mallory.delete(target)
        assert (status, body["code"]) == (404, "not_found"), target
    assert Partner.of(alice).get(f"/api/v1/orders/{placed['id']}/")[1]["status"] == "open"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"quantity": "1e2"}, "malformed_amount"),
    ({"quantity": "1,5"}, "malformed_amount"),
    ({"quantity": "+1"}, "malformed_amount"),
    ({"quantity": "1.123456789"}, "malformed_amount"),
    ({"quantity": "١"}, "malformed_amount"),
    ({"quantity": 1.5}, "invalid"),
    ({"quantity": True}, "invalid"),
    ({"price": "100.0000001"}, "malformed_amount"),
    ({"cash": "10"}, "invalid"),
    ({"side": "short"}, "invalid"),
    ({"order_type": "market"}, "invalid"),
    ({"stop_price": "99"}, "invalid"),
    ({"listing": "NOPExUSDC"}, "not_found"),
    ({"client_order_id": "x" * 37}, "invalid"),
]


def test_a_body_that_is_not_right_is_refused_before_the_engine_sees_it(alice: int) -> None:
    partner = Partner.of(alice)
    for changed, code in REFUSED:
        status, body = partner.post("/api/v1/orders/", LIMIT_BUY | changed)
        assert body["code"] == code, changed
        assert status in (400, 404, 422)


@pytest.mark.usefixtures("engine")
def test_the_engine_s_refusals_keep_their_code_and_change_nothing(venue: Any, alice: int) -> None:
    partner = Partner.of(alice)

    too_much = partner.post("/api/v1/orders/", LIMIT_BUY | {"quantity": "20"})
    off_tick = partner.post("/api/v1/orders/", LIMIT_BUY | {"price": "100.001"})

    assert (too_much[0], too_much[1]["code"]) == (422, "insufficient_funds")
    assert (off_tick[0], off_tick[1]["code"]) == (422, "price_not_on_tick")
    assert venue.balance(alice, venue.cash) == (1_000_000_000, 0)
    assert LedgerAccount.objects.filter(held_units__gt=0).count() == 0


def test_without_an_engine_the_answer_is_unknown_and_names_the_order(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trading import order_entry

    monkeypatch.setattr(order_entry.place, "__kwdefaults__", {"timeout_seconds": 0.3})

    status, body = Partner.of(alice).post("/api/v1/orders/", LIMIT_BUY)

    assert (status, body["code"]) == (504, "outcome_unknown")
    asked = Partner.of(alice).get(f"/api/v1/orders/{body['details']['order_id']}/")
    assert (asked[0], asked[1]["details"]["final"]) == (404, False)


def test_a_listing_that_is_not_offered_at_home_is_not_there(venue: Any) -> None:
    carol = venue.investor("Carol", country="FR")
    ListingCountryBlock.objects.create(listing=venue.listing, country="FR", reason="test")
    partner = Partner.of(carol)

    assert partner.get("/api/v1/listings/") == (200, [])
    for target in ("", "depth/", "trades/", "candles/"):
        assert partner.get(f"/api/v1/listings/AAPLxUSDC/{target}")[0] == 404
    assert partner.post("/api/v1/orders/", LIMIT_BUY)[0] == 404


@pytest.mark.usefixtures("engine")
def test_pages_follow_each_other_without_gap_or_repeat(alice: int) -> None:
    partner = Partner.of(alice)
    placed = [
        partner.post("/api/v1/orders/", LIMIT_BUY | {"quantity": "1", "price": f"{price}"})[1]["id"]
        for price in (20, 21, 22, 23, 24)
    ]

    seen: list[str] = []
    cursor = ""
    while True:
        target = f"/api/v1/orders/?limit=2{cursor}"
        page = partner.get(target)[1]
        seen += [order["id"] for order in page["results"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert seen == placed[::-1]
    assert partner.get("/api/v1/orders/?cursor=nonsense")[1]["code"] == "malformed_cursor"
    assert partner.get("/api/v1/orders/?limit=100000")[1]["code"] == "invalid"


@pytest.mark.usefixtures("engine")
def test_depth_and_listing_show_the_book(alice: int, bob: int) -> None:
    buyer = Partner.of(alice)
    buyer.post("/api/v1/orders/", LIMIT_BUY)
    Partner.of(bob).post(
        "/api/v1/orders/", LIMIT_BUY | {"side": "sell", "price": "101.50", "quantity": "0.5"}
    )

    _, depth = buyer.get("/api/v1/listings/aaplxusdc/depth/")

    assert (depth["bids"], depth["asks"]) == ([["100.00", "2", 1]], [["101.50", "0.5", 1]])
    assert depth["seq"] == 2
    [listing] = buyer.get("/api/v1/listings/")[1]
    assert (listing["bid"], listing["ask"], listing["taker_fee"]) == ("100.00", "101.50", "0.0025")
    assert (listing["hours"], listing["band"]) == ("24/7", "0.1")
    assert (listing["cash_max"], listing["quantity_max"]) == ("100000000.00", "100000000")


def test_me_says_what_i_may_do(alice: int) -> None:
    status, me = Partner.of(alice, "read").get("/api/v1/me/")

    assert status == 200
    assert (me["display_name"], me["scopes"]) == ("Alice", ["read"])
    assert me["eligibility"] == {
        "may_buy": True,
        "may_sell": True,
        "country": "DE",
        "reason_code": "",
        "accepted": {"AAPLx": 1},
    }
