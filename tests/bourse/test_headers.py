"""The headers that keep other people's scripts out of our pages."""

import pytest
from django.test import Client

from bourse.same_site import is_allowed_origin


def test_our_pages_run_no_script_but_our_own(client: Client) -> None:
    policy = client.get("/health/live")["Content-Security-Policy"]

    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
    assert "object-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


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
    ("origin", "allowed"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1:1", True),
        ("http://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_socket_opens_only_from_our_own_pages(origin: str, allowed: bool) -> None:
    assert is_allowed_origin(origin) is allowed
