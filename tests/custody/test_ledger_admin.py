"""The back office sees the ledger whole and can change nothing of it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from custody import sealing
from custody.models import JournalEntry, LedgerAccount, Seal
from tests.ledger_stories import NOON, Books

MODELS = ["asset", "ledgeraccount", "journalentry", "seal", "pooltransfer"]


@pytest.fixture
def books(db: None) -> Books:
    books = Books()
    books.book("deposit", {"chain USDC": "-12.5", "alice main USDC": "+12.5"}, key="deposit:7")
    return books


@pytest.fixture
def officer(books: Books, client: Client) -> Client:
    client.force_login(
        get_user_model().objects.create_superuser(email="officer@example.com", password="x" * 20)
    )
    return client


@pytest.mark.parametrize("model", MODELS)
def test_each_list_opens_and_offers_no_change(officer: Client, model: str) -> None:
    page = officer.get(reverse(f"admin:custody_{model}_changelist"))

    assert page.status_code == 200
    assert officer.get(reverse(f"admin:custody_{model}_add")).status_code == 403


def test_an_entry_shows_its_postings_in_plain_amounts(officer: Client) -> None:
    entry = JournalEntry.objects.get(key="deposit:7")

    page = officer.get(reverse("admin:custody_journalentry_change", args=[entry.pk]))

    text = page.content.decode()
    assert "alice main" in text
    assert "-12.5" in text
    assert bytes(entry.content_hash).hex() in text
    assert "not yet sealed" in text


def test_an_account_shows_its_balance_and_latest_postings(officer: Client, books: Books) -> None:
    account = LedgerAccount.objects.get(id=books.account_id("alice main USDC"))

    page = officer.get(reverse("admin:custody_ledgeraccount_change", args=[account.pk]))

    assert "12.5" in page.content.decode()
    assert reverse("admin:custody_journalentry_change", args=[account.postings.get().entry_id]) in (
        page.content.decode()
    )


def test_a_posted_change_is_refused(officer: Client, books: Books) -> None:
    account_id = books.account_id("alice main USDC")
    page = reverse("admin:custody_ledgeraccount_change", args=[account_id])

    assert officer.post(page, {"purpose": "fees"}).status_code == 403
    assert books["alice main USDC"] == "12.5"


def test_a_seal_shows_root_and_signature(officer: Client) -> None:
    seal = Seal(
        chain="ledger",
        n=1,
        previous_hash=sealing.FIRST_PREVIOUS_HASH,
        merkle_root=bytes(range(32)),
        leaf_count=1,
        xid_from=1,
        xid_to=2,
        sealed_at=NOON + timedelta(seconds=1),
        key_id="0" * 16,
        signature=b"\x07" * 64,
    )
    seal.save()

    page = officer.get(reverse("admin:custody_seal_change", args=[seal.pk]))

    assert bytes(range(32)).hex() in page.content.decode()
    assert "07" * 64 in page.content.decode()
