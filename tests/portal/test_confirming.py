"""What cannot be taken back is asked about once more, with JavaScript and without."""

import re

from django.test import Client
from django.urls import reverse

from accounts import api_keys
from accounts.models import ApiKey, Investor
from custody.models import Redemption
from tests.portal.conftest import NOON, House, client_of
from tests.portal.test_every_page import assert_is_a_page


def answer_yes(client: Client, page: str, address: str) -> None:
    """Send the page's own form, as a browser without JavaScript does."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    assert ("confirmed", "yes") in fields
    client.post(address, dict(fields))


def test_a_key_is_revoked_only_after_yes(alice: Investor) -> None:
    client = client_of(alice)
    made = api_keys.create(investor_id=alice.pk, kind="native", scopes=["read"], now=NOON)
    address = reverse("revoke_key", args=[made.key])
    assert 'data-confirm="Revoke this key?"' in client.get(reverse("security")).content.decode()

    page = client.post(address).content.decode()
    assert_is_a_page(page)
    assert "never works again" in page
    assert ApiKey.objects.get(key_id=made.key).is_active

    answer_yes(client, page, address)
    assert not ApiKey.objects.get(key_id=made.key).is_active


def test_a_redemption_is_asked_about_with_its_amount(house: House, alice: Investor) -> None:
    client, address = client_of(alice), reverse("new_redemption")
    form = {"asset": "AAPLx", "quantity": "1.5", "forward": "on", "key": "web-1"}

    page = client.post(address, form).content.decode()

    assert "Redeem 1.5 AAPLx?" in page
    assert 'name="quantity" value="1.5"' in page
    assert not Redemption.objects.exists()
    assert 'data-confirm="Redeem {quantity} {asset}?"' in client.get(address).content.decode()


def test_cancelling_everything_is_asked_about(alice: Investor) -> None:
    client, address = client_of(alice), reverse("cancel_all_orders")

    page = client.post(address).content.decode()

    assert "Cancel all open orders?" in page
    assert 'name="confirmed" value="yes"' in page
    assert "cancel-all" not in client.get(reverse("activity")).content.decode()  # none is open
