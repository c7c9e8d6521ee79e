"""Bookkeepers fill in templates, read the postings, and confirm each other's entries."""

import csv
import io

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Proposal, User
from custody.models import JournalEntry
from tests.ledger_stories import Books

BOOK = "admin:custody_houseentry_book"
LIST = "admin:custody_houseentry_changelist"


@pytest.fixture
def books(db: None) -> Books:
    return Books()


def login(name: str, *codenames: str) -> Client:
    officer, _ = User.objects.get_or_create(email=f"{name}@example.com", is_staff=True)
    officer.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def bookkeeper(name: str) -> Client:
    return login(name, "view_houseentry", "add_houseentry", "view_journalentry")


def filled(books: Books, **other: str) -> dict[str, str]:
    form = {
        "template": "capital paid in",
        "asset": str(books.assets["USD"].pk),
        "amount": "1500.5",
        "investor": "",
        "pool": "0",
        "document": "wire 77",
        "reason": "opening capital",
    }
    return form | other


def test_an_officer_reads_the_postings_before_proposing_and_another_confirms(books: Books) -> None:
    maker, checker = bookkeeper("mia"), bookkeeper("chen")

    preview = maker.post(reverse(BOOK), filled(books)).content.decode()
    assert "equity USD" in preview
    assert "1,500.5 USD" in preview
    assert not Proposal.objects.exists()
    made = maker.post(reverse(BOOK), filled(books, confirmed="yes"))
    page = made["Location"]
    body_hash = Proposal.objects.get().body_hash
    assert "You proposed this yourself" in maker.get(page).content.decode()
    maker.post(page, {"act": "confirm", "body_hash": body_hash})
    assert not JournalEntry.objects.exists()
    assert "Confirm: Capital paid in: 1,500.5 USD" in checker.get(page).content.decode()
    checker.post(page, {"act": "confirm", "body_hash": body_hash})

    assert books["equity USD"] == "1500.5"
    entry = JournalEntry.objects.get()
    assert f"booked as entry {entry.pk}" in checker.get(page).content.decode()
    assert "booked as entry" in checker.get(reverse(LIST)).content.decode()


def test_what_would_not_be_covered_is_said_before_it_is_proposed(books: Books) -> None:
    form = filled(books, template="capital withdrawn")

    page = bookkeeper("mia").post(reverse(BOOK), form).content.decode()

    assert "(not covered)" in page


def test_a_form_that_is_wrong_proposes_nothing(books: Books) -> None:
    maker = bookkeeper("mia")
    wrong = [
        *({"amount": each} for each in ("-1", "1e3", "0", "1.1234567")),
        {"investor": "999999"},
        *({"template": each} for each in ("trade", "pledge placed")),
        {"document": ""},
        {"reason": ""},
        {"pool": "-1"},
    ]

    answers = [maker.post(reverse(BOOK), filled(books, confirmed="yes", **each)) for each in wrong]

    assert {answer.status_code for answer in answers} == {200}
    assert not Proposal.objects.exists()


def test_an_entry_is_reversed_on_its_page(books: Books) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-12", "bob main USDC": "+12"})
    maker, checker = bookkeeper("mia"), bookkeeper("chen")
    url = reverse("admin:custody_houseentry_reverse")
    form = {"entry": str(entry_id), "document": "letter 1", "reason": "not bob's"}

    preview = maker.post(url, form).content.decode()
    assert "main USDC" in preview
    made = maker.post(url, form | {"confirmed": "yes"})
    checker.post(
        made["Location"], {"act": "confirm", "body_hash": Proposal.objects.get().body_hash}
    )

    assert books["bob main USDC"] == "0"
    assert f"Reversal of deposit, entry {entry_id}" in checker.get(reverse(LIST)).content.decode()
    assert "not_reversible" in maker.post(url, form).content.decode()


def test_the_list_is_filtered_and_exported_as_it_is_shown(books: Books) -> None:
    maker = bookkeeper("mia")
    maker.post(reverse(BOOK), filled(books, confirmed="yes"))
    maker.post(
        reverse(BOOK), filled(books, confirmed="yes", template="dividend received", amount="3")
    )
    export = reverse("admin:custody_houseentry_export")

    def rows(query: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(maker.get(f"{export}?{query}").content.decode())))

    assert [row["entry"] for row in rows("")] == ["dividend received", "capital paid in"]
    (only,) = rows("template=capital paid in&asset=USD&state=proposed")
    assert (only["units"], only["document"], only["state"]) == (
        "1500500000",
        "wire 77",
        "waits for a second officer",
    )
    assert rows("template=reversal") == []


def test_a_spreadsheet_runs_nothing_of_an_export(books: Books) -> None:
    maker = bookkeeper("mia")
    formula = '=HYPERLINK("https://evil.example")'
    maker.post(reverse(BOOK), filled(books, confirmed="yes", document=formula, reason="@x"))

    text = maker.get(reverse("admin:custody_houseentry_export")).content.decode()

    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["document"], row["reason"]) == (f"'{formula}", "'@x")


def test_an_export_by_a_filter_that_is_none_is_refused(books: Books) -> None:
    answer = bookkeeper("mia").get(reverse("admin:custody_houseentry_export") + "?nothing=1")

    assert answer.status_code == 400


def test_who_may_not_sees_and_books_nothing(books: Books) -> None:
    clerk = login("clerk")
    for name in ("changelist", "export", "book", "reverse"):
        assert clerk.get(reverse(f"admin:custody_houseentry_{name}")).status_code == 403
    reader = login("compliance", "view_houseentry")

    assert reader.get(reverse(LIST)).status_code == 200
    assert reader.post(reverse(BOOK), filled(books, confirmed="yes")).status_code == 403
