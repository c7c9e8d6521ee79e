"""The trade page of a listing that does not take everything, as the server renders it."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Investor
from reference.models import ReferencePrice
from tests.portal.conftest import NOON, House, client_of
from trading import operations
from trading.gate import LIMITS
from trading.states import Condition, ListingState, MarketPhase


def trade_page(client: Client) -> str:
    return client.get(reverse("trade", args=["AAPLxUSDC"])).content.decode()


def test_an_open_listing_shows_no_notice_and_has_one_ready(alice: Investor) -> None:
    page = trade_page(client_of(alice))

    assert re.search(r"data-state-notice hidden", page)
    assert "<span data-state-words>Open</span>" in page
    table = re.search(r'id="market-limits" type="application/json">(.+?)</script>', page)
    assert table is not None
    assert json.loads(table.group(1)).keys() == LIMITS.keys()


def test_a_halt_says_why_and_until_when_and_the_order_cannot_be_sent(
    house: House, alice: Investor
) -> None:
    operations.set_listing_state(
        listing_id=house.listing.pk, state="halted", reason="The issuer has news.",
        until=NOON + timedelta(hours=2),
    )  # fmt: skip

    page = trade_page(client_of(alice))

    assert "Trading is halted" in page
    assert "The issuer has news." in page
    assert "4 Mar 2026, 19:00 UTC" in page
    assert 'data-takes-orders="no"' in page
    assert re.search(r'ticket-send" type="submit" disabled', page)


def test_a_halt_of_the_share_and_an_old_price_are_told_too(house: House) -> None:
    ReferencePrice.objects.update(is_halted=True, halt_reason="news pending")
    page = trade_page(Client())
    assert "The share is halted at its exchange" in page
    assert "News pending" in page

    old = NOON - timedelta(minutes=10)
    ReferencePrice.objects.update(is_halted=False, published_at=old)
    assert "The share&#x27;s price is old" in trade_page(Client())


LIMITING = [*ListingState, *Condition, *MarketPhase]


@pytest.mark.parametrize(
    "limit", sorted({str(each) for each in LIMITING} - {"online", "continuous"})
)
def test_whatever_limits_trading_has_words(limit: str) -> None:
    title, tone, help = LIMITS[limit]

    assert title
    assert help.endswith(".")
    assert tone in ("wait", "bad")
