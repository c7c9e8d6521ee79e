"""Statements by /api/v1: pages that end with one seal, own assets only."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from custody import sealing
from tests.ledger_stories import Books
from tests.sealing_stories import seal_all

DAYS = {"asset": "usdc", "first": "2026-03-04", "last": "2026-03-05"}


@pytest.fixture
def books(cloned_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    return Books()


@pytest.fixture
def alice(books: Books) -> Client:
    """Three deposits in a seal."""
    sealer = sealing.sealer()
    sealer.start()
    for amount in ("10", "2.5", "1"):
        books.give("alice main USDC", amount)
    books.give("bob main AAPLx", "1")
    seal_all(sealer)
    investor = books.investors["alice"]
    investor.user = User.objects.create_user("alice@example.org", password=None)
    investor.save()
    client = Client()
    client.force_login(investor.user)
    return client


def test_pages_go_through_a_statement_and_all_end_with_one_seal(
    alice: Client, books: Books
) -> None:
    first = alice.get("/api/v1/statements/", DAYS | {"limit": "2"}).json()
    books.give("alice main USDC", "100")
    sealer = sealing.sealer()
    seal_all(sealer, int(timedelta(hours=1).total_seconds()))
    rest = alice.get(
        "/api/v1/statements/", DAYS | {"limit": "2", "cursor": first["next_cursor"]}
    ).json()

    assert [line["amount"] for line in first["results"] + rest["results"]] == ["10", "2.5", "1"]
    assert [line["balance"] for line in first["results"]] == ["10", "12.5"]
    assert (first["opening_balance"], first["closing_balance"], first["lines"]) == ("0", "13.5", 3)
    assert rest["closing_seal"] == first["closing_seal"]
    assert rest["closing_seal"]["n"] == 1
    assert rest["next_cursor"] is None
    assert alice.get("/api/v1/statements/", DAYS).json()["lines"] == 4


def test_another_asset_or_a_wrong_question_is_refused(alice: Client) -> None:
    def status(**query: str) -> int:
        return alice.get("/api/v1/statements/", DAYS | query).status_code

    assert status(asset="AAPLx") == 404  # bob's
    assert status(seal="7") == 404
    assert status(first="yesterday") == 400
    for cursor in ("1", "1:x", "a:b", "1:2:3", "9" * 30 + ":1", "¹:1"):
        assert status(cursor=cursor) == 400, cursor
    assert alice.get("/api/v1/statements/").status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/statements/", "/wallet/statement/"])
def test_the_first_and_the_last_day_there_is_are_days(alice: Client, path: str) -> None:
    ever = {"asset": "USDC", "first": "0001-01-01", "last": "9999-12-31"}

    assert alice.get(path, ever).status_code == 200


def test_days_without_anything_are_an_empty_statement(alice: Client) -> None:
    empty = alice.get("/api/v1/statements/", DAYS | {"first": "2020-01-01", "last": "2020-01-02"})

    assert empty.json()["closing_seal"] is None
    assert empty.json()["results"] == []
    assert empty.json()["closing_balance"] == "0"
