"""What investors are told of their fees: the portal, the API, Kraken's TradeVolume, the ticket."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Investor, User
from kernel import clock
from tests.partners import KrakenClient, Partner
from tests.trading.conftest import USD
from tests.trading.fee_stories import MILLION_USD, partner, schedule, two_officers
from trading import kill_switches, pages
from trading.engine.stops import StopScope
from trading.models import InvestorVolume, VolumeDay
from trading.offering import reader_of


@pytest.fixture
def alice(venue: Any) -> int:
    investor: int = venue.investor("Alice", usd=1_000)
    user = User.objects.create_user("alice@example.com", "a long enough password")
    Investor.objects.filter(pk=investor).update(user=user, kyc_status="approved")
    return investor


def traded(investor_id: int, usd: int) -> None:
    day = clock.now().date()
    VolumeDay.objects.create(day=day, closed_at=clock.now())
    InvestorVolume.objects.create(
        investor_id=investor_id, day=day, day_units=0, month_units=usd * USD
    )


def page_of(investor_id: int | None, address: str = "/fees/") -> str:
    client = Client()
    if investor_id is not None:
        user = Investor.objects.get(pk=investor_id).user
        assert user is not None
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_an_investor_sees_the_volume_the_tier_and_what_the_next_one_takes(alice: int) -> None:
    schedule((0, 900, 2_000), (10_000 * USD, 700, 1_500), (MILLION_USD, 100, 300))
    traded(alice, 12_345)

    page = page_of(alice)

    assert "12,345.00 <small>USD" in page
    row = page[: page.index("Yours now")].rpartition("<tr>")[2]
    assert "from 10,000 USD" in row
    assert "0.15 %" in row
    assert "987,655 USD to go" in page


def test_who_has_not_traded_reads_how_volume_comes_about(alice: int) -> None:
    schedule((0, 900, 2_000), (MILLION_USD, 100, 300))

    page = page_of(alice)

    assert "Nothing counted yet" in page
    assert "Then it brings you to lower fees." in page
    assert 'href="/fees/"' in page_of(alice, "/account/")


def test_a_visitor_sees_everybodys_tiers_and_no_partners(venue: Any) -> None:
    schedule((0, 900, 2_000), (MILLION_USD, 100, 300))
    schedule((0, 1, 7), partner=partner("acme"), name="Acme's")

    page = page_of(None)

    assert "0.03 %" in page
    assert "Yours now" not in page
    assert "0.0007 %" not in page
    assert "cme" not in page


def test_the_api_tells_the_same_and_names_no_partner(alice: int) -> None:
    acme = partner("acme")
    Investor.objects.filter(pk=alice).update(partner=acme)
    schedule((0, 900, 2_000), (10_000 * USD, 700, 1_500), partner=acme)
    traded(alice, 5_000)

    status, told = Partner.of(alice, "read").get("/api/v1/fees/")

    assert status == 200
    assert told["volume_30_days"] == "5000.00"
    assert told["counted_until"] == str(clock.now().date())
    tiers = [
        {"volume_from": "0.00", "maker_fee": "0.0009", "taker_fee": "0.002"},
        {"volume_from": "10000.00", "maker_fee": "0.0007", "taker_fee": "0.0015"},
    ]
    assert told["fees"] == [
        {
            "listings": ["AAPLxUSDC"], "maker_fee": "0.0009", "taker_fee": "0.002",
            "next_tier": tiers[1], "tiers": tiers,
        }
    ]  # fmt: skip
    assert "acme" not in str(told).lower()
    assert "partner" not in str(Partner.of(alice, "read").get("/api/v1/me/")).lower()


def test_krakens_trade_volume_tells_it_in_percent(alice: int) -> None:
    schedule((0, 900, 2_000), (10_000 * USD, 700, 1_500))
    client = KrakenClient.of(alice, "read")

    errors, told = client.private("TradeVolume", pair="AAPLX/USDC")

    assert errors == []
    assert (told["currency"], told["volume"]) == ("USD", "0.0000")
    assert told["fees"] == {
        "AAPLX/USDC": {
            "fee": "0.2000", "minfee": "0.1500", "maxfee": "0.2000", "nextfee": "0.1500",
            "nextvolume": "10000.0000", "tiervolume": "0.0000",
        }
    }  # fmt: skip
    assert told["fees_maker"]["AAPLX/USDC"]["fee"] == "0.0900"
    pair = client.public("AssetPairs", pair="AAPLxUSDC")[1]["AAPLxUSDC"]
    assert (pair["fees"], pair["fees_maker"]) == (
        [[0, 0.2], [10_000, 0.15]],
        [[0, 0.09], [10_000, 0.07]],
    )
    traded(alice, 10_000)
    top = client.private("TradeVolume")[1]["fees"]["AAPLxUSDC"]
    assert (top["fee"], top["nextfee"], top["nextvolume"]) == ("0.1500", None, None)


def test_the_ticket_reckons_with_the_readers_own_rates(alice: int, venue: Any) -> None:
    schedule((0, 900, 2_000), (10_000 * USD, 700, 1_500))
    schedule((0, 1, 2), partner=partner("acme"), name="Acme's")
    traded(alice, 10_000)
    other = venue.investor("Bob")

    def rates(investor_id: int | None) -> tuple[int, int]:
        reader = reader_of(investor_id=investor_id)
        row = pages.get_market_row(symbol="AAPLxUSDC", reader=reader, now=clock.now())
        return row.listing.maker_fee_e6, row.listing.taker_fee_e6

    assert (rates(alice), rates(other), rates(None)) == ((700, 1_500), (900, 2_000), (900, 2_000))
    assert "0.0015" in str(Partner.of(alice, "read").get("/api/v1/listings/AAPLxUSDC/"))


def test_the_trade_page_says_that_trading_is_stopped_and_still_shows_what_is_open(
    alice: int, venue: Any
) -> None:
    mia, _ = two_officers()
    kill_switches.stop_trading(
        scope=StopScope.LISTING, key=venue.listing.pk, reason="Secret",
        public_words="Back at noon.", officer=mia, now=clock.now(),
    )  # fmt: skip
    Investor.objects.filter(pk=alice).update(first_approved_at=clock.now())

    page = page_of(alice, "/trade/AAPLxUSDC/")

    assert "Trading is stopped" in page
    assert "Back at noon." in page
    assert "Secret" not in page
    assert 'data-order-url="/orders/"' not in page  # the ticket
