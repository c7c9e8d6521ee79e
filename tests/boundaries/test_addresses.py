"""Addresses that no link of ours leads to, and what caches may keep."""

import pytest
from django.test import Client

from tests.portal.conftest import House, _chain_keys, _noon, alice, client_of, house  # noqa: F401


@pytest.mark.parametrize(
    "address",
    [
        "/trade/AAPLx%00USDC/",
        "/disclosures/%00/",
        "/markets/?q=%00",
        "/activity/?listing=%00",
        "/orders/by-client-id/%00/",
        "/api/v1/listings/%00/",
        "/api/v1/instruments/%00/",
        "/api/v1/orders/?listing=%00",
        "/api/v1/orders/by-client-id/%00/",
        "/api/v1/deposit-address/?asset=%00",
        "/0/public/Depth?pair=%00",
        "/admin/accounts/user/?q=%00",
    ],
)
def test_a_nul_in_an_address_is_a_bad_request_and_no_crash(
    house: House,  # noqa: F811
    alice: object,  # noqa: F811
    address: str,
) -> None:
    for client in (Client(), client_of(alice)):  # type: ignore[arg-type]
        assert client.get(address).status_code == 400


def test_a_nul_in_a_form_names_no_listing(house: House, alice: object) -> None:  # noqa: F811
    client = client_of(alice)  # type: ignore[arg-type]

    assert client.post("/orders/cancel-all/", {"listing": "AAPLx\0USDC"}).status_code == 404


@pytest.mark.parametrize(
    "address", ["/api/v1/balances/", "/api/v1/listings/", "/0/private/Balance"]
)
def test_no_cache_keeps_what_a_program_was_answered(house: House, address: str) -> None:  # noqa: F811
    """A signed request looks like a visitor's to a cache on the way."""
    client = Client()
    answer = client.post(address) if "private" in address else client.get(address)

    assert answer["Cache-Control"] == "no-store"
