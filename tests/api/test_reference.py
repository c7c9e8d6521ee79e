"""Instruments, the session and the reserves: public, with honest gaps."""

from typing import Any

from django.core.management import call_command
from django.test import Client


def get(target: str) -> Any:
    answer = Client().get(f"/api/v1/{target}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_session_is_told_from_the_calendar(db: None) -> None:
    call_command("load_calendar", verbosity=0)

    session = get("session/")

    assert session["session"] in {"regular", "pre", "post", "overnight", "weekend", "holiday"}
    assert session["at"] < session["next_change_at"]


def test_an_instrument_without_a_price_says_so_and_is_never_zero(venue: Any) -> None:
    call_command("load_calendar", verbosity=0)

    [instrument] = get("instruments/")

    assert instrument == get("instruments/AAPL/")
    assert (instrument["price_per_share"], instrument["is_stale"]) == (None, True)
    assert instrument["price_source"] == "simulated"
    assert Client().get("/api/v1/instruments/NOPE/").json()["code"] == "not_found"


def test_a_listing_without_a_reference_price_shows_none(venue: Any) -> None:
    call_command("load_calendar", verbosity=0)

    listing = get("listings/AAPLxUSDC/")

    assert listing["reference"]["price"] is None
    assert (listing["instrument"], listing["shares_per_token"]) == ("AAPL", "1")
    assert (listing["bid"], listing["ask"], listing["last"]) == (None, None, None)


def test_a_token_that_was_never_attested_has_no_numbers(venue: Any) -> None:
    [reserve] = get("reserves/")

    assert reserve["asset"] == "AAPLx"
    assert reserve["chain_supply"] is None
    assert reserve["verdict"] is None
