"""Every address and socket has a rule here that says who may use it; a new one has to get one.

anybody    visitors too
signed in  a visitor is asked to sign in, and comes back
signed     no session counts: the request carries a signature of its own
api        /api/v1: the view names its permission (tests/api/test_every_view.py)
staff      /admin/: staff, and each page asks for its permission
"""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from accounts.models import Investor, User
from bourse import routing
from bourse.permissions import Nobody
from bourse.same_site import SameSite
from tests.portal.conftest import (  # noqa: F401
    House,
    _chain_keys,
    _noon,
    alice,
    client_of,
    house,
    olga,
)
from tests.trading.test_websocket import _close_clients, ask, socket  # noqa: F401
from trading import consumers
from trading.market_data import PRIVATE_CHANNELS

ANYBODY = {
    "", "help/", "status/", "outbox/", "preferences/", "health/live", "health/ready",
    "disclosures/", "disclosures/<str:subject>/", "reserves/", "reserves/<slug:code>/",
    "reserves/seals/<slug:chain>.jsonl", "reserves/seals.pub",
    "markets/", "trade/", "trade/<slug:symbol>/", "trade/<slug:symbol>/candles/",
    "fees/", "calendar/", "0/public/<str:method>", "0/^.*$",
    "account/login/", "account/logout/", "account/inactive/", "account/signup/",
    "account/confirm-email/", r"account/^confirm-email/(?P<key>[-:\w]+)/$",
    "account/login/code/confirm/", "account/password/reset/", "account/password/reset/done/",
    "account/password/reset/key/done/",
    r"account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
    "account/2fa/authenticate/", "account/2fa/webauthn/login/", "admin/login/",
}  # fmt: skip
SIGNED_IN = {
    "account/", "account/security/", "account/keys/new/", "account/keys/<str:key_id>/revoke/",
    "account/reauthenticate/", "account/email/", "account/password/change/",
    "account/password/set/", "account/2fa/", "account/2fa/reauthenticate/",
    "account/2fa/totp/activate/", "account/2fa/totp/deactivate/", "account/2fa/recovery-codes/",
    "account/2fa/recovery-codes/generate/", "account/2fa/recovery-codes/download/",
    "account/2fa/webauthn/", "account/2fa/webauthn/add/", "account/2fa/webauthn/reauthenticate/",
    "account/2fa/webauthn/keys/<int:pk>/remove/", "account/2fa/webauthn/keys/<int:pk>/edit/",
    "account/sessions/", "verification/", "verification/details/", "verification/documents/",
    "verification/documents/<uuid:document_id>/remove/", "verification/submit/",
    "verification/review/", "disclosures/<str:subject>/accept/", "wallet/", "wallet/deposit/",
    "wallet/faucet/", "wallet/history/", "wallet/statement/", "wallet/statement.csv",
    "wallet/statement.parquet", "wallet/statement.pdf", "wallet/entries/<int:entry_id>/proof/",
    "wallet/entries/<int:entry_id>/proof.json",
    "redemptions/", "redemptions/new/",
    "redemptions/<uuid:redemption_id>/", "trade/<slug:symbol>/order/", "buy/<slug:symbol>/",
    "buy/<slug:symbol>/confirm/", "orders/<uuid:order_id>/", "orders/<uuid:order_id>/cancel/",
    "orders/<uuid:order_id>/amend/",
    "orders/cancel-all/", "orders/by-client-id/<str:client_order_id>/", "portfolio/", "activity/",
    "activity/export.csv",
}  # fmt: skip
SIGNED = {"0/private/<str:method>", "webhooks/kyc/"}
API, STAFF = "api/v1/", "admin/"
# What any staff may open without a permission: none of it shows a row.
STAFF_COMMON = {
    "admin/", "admin/logout/", "admin/password_change/", "admin/password_change/done/",
    "admin/jsi18n/", "admin/search/", "admin/demo-time/",
}  # fmt: skip
VALUES = {
    "<str:key_id>": "none", "<uuid:document_id>": "0192f2c0-1111-7aaa-8bbb-000000000001",
    "<uuid:redemption_id>": "0192f2c0-1111-7aaa-8bbb-000000000001",
    "<uuid:order_id>": "0192f2c0-1111-7aaa-8bbb-000000000001", "<int:pk>": "1",
    "<str:subject>": "AAPLx", "<slug:symbol>": "AAPLxUSDC", "<str:client_order_id>": "mine",
    "<int:entry_id>": "1", "<path:object_id>": "1", "<id>": "1", "<str:object_id>": "1",
    "<int:content_type_id>": "1",
}  # fmt: skip


def every_address() -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []

    def walk(prefix: str, patterns: list[URLPattern | URLResolver]) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(route, each.url_patterns)
            else:
                found.append((route, each))

    walk("", get_resolver().url_patterns)
    return found


ADDRESSES = every_address()
STAFF_ROUTES = sorted(
    {route for route, _ in ADDRESSES if route.startswith(STAFF)} - ANYBODY - STAFF_COMMON
)


def target(route: str) -> str:
    for placeholder, value in VALUES.items():
        route = route.replace(placeholder, value)
    return "/" + route


def test_every_address_has_exactly_one_rule() -> None:
    ours = [route for route, _ in ADDRESSES if not route.startswith((API, STAFF))]
    rules = [ANYBODY - {"admin/login/"}, SIGNED_IN, SIGNED]

    for route in ours:
        assert sum(route in rule for rule in rules) == 1, f"who may open {route!r}?"
    assert {route for route, _ in ADDRESSES} >= STAFF_COMMON
    assert set().union(*rules) <= set(ours), "a rule for an address that is gone"


def test_what_is_open_says_so_in_the_code() -> None:
    """Closed is the default: only @login_not_required opens a view."""
    for route, pattern in ADDRESSES:
        is_open = getattr(pattern.callback, "login_required", True) is False
        assert is_open == (route in ANYBODY | SIGNED or route.startswith(API)), route


def test_only_signed_requests_are_let_in_without_a_csrf_token() -> None:
    """The API's views are exempt from Django's check and make their own for sessions."""
    exempt = {route for route, each in ADDRESSES if getattr(each.callback, "csrf_exempt", False)}

    kraken = {"0/public/<str:method>", "0/^.*$"}
    assert {route for route in exempt if not route.startswith(API)} == SIGNED | kraken


def test_every_view_of_the_api_names_its_permission() -> None:
    for route, pattern in ADDRESSES:
        if route.startswith(API):
            view: type[APIView] = pattern.callback.cls  # type: ignore[attr-defined]
            assert view.permission_classes, route
            assert Nobody not in view.permission_classes, route


def test_a_session_without_its_token_changes_nothing_by_the_api(
    house: House,  # noqa: F811
    alice: Investor,  # noqa: F811
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]

    for address in ("orders", "redemptions", "disclosures/AAPLx/consent"):
        answer = client.post(f"/api/v1/{address}/", {}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("route", sorted(SIGNED_IN))
def test_a_visitor_is_asked_to_sign_in(house: House, route: str) -> None:  # noqa: F811
    for answer in (Client().get(target(route)), Client().post(target(route))):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/account/login/")


@pytest.mark.parametrize("route", sorted(SIGNED))
def test_a_session_is_no_signature(
    house: House,  # noqa: F811
    alice: Investor,  # noqa: F811
    route: str,
) -> None:
    answer = client_of(alice).post(target(route).replace("<str:method>", "Balance"))

    if route.startswith("0/"):
        assert "result" not in answer.json()
        assert answer.json()["error"][0].startswith("EAPI:")
    else:
        assert answer.status_code == 401


def test_no_page_of_the_staff_opens_for_anybody_else(
    house: House,  # noqa: F811
    alice: Investor,  # noqa: F811
) -> None:
    for client in (Client(), client_of(alice)):
        for route in [*STAFF_ROUTES, *sorted(STAFF_COMMON)]:
            for answer in (client.get(target(route)), client.post(target(route))):
                assert answer.status_code in (302, 403, 404), route
                if answer.status_code == 302:
                    assert "/login/" in answer["Location"] or route == "admin/logout/", route


def test_no_page_of_the_staff_opens_without_its_permission(house: House) -> None:  # noqa: F811
    nobody = client_of(house.sign_up("nobody", is_staff=True))
    opened = []
    for route in STAFF_ROUTES:
        for answer in (nobody.get(target(route)), nobody.post(target(route))):
            # A redirect is Django's "there is no such row"; nothing is shown or done.
            if answer.status_code not in (302, 403, 404, 405):
                opened.append((route, answer.status_code))

    assert len(STAFF_ROUTES) > 100
    assert opened == []


def test_the_whole_desk_opens_for_who_has_every_permission(house: House, olga: User) -> None:  # noqa: F811
    """Else the test before would pass for a desk that opens for nobody."""
    lists = [route for route in STAFF_ROUTES if route.count("/") == 3 and "<" not in route]

    assert len(lists) > 20
    for route in lists:
        assert client_of(olga).get(target(route)).status_code == 200, route


def test_every_socket_is_known_and_behind_the_check_of_its_origin() -> None:
    assert [str(each.pattern) for each in consumers.websocket_urlpatterns] == ["ws/v1"]
    assert isinstance(routing.websocket, SameSite)


async def test_a_visitor_on_the_socket_is_nobody(db: None, valkey_url: str) -> None:
    connection = socket()
    await connection.connect()
    order = {"listing": "AAPLxUSDC", "side": "buy", "order_type": "market", "cash": "1"}
    messages = [{"type": "subscribe", "channel": channel} for channel in PRIVATE_CHANNELS]
    messages += [{"type": "place_order", **order}, {"type": "cancel_order", "order_id": "1"}]

    for message in messages:
        assert (await ask(connection, **message))["code"] == "not_authenticated"
    await connection.disconnect()
