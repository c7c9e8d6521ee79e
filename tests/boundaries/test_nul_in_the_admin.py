"""A NUL, which no text in the database can hold, in the staff's forms and lists."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from accounts.models import Investor, User
from kernel import clock
from tests.accounts.stories import make_case
from trading import kill_switches
from trading.engine.stops import StopScope

NUL = "a\0b"
FIELD = re.compile(r"<(?:input|select|textarea)[^>]*\bname=\"([^\"]+)\"")


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root@bourse.example", "correct horse battery")


@pytest.fixture
def staff(root: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    return client


def case(root: User) -> Any:
    return make_case()


def investor(root: User) -> Any:
    return Investor.objects.create(display_name="Alice", created_at=clock.now())


def kill_switch(root: User) -> Any:
    return kill_switches.stop_trading(
        scope=StopScope.VENUE, key=0, reason="a test", public_words="", officer=root,
        now=clock.now(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (case, {"act": "propose", "decision": "approve", "reason": NUL}),
        (case, {"act": "propose", "decision": "reject", "reason": "no", "investor_message": NUL}),
        (investor, {"act": "restrict", "kind": "freeze", "reason_code": "other", "note": NUL}),
        (investor, {"act": "restrict", "kind": "freeze", "reason_code": NUL}),
        (kill_switch, {"act": "propose", "reason": NUL}),
    ],
)
def test_in_a_file_it_is_a_bad_request(
    root: User, staff: Client, make: Callable[[User], Any], fields: dict[str, str]
) -> None:
    row = make(root)
    name = row._meta.label_lower.replace(".", "_")

    answer = staff.post(reverse(f"admin:{name}_change", args=[row.pk]), fields)

    assert answer.status_code == 400


def test_as_a_chosen_row_of_a_list_it_is_a_bad_request(staff: Client) -> None:
    chosen = {"action": "halt", "_selected_action": NUL, "index": "0"}

    assert staff.post(reverse("admin:trading_listing_changelist"), chosen).status_code == 400


def test_no_list_and_no_form_that_names_no_row_crashes(staff: Client) -> None:
    addresses = {reverse(f"admin:{name}") for name in _names_without_a_row()}
    assert {reverse("admin:trading_order_changelist"), reverse("admin:custody_mint_start")} < (
        addresses
    )

    crashed = [
        address
        for address in addresses - {reverse("admin:logout")}
        if _post_everywhere(staff, address) >= 500
        or staff.get(address, {"q": NUL, "state__exact": NUL}).status_code >= 500
    ]
    assert crashed == []


def _names_without_a_row() -> list[str]:
    found = []
    for name in get_resolver().namespace_dict[admin.site.name][1].reverse_dict:
        if isinstance(name, str):
            try:
                reverse(f"admin:{name}")
            except NoReverseMatch:
                continue
            found.append(name)
    return found


def _post_everywhere(staff: Client, address: str) -> int:
    """The status after a NUL in every field that the page shows."""
    page = staff.get(address)
    text = "" if page.streaming else page.content.decode(errors="replace")
    names = set(FIELD.findall(text)) - {"csrfmiddlewaretoken"}
    return staff.post(address, dict.fromkeys(names, NUL)).status_code
