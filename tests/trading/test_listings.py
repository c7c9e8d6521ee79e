"""Listing, halting and blocking, by operations and in the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from kernel import clock
from kernel.refusals import NotFound
from reference.models import CountryRule
from trading import operations, queries
from trading.models import InboxItem, Listing
from trading.offering import Reader


def test_only_a_token_is_listed_against_a_stablecoin_and_once(venue: Any) -> None:
    with pytest.raises(operations.NotListable):
        operations.create_listing(asset_id=venue.share.pk, quote_id=venue.cash.pk, now=clock.now())
    with pytest.raises(operations.AlreadyListed):
        operations.create_listing(asset_id=venue.token.pk, quote_id=venue.cash.pk, now=clock.now())


def test_a_halt_needs_a_reason_and_tells_the_engine(venue: Any) -> None:
    with pytest.raises(operations.ReasonMissing):
        operations.set_listing_state(listing_id=venue.listing.pk, state="halted", reason=" ")
    with pytest.raises(operations.UnknownListingState):
        operations.set_listing_state(listing_id=venue.listing.pk, state="asleep", reason="x")

    operations.set_listing_state(listing_id=venue.listing.pk, state="halted", reason="News")

    item = InboxItem.objects.filter(kind="listing").latest("id")
    assert (item.payload["state"], item.payload["reason"]) == ("halted", "News")


def test_two_officers_do_not_overwrite_each_others_state(venue: Any) -> None:
    change = {"listing_id": venue.listing.pk, "expected": "online"}
    operations.set_listing_state(state="halted", reason="News", **change)

    with pytest.raises(operations.ListingStateChanged):
        operations.set_listing_state(state="limit_only", reason="Weekend", **change)


def test_what_is_blocked_in_a_country_does_not_exist_there(venue: Any) -> None:
    CountryRule.objects.update_or_create(country="DE", defaults={"status": "allowed"})
    operations.block_country(listing_id=venue.listing.pk, country="fr", reason="Not notified")
    now = clock.now()

    assert queries.list_listings(reader=Reader(country="FR"), now=now) == []
    offered = queries.list_listings(reader=Reader(country="DE"), now=now)
    assert [view.symbol for view in offered] == ["AAPLxUSDC"]
    with pytest.raises(NotFound):
        queries.get_listing(symbol="AAPLxUSDC", reader=Reader(country="FR"))
    assert queries.get_listing(symbol="aaplx/usdc", reader=Reader(country="DE")).base == "AAPLx"

    operations.unblock_country(listing_id=venue.listing.pk, country="FR")
    assert queries.get_listing(symbol="AAPLxUSDC", reader=Reader(country="FR"))
    with pytest.raises(NotFound):
        operations.unblock_country(listing_id=venue.listing.pk, country="FR")


def test_the_database_refuses_a_state_or_fee_that_cannot_be(venue: Any) -> None:
    listings = Listing.objects.filter(pk=venue.listing.pk)
    for wrong in ({"state": "asleep"}, {"maker_fee_e6": -1}, {"tick_units": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            listings.update(**wrong)


def test_staff_with_the_right_change_a_state_in_the_admin_and_others_do_not(venue: Any) -> None:
    officer = User.objects.create_user(email="ops@example.com", password="x", is_staff=True)
    view = Permission.objects.get(codename="view_listing")
    officer.user_permissions.add(view)
    client = Client()
    client.force_login(officer)
    address = reverse("admin:trading_listing_change_state", args=[venue.listing.pk])
    wanted = {"state": "halted", "reason": "News pending"}

    assert client.post(address, wanted).status_code == 403
    officer.user_permissions.add(Permission.objects.get(codename="set_listing_state"))
    assert "Change the state" in client.get(address).content.decode()
    assert client.post(address, wanted).status_code == 302

    venue.listing.refresh_from_db()
    assert (venue.listing.state, venue.listing.state_reason) == ("halted", "News pending")


def test_a_state_without_its_reason_or_with_a_past_end_keeps_what_was_typed(venue: Any) -> None:
    officer = User.objects.create_superuser(email="ops@example.com", password="x")
    client = Client()
    client.force_login(officer)
    address = reverse("admin:trading_listing_change_state", args=[venue.listing.pk])
    past = {"until_0": "2020-01-01", "until_1": "10:00"}

    silent = client.post(address, {"state": "halted", "reason": " "})
    late = client.post(address, {"state": "halted", "reason": "News pending", **past})

    assert (silent.status_code, late.status_code) == (200, 200)
    assert "Say why" in silent.content.decode()
    assert "This moment has passed." in late.content.decode()
    assert "News pending" in late.content.decode()
    venue.listing.refresh_from_db()
    assert venue.listing.state == "online"


def test_staff_change_hours_bands_and_the_largest_order_and_see_the_batch(venue: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser(email="ops@example.com", password="x"))
    address = reverse("admin:trading_listing_change_protection", args=[venue.listing.pk])
    page = reverse("admin:trading_listing_change", args=[venue.listing.pk])
    wanted = {
        "hours": "24/5", "band_e6": "5", "collar_e6": "40", "protection_e6": "2.5",
        "max_cash_units": "250000", "max_quantity_units": "1000",
    }  # fmt: skip

    wrong = client.post(address, {**wanted, "band_e6": "five"})
    assert "Write the amount in plain digits" in wrong.content.decode()
    assert client.post(address, wanted).status_code == 302

    listing = venue.listing
    listing.refresh_from_db()
    assert (listing.hours, listing.band_e6, listing.collar_e6) == ("24/5", 50_000, 400_000)
    assert listing.protection_e6 == 25_000
    assert (listing.max_cash_units, listing.max_quantity_units) == (250_000 * 10**6, 1_000 * 10**8)
    assert "waits for the engine&#x27;s next batch" in client.get(page).content.decode()
    InboxItem.objects.update(consumed_batch=77)
    assert "at batch 77" in client.get(page).content.decode()


def test_staff_read_a_listings_rules_in_words_not_in_base_units(venue: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser(email="ops@example.com", password="x"))

    page = client.get(reverse("admin:trading_listing_change", args=[venue.listing.pk]))

    text = page.content.decode()
    for words in ("0.01 USDC", "0.000001 AAPLx", "5 % beyond the best price", " UTC"):
        assert words in text
    assert "e6" not in text.split("<main", 1)[-1]
    assert "(&#x27;online" not in text
