"""Who may ask: keys, signatures, nonces, scopes, sessions."""

import time
from typing import Any

import pytest
from django.test import Client

from accounts.models import Investor, User
from kernel import clock
from tests.partners import KrakenClient, Partner

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Investor:
    user = User.objects.create_user(email="alice@example.org", password="a-long-enough-word")
    return Investor.objects.create(user=user, display_name="Alice", created_at=clock.now())


def test_a_signed_request_answers_for_the_key_s_investor(alice: Investor) -> None:
    assert Partner.of(alice.pk).get("/api/v1/balances/") == (200, [])


def test_a_signed_query_string_is_part_of_the_signature(alice: Investor) -> None:
    partner = Partner.of(alice.pk)
    headers = partner.sign("GET", "/api/v1/orders/?limit=1", b"")

    answer = partner.client.get("/api/v1/orders/?limit=2", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")


def test_a_wrong_signature_does_not_use_the_nonce_up(alice: Investor) -> None:
    partner = Partner.of(alice.pk)
    headers = partner.sign("GET", "/api/v1/balances/", b"")

    wrong = partner.client.get(
        "/api/v1/balances/", headers=headers | {"Bourse-Signature": "00" * 32}
    )
    right = partner.client.get("/api/v1/balances/", headers=headers)
    again = partner.client.get("/api/v1/balances/", headers=headers)

    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_signature")
    assert right.status_code == 200
    assert (again.status_code, again.json()["code"]) == (401, "invalid_nonce")


def test_an_unknown_key_and_an_old_timestamp_are_refused(alice: Investor) -> None:
    partner = Partner.of(alice.pk)

    assert partner.get("/api/v1/balances/", **{"Bourse-Key": "bk_none"})[1]["code"] == "invalid_key"
    old = str(int(time.time()) - 3_600)
    status, body = partner.get("/api/v1/balances/", **{"Bourse-Timestamp": old})
    assert (status, body["code"]) == (401, "invalid_timestamp")


def test_a_kraken_key_opens_nothing_here(alice: Investor) -> None:
    kraken = KrakenClient.of(alice.pk)

    status, _ = Partner(kraken.key, kraken.secret).get("/api/v1/balances/")

    assert status == 401


@pytest.mark.parametrize(
    ("scope", "method", "target"),
    [
        ("trade", "GET", "/api/v1/balances/"),
        ("trade", "GET", "/api/v1/orders/"),
        ("read", "POST", "/api/v1/orders/"),
        ("fund", "POST", "/api/v1/orders/"),
        ("read", "DELETE", "/api/v1/orders/0192f2c0-1111-7aaa-8bbb-000000000001/"),
        ("read", "DELETE", "/api/v1/orders/by-client-id/mine/"),
        ("trade", "POST", "/api/v1/redemptions/"),
        ("trade", "GET", "/api/v1/deposit-address/"),
    ],
)
def test_a_key_without_the_scope_is_refused(
    alice: Investor, scope: str, method: str, target: str
) -> None:
    status, body = Partner.of(alice.pk, scope).send(method, target, b"{}")

    assert (status, body["code"]) == (403, "scope_missing")


def test_a_session_may_read_and_needs_a_csrf_token_to_write(alice: Investor) -> None:
    client = Client(enforce_csrf_checks=True)
    assert alice.user is not None
    client.force_login(alice.user)

    assert client.get("/api/v1/balances/").status_code == 200
    refused = client.post("/api/v1/orders/", {}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_a_login_without_an_investor_is_told_so() -> None:
    staff = User.objects.create_user(email="staff@example.org", password="a-long-enough-word")
    client = Client()
    client.force_login(staff)

    answer = client.get("/api/v1/balances/")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_an_investor")


def test_too_many_requests_are_refused_with_the_time_to_wait(
    alice: Investor, monkeypatch: Any
) -> None:
    from bourse.api_throttles import CallerThrottle

    monkeypatch.setattr(CallerThrottle, "rate", "2/min", raising=False)
    partner = Partner.of(alice.pk)

    answers = [partner.get("/api/v1/balances/") for _ in range(3)]

    assert [status for status, _ in answers] == [200, 200, 429]
    assert answers[-1][1]["code"] == "throttled"
