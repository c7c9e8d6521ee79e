"""The headers that keep other people's scripts out of our pages."""

from typing import Any

import pytest
from django.test import Client

from bourse.same_site import is_allowed_origin


def test_our_pages_run_no_script_but_our_own(client: Client) -> None:
    policy = client.get("/health/live")["Content-Security-Policy"]

    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
    assert "object-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_admin_has_no_door_of_its_own(db: None, client: Client) -> None:
    """One sign-in, with its rate limits, second factors and passkeys, for staff too."""
    answer = client.get("/admin/login/?next=/admin/trading/")
    guessed = client.post("/admin/login/", {"username": "o@example.com", "password": "x"})

    assert answer.status_code == guessed.status_code == 302
    assert answer["Location"] == "/account/login/?next=%2Fadmin%2Ftrading%2F"
    assert guessed["Location"].startswith("/account/login/")


@pytest.mark.django_db
def test_only_the_admin_may_evaluate_scripts(client: Client) -> None:
    policy = client.get("/admin/login/")["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "script-src 'self' 'unsafe-eval' 'unsafe-inline'" not in policy
    assert "default-src 'self'" in policy


def test_every_answer_says_what_a_page_may_not_do(client: Client) -> None:
    answer = client.get("/health/live")

    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "microphone=()" in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("http://127.0.0.1:1", "127.0.0.1:1", True),
        ("http://localhost:9000", "localhost:8000", False),  # another program's page
        ("http://127.0.0.1:8000", "localhost:8000", False),
        ("ftp://localhost:8000", "localhost:8000", False),
        ("http://evil.example", "localhost:8000", False),
        ("http://evil.example", "evil.example", False),  # a name that was made to lead here
        ("http://localhost.evil.example", "localhost", False),
        ("null", "localhost", False),
        ("http://[", "localhost", False),
        ("", "", False),
    ],
)
def test_a_socket_opens_only_from_our_own_pages(origin: str, host: str, allowed: bool) -> None:
    assert is_allowed_origin(origin, host=host) is allowed


def test_where_cookies_need_tls_a_page_without_it_opens_no_socket(
    settings: Any,
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    settings.ALLOWED_HOSTS = ["bourse.example"]

    assert is_allowed_origin("https://bourse.example", host="bourse.example")
    assert not is_allowed_origin("http://bourse.example", host="bourse.example")


def test_another_origin_is_let_in_where_forms_let_it_in(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]

    assert is_allowed_origin("https://app.example", host="localhost")
