"""Markets: search, filters, what is not offered where one lives, the numbers shown."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts import eligibility
from accounts.models import Investor
from reference.models import ReferencePrice
from tests.portal.conftest import NOON, USD, House, client_of
from trading import pages
from trading.models import ListingCountryBlock
from trading.offering import Reader


def market(client: Client, **query: str) -> str:
    return client.get(reverse("markets"), query).content.decode()


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"q": "aapl"}, True),
        ({"q": " APPLE "}, True),
        ({"q": "tesla"}, False),
        ({"kind": "etf"}, False),
        ({"kind": "stock", "open": "1"}, True),
        ({"kind": "bond"}, True),
        ({"sort": "-nonsense"}, True),
    ],
)
def test_search_and_filters_narrow_the_table(
    query: dict[str, str], is_found: bool, house: House
) -> None:
    assert ("AAPLxUSDC" in market(Client(), **query)) is is_found


def test_a_search_is_shown_as_text_and_never_as_code(house: House) -> None:
    assert "<script>alert" not in market(Client(), q="<script>alert(1)</script>")


def test_a_listing_not_offered_where_one_lives_is_on_no_page(house: House, bob: Investor) -> None:
    ListingCountryBlock.objects.create(listing=house.listing, country="DE")
    client = client_of(bob)

    assert "AAPLxUSDC" not in market(client)
    for name in ("trade", "candles", "buy"):
        assert client.get(reverse(name, args=["AAPLxUSDC"])).status_code == 404
    assert client.post(reverse("place_order", args=["AAPLxUSDC"])).status_code == 404


def test_nothing_is_offered_in_a_country_that_is_not_served(house: House, bob: Investor) -> None:
    bob.residence_country = "US"
    bob.save()
    eligibility.refresh(investor_id=bob.pk, now=NOON)

    assert "Nothing is listed where you live" in market(client_of(bob))


def test_the_reference_is_per_token_with_its_age_and_its_source(house: House) -> None:
    type(house.token).objects.filter(pk=house.token.pk).update(multiplier_e18=2 * 10**18)

    page = market(Client())

    assert "476.00 USD, 7 s old" in page  # two shares a token, 238 USD a share
    assert "simulated" in page


def test_a_premium_is_the_price_over_the_reference(house: House) -> None:
    row = pages.get_market_row(symbol="AAPLxUSDC", reader=Reader(country="DE"), now=NOON)

    assert row.premium is None  # nothing has traded and nobody quotes
    dearer = pages.Best(bid_units=238 * USD, ask_units=286 * USD + 200_000)
    quoted = pages.MarketRow(
        row.listing, row.asset, row.quote, row.instrument, row.reference, row.statistics, dearer
    )
    assert quoted.price_units == 262_100_000
    assert quoted.premium == Decimal("262.1") / 238 - 1


def test_a_stale_reference_says_so(house: House) -> None:
    ReferencePrice.objects.update(published_at=NOON - timedelta(minutes=10))

    page = Client().get(reverse("trade", args=["AAPLxUSDC"])).content.decode()

    assert "10 min old, stale" in page


def test_colours_are_kept_in_a_cookie_and_lead_back_to_this_site_alone(house: House) -> None:
    client = Client()
    answer = client.post(reverse("preferences"), {"theme": "dark", "next": "https://evil.example"})

    assert answer.headers["Location"] == "/"
    assert 'data-theme="dark"' in market(client)
    client.post(reverse("preferences"), {"theme": "auto"})
    assert "data-theme" not in market(client)
    client.post(reverse("preferences"), {"theme": '"><script>'})
    assert "data-theme" not in market(client)
