"""What holds for every page: closed unless public, no inline code, readable, right status."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Investor, User
from tests.portal.conftest import House, client_of

PUBLIC = {
    "home", "help", "status", "outbox", "markets", "trade", "trade_default", "candles", "fees",
    "calendar", "disclosures", "disclosure", "reserves", "reserve",
}  # fmt: skip
OWN = [
    "portfolio", "activity", "wallet", "wallet_history", "statement", "deposit", "redemptions",
    "new_redemption", "account", "security", "new_key", "verification", "verification_details",
]  # fmt: skip
NOT_PAGES = (
    "admin/", "api/", "0/", "account/", "static/", "webhooks/", "exports/", "reserves/seals",
)  # fmt: skip
INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<style|\sstyle=|\son\w+=")


def page_patterns() -> list[tuple[str, URLPattern]]:
    """(route, pattern) of every page of ours, allauth's, the API's and the admin's left out."""
    found: list[tuple[str, URLPattern]] = []

    def walk(prefix: str, patterns: list[URLPattern | URLResolver]) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(route, each.url_patterns)
            elif not route.startswith(NOT_PAGES) or each.name in OWN:
                found.append((route, each))

    walk("", get_resolver().url_patterns)
    return found


def address(pattern: URLPattern) -> str:
    values = {
        "symbol": "AAPLxUSDC", "code": "AAPLx", "subject": "AAPLx", "key_id": "none",
        "order_id": "0192f2c0-1111-7aaa-8bbb-000000000001", "client_order_id": "mine",
        "entry_id": 1,
        "redemption_id": "0192f2c0-1111-7aaa-8bbb-000000000001",
        "document_id": "0192f2c0-1111-7aaa-8bbb-000000000001",
    }  # fmt: skip
    wanted = pattern.pattern.converters
    return reverse(str(pattern.name), kwargs={name: values[name] for name in wanted})


def test_what_is_not_on_the_public_list_asks_visitors_to_sign_in(house: House) -> None:
    checked = 0
    for route, pattern in page_patterns():
        if pattern.name in PUBLIC | {"preferences", "health_live", "health_ready"}:
            continue
        answer = Client().get(address(pattern))
        assert answer.status_code == 302, route
        assert answer.headers["Location"].startswith("/account/login/"), route
        checked += 1
    assert checked > 20


@pytest.mark.parametrize("name", sorted(PUBLIC - {"trade_default", "candles", "outbox", "status"}))
def test_public_pages_are_readable_without_an_account(
    name: str, house: House, alice: Investor
) -> None:
    pattern = next(each for _, each in page_patterns() if each.name == name)

    answer = Client().get(address(pattern))

    assert answer.status_code == 200
    assert_is_a_page(answer.content.decode())


@pytest.mark.parametrize("name", OWN)
def test_own_pages_show_a_funded_investor_what_is_hers(
    name: str, alice: Investor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client_of(alice).get(reverse(name))

    if name == "verification_details":  # an approved case is not edited any more
        assert answer.status_code in (200, 302)
        return
    if name == "new_key":  # asks for the password first
        assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
        return
    assert answer.status_code == 200
    assert_is_a_page(answer.content.decode())


@pytest.mark.parametrize("name", sorted({*OWN} - {"new_key", "new_redemption"}))
def test_own_pages_have_an_empty_state_for_a_new_login(name: str, charlie: User) -> None:
    answer = client_of(charlie).get(reverse(name))

    assert answer.status_code == 200
    assert_is_a_page(answer.content.decode())


@pytest.mark.parametrize("name", ["new_key", "new_redemption"])
def test_what_only_investors_may_do_says_so_to_others(name: str, charlie: User) -> None:
    answer = client_of(charlie).get(reverse(name))

    assert answer.status_code == 403
    assert "This needs a verified investor" in answer.content.decode()


@pytest.mark.parametrize(
    "name", ["account_login", "account_signup", "account_reset_password", "account_logout"]
)
def test_entrance_pages_have_no_inline_code(name: str, house: House) -> None:
    answer = Client().get(reverse(name), follow=True)

    assert answer.status_code == 200
    assert_is_a_page(answer.content.decode())


@pytest.mark.parametrize(
    "name",
    ["mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "usersessions_list",
     "account_change_password", "account_email", "mfa_generate_recovery_codes"],
)  # fmt: skip
def test_security_pages_have_no_inline_code(name: str, charlie: User) -> None:
    client = Client()
    client.post(
        reverse("account_login"),
        {"login": charlie.email, "password": "a long enough password"},
    )

    answer = client.get(reverse(name), follow=True)

    assert answer.status_code == 200
    assert_is_a_page(answer.content.decode())


def test_the_policy_allows_no_inline_code(house: House) -> None:
    policy = Client().get(reverse("markets")).headers["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


def test_an_unknown_address_is_a_page_with_a_way_on(house: House, alice: Investor) -> None:
    for client in (Client(), client_of(alice)):
        answer = client.get("/nowhere/")
        assert answer.status_code == 404
        assert "Look at the markets" in answer.content.decode()


def test_a_page_that_breaks_is_a_500_that_asks_no_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trading import pages

    monkeypatch.setattr(pages, "list_market_rows", lambda **_: 1 / 0)

    answer = Client(raise_request_exception=False).get(reverse("markets"))

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()


def test_a_form_without_its_token_is_refused_with_words(alice: Investor) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]

    answer = client.post(reverse("faucet"))

    assert answer.status_code == 403
    assert "That page was too old" in answer.content.decode()


def assert_is_a_page(html: str) -> None:
    assert html.count("<main") == 1
    assert html.count("<h1") >= 1
    assert INLINE.search(html) is None, INLINE.search(html)
    assert "{{" not in html
    assert "{%" not in html
    assert "<c-" not in html
