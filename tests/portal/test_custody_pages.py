"""Wallet, deposits, redemptions and reserves as an investor meets them."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Investor, User
from custody.models import Redemption, ReserveAttestation
from tests.portal.conftest import NOON, TOKEN, House, client_of


def test_a_deposit_address_is_ones_own_and_stays_the_same(alice: Investor, bob: Investor) -> None:
    first, again = (client_of(alice).get(reverse("deposit")).content.decode() for _ in range(2))
    address = alice.deposit_addresses.get().address

    assert address in first
    assert address in again
    assert "<svg" in first
    assert address not in client_of(bob).get(reverse("deposit")).content.decode()


def test_without_verification_there_is_no_address_but_a_way_to_it(charlie: User) -> None:
    page = client_of(charlie).get(reverse("deposit")).content.decode()

    assert "once your identity is verified" in page
    assert reverse("verification") in page


def redeem(client: Client, **changes: str) -> str:
    form = {"asset": "AAPLx", "quantity": "1", "forward": "on", "key": "web-1"}
    form |= {"confirmed": "yes"} | changes
    return client.post(reverse("new_redemption"), form, follow=True).content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": "1e2"}, "plain digits"),
        ({"quantity": "0"}, "more than zero"),
        ({"quantity": "0.123456789"}, "at most 8 digits"),
        ({"forward": ""}, ""),
        ({"asset": "AAPL"}, ""),
        ({"asset": "NONE"}, ""),
    ],
)
def test_a_redemption_form_that_makes_no_sense_asks_for_nothing(
    changes: dict[str, str], words: str, alice: Investor
) -> None:
    page = redeem(client_of(alice), **changes)

    assert words.casefold() in page.casefold()
    assert not Redemption.objects.exists()


def make_redemption(house: House, investor: Investor) -> Redemption:
    share = type(house.token).objects.get(code="AAPL")
    return Redemption.objects.create(
        investor=investor, asset=house.token, share_asset=share, units=TOKEN // 2,
        share_units=500_000_000, idempotency_key="k", body_hash=b"", fee_e6=2_500, state="held",
        requested_at=NOON, held_at=NOON,
    )  # fmt: skip


def test_a_redemption_shows_its_stages_with_times_to_its_owner_alone(
    house: House, alice: Investor, bob: Investor
) -> None:
    redemption = make_redemption(house, alice)
    address = reverse("redemption", args=[redemption.id])

    page = client_of(alice).get(address).content.decode()

    assert "Redemption of 0.5 AAPLx" in page
    assert page.count('class="done"') == 2
    assert page.count('class="now"') == 1
    assert "0.5 AAPL<" in page
    assert client_of(bob).get(address).status_code == 404


def test_what_could_not_be_counted_is_unavailable_and_never_zero(house: House) -> None:
    ReserveAttestation.objects.create(
        asset=house.token, as_of=NOON, investor_units=TOKEN, inventory_units=0,
        multiplier_e18=10**18, verdict="unavailable", findings=["The custodian did not answer."],
    )  # fmt: skip

    page = Client().get(reverse("reserve", args=["AAPLx"])).content.decode()

    assert page.count("unavailable") >= 3
    assert "The custodian did not answer." in page
