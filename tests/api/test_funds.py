"""Balances, deposits and redemptions by /api/v1."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from custody.models import Asset, Redemption
from tests.partners import Partner


@pytest.fixture
def bob(venue: Any, engine: Any) -> Partner:
    # A token that can be redeemed is one that is on the chain.
    Asset.objects.filter(code="AAPLx").update(
        mint_address="So11111111111111111111111111111111111111112"
    )
    return Partner.of(venue.investor("Bob", usd=50, tokens=10))


def test_balances_add_up(bob: Partner) -> None:
    bob.post(
        "/api/v1/orders/",
        {
            "listing": "AAPLxUSDC",
            "side": "sell",
            "order_type": "limit",
            "quantity": "3",
            "price": "100",
        },
    )

    balances = {row["asset"]: row for row in bob.get("/api/v1/balances/")[1]}

    assert balances["AAPLx"] == {
        "asset": "AAPLx",
        "total": "10",
        "available": "7",
        "in_orders": "3",
        "in_redemption": "0",
        "pledged": "0",
        "on_the_way": "0",
    }
    assert balances["USDC"]["total"] == "50"


def test_a_redemption_is_requested_once_and_shows_its_stage(bob: Partner, venue: Any) -> None:
    body = {"asset": "AAPLx", "quantity": "2.5", "idempotency_key": "mine-1"}
    # The units have to be in the pool before they can be taken out of it.
    bob.post(
        "/api/v1/orders/",
        {"listing": "AAPLxUSDC", "side": "sell", "order_type": "market", "quantity": "0.5"},
    )

    first = bob.post("/api/v1/redemptions/", body)
    again = bob.post("/api/v1/redemptions/", body)
    other = bob.post("/api/v1/redemptions/", body | {"quantity": "1"})

    assert first[0] == 201
    assert first[1] == again[1] | {"state": first[1]["state"]}
    assert (other[0], other[1]["code"]) == (409, "idempotency_key_reused")
    assert Redemption.objects.count() == 1
    assert bob.get(f"/api/v1/redemptions/{first[1]['id']}/")[1]["quantity"] == "2.5"
    assert len(bob.get("/api/v1/redemptions/")[1]["results"]) == 1
    mallory = Partner.of(venue.investor("Mallory"))
    assert mallory.get(f"/api/v1/redemptions/{first[1]['id']}/")[0] == 404


def test_a_redemption_that_cannot_be_is_refused(bob: Partner) -> None:
    for changed, code in [
        ({"quantity": "11"}, "insufficient_units"),
        ({"quantity": "1e1"}, "malformed_amount"),
        ({"quantity": 1}, "invalid"),
        ({"asset": "NOPE"}, "not_found"),
        ({"idempotency_key": ""}, "invalid"),
    ]:
        body = {"asset": "AAPLx", "quantity": "1", "idempotency_key": "k", **changed}
        assert bob.post("/api/v1/redemptions/", body)[1]["code"] == code, changed


def test_an_asset_that_does_not_arrive_by_chain_has_no_deposit_address(
    bob: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "bourse_chain_keys_file", tmp_path / "chain_keys.json")
    call_command("create_chain_keys", verbosity=0)

    status, body = bob.get("/api/v1/deposit-address/?asset=AAPLx")

    assert (status, body["code"]) == (422, "not_depositable")
    assert bob.get("/api/v1/deposit-address/?asset=NOPE")[1]["code"] == "not_found"
    assert bob.get("/api/v1/deposits/") == (200, [])
