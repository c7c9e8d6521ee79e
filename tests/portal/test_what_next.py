"""A no says what to do next: refused pages, old forms, empty pages."""

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from accounts.forms_kyc import DetailsForm
from accounts.models import Investor
from custody.forms import RedemptionForm
from custody.models import Asset
from tests.portal.conftest import TOKEN, House, client_of

INVESTORS_ONLY = (
    reverse("new_redemption"),
    reverse("buy", args=["AAPLxUSDC"]),
    reverse("new_key"),
    reverse("verification_documents"),
)


@pytest.mark.parametrize("address", INVESTORS_ONLY)
def test_who_has_not_begun_is_led_to_the_verification(address: str, house: House) -> None:
    answer = client_of(house.sign_up("dora")).get(address)

    assert answer.status_code == 403
    assert f'href="{reverse("verification")}">Begin verification' in answer.content.decode()


@pytest.mark.parametrize("address", INVESTORS_ONLY)
def test_staff_are_led_to_their_desk_instead(address: str, house: House) -> None:
    page = client_of(house.sign_up("otto", is_staff=True)).get(address).content.decode()

    assert "staff have no investor account" in page
    assert "Begin verification</a>" not in page


def test_a_form_that_outlived_its_session_leads_back_to_its_page(house: House) -> None:
    page = "http://testserver" + reverse("new_redemption")
    strict = Client(enforce_csrf_checks=True)

    old = strict.post(reverse("new_redemption"), {}, headers={"Referer": page})
    foreign = strict.post(reverse("new_redemption"), headers={"Referer": "https://evil.example/"})

    assert old.status_code == foreign.status_code == 403
    assert f'href="{page}">Sign in and go back' in old.content.decode()
    assert "evil" not in foreign.content.decode()


def test_more_than_one_has_is_refused_with_what_one_has(alice: Investor, house: House) -> None:
    house.fund(alice, house.token, TOKEN // 2)
    Asset.objects.filter(pk=house.token.pk).update(mint_address="a mint")
    form = {"asset": "AAPLx", "quantity": "5", "forward": "on", "key": "web-1"}
    assert RedemptionForm(form).is_valid()

    sure = {**form, "confirmed": "yes"}
    page = client_of(alice).post(reverse("new_redemption"), sure).content.decode()

    assert " AAPLx available." in page
    assert "units" not in page.split('role="alert"', 1)[1].split("</div>", 1)[0]


def test_a_disclosure_is_read_in_paragraphs_whatever_its_lines() -> None:
    text = "One sentence that\ngoes on.\r\n\r\nAnother <b>.\n"

    shown = Template("{% load portal %}{{ text|paragraphs }}").render(Context({"text": text}))

    assert shown == "<p>One sentence that goes on.</p>\n<p>Another &lt;b&gt;.</p>"


@pytest.mark.parametrize(
    ("country", "number", "is_right"),
    [("DE", "123", False), ("DE", "12 345 678 901", True), ("DE", "1234567890a", False),
     ("FR", "123", True)],
)  # fmt: skip
def test_a_german_tax_number_has_eleven_digits(
    country: str, number: str, is_right: bool, house: House
) -> None:
    form = DetailsForm({"tax_country": country, "tax_number": number})
    form.is_valid()

    assert ("tax_number" not in form.errors) is is_right
