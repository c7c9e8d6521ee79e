"""The two questions a load balancer asks."""

import pytest
from django.test import Client
from pytest_django import Settings


def test_a_live_process_says_so_without_any_server(client: Client) -> None:
    answer = client.get("/health/live")

    assert answer.status_code == 200
    assert answer.json() == {"status": "live"}
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_process_with_its_servers_is_ready(client: Client, valkey_url: str) -> None:
    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["answers"] == {"database": True, "valkey": True}


@pytest.mark.django_db
def test_a_process_without_valkey_is_not_ready(client: Client, settings: Settings) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["answers"] == {"database": True, "valkey": False}


def test_a_health_question_is_not_redirected_to_tls(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/health/live").status_code == 200


def test_a_health_question_cannot_be_posted(client: Client) -> None:
    assert client.post("/health/live").status_code == 405
