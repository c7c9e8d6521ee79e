"""Staff see both sides in words, and end a case in the back office; investors are told."""

import csv
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Proposal, User
from bourse.admin_desk import dashboard
from custody.models import ReconciliationCase, ReconciliationRun
from custody.models.reconciliation import Comparison
from custody.reconciliation.alerts import list_reconciliation_alerts
from tests.custody_stories import TOKEN, make_officer
from tests.ledger_stories import NOON, Books
from tests.reconciliation_stories import matching_run, opened_case

VIEWS = ("view_reconciliationrun", "view_reconciliationcase", "view_proposal")


@pytest.fixture
def case(db: None) -> ReconciliationCase:
    """Two tokens more on the chain than in the books."""
    return opened_case(Books().assets["AAPLx"], NOON, ledger=10 * TOKEN, party=12 * TOKEN)


def login(name: str) -> Client:
    officer = make_officer(name)
    officer.user_permissions.add(*Permission.objects.filter(codename__in=VIEWS))
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(client: Client, name: str, *args: object, query: str = "") -> str:
    answer = client.get(reverse(f"admin:{name}", args=args) + query)
    assert answer.status_code == 200, answer.headers
    return answer.content.decode()


def test_runs_and_cases_show_both_sides_in_the_assets_units(case: ReconciliationCase) -> None:
    client = login("mia")

    for page in (
        page_of(client, "custody_reconciliationrun_change", case.run_id),
        page_of(client, "custody_reconciliationcase_change", case.pk),
        page_of(client, "custody_reconciliationcase_changelist", query="?state__exact=open"),
    ):
        assert "10 AAPLx" in page
        assert "12 AAPLx" in page
        assert "+2 AAPLx" in page
    runs = page_of(client, "custody_reconciliationrun_changelist", query="?outcome=differs")
    assert "1 do not add up" in runs
    for outcome in ("unavailable", "matches"):
        query = f"?outcome={outcome}"
        assert "do not add up</" not in page_of(
            client, "custody_reconciliationrun_changelist", query=query
        )


def test_a_case_is_closed_by_two_officers_once_it_matches(case: ReconciliationCase) -> None:
    maker, checker = login("mia"), login("chen")
    page = reverse("admin:custody_reconciliationcase_change", args=[case.pk])
    assert "Propose to close it" not in maker.get(page).content.decode()
    maker.post(page, {"act": "propose_close", "explanation": "too soon"})
    assert not Proposal.objects.exists()
    matching_run(case, NOON + timedelta(minutes=3))

    assert "Propose to close it" in maker.get(page).content.decode()
    maker.post(page, {"act": "propose_close", "explanation": ""})
    assert not Proposal.objects.exists()
    maker.post(page, {"act": "propose_close", "explanation": "Minted by the old system."})
    proposal = Proposal.objects.get()
    assert "Another officer has to look" in maker.get(page).content.decode()
    shown = reverse("admin:accounts_proposal_change", args=[proposal.pk])
    assert "Minted by the old system." in checker.get(shown).content.decode()
    maker.post(shown, {"act": "confirm", "body_hash": proposal.body_hash})
    assert ReconciliationCase.objects.get().is_open
    checker.post(shown, {"act": "confirm", "body_hash": proposal.body_hash})

    closed = ReconciliationCase.objects.get()
    assert (closed.state, closed.explanation) == ("closed", "Minted by the old system.")


def test_lists_are_taken_away_as_they_are_filtered(case: ReconciliationCase) -> None:
    client = login("mia")
    matching_run(case, NOON)

    def rows(name: str, query: str = "") -> list[dict[str, str]]:
        answer = client.get(reverse(f"admin:{name}") + query)
        assert answer["Content-Type"].startswith("text/csv")
        return list(csv.DictReader(answer.content.decode().splitlines()))

    figures = rows("custody_reconciliation_csv")
    assert [row["verdict"] for row in figures] == ["matches", "break"]
    assert figures[1] | {"ledger": "10", "reported": "12", "difference": "2"} == figures[1]
    assert len(rows("custody_reconciliation_csv", "?outcome=differs")) == 1
    assert [row["asset"] for row in rows("custody_reconciliation_cases_csv")] == ["AAPLx"]
    assert rows("custody_reconciliation_cases_csv", "?state__exact=closed") == []


def test_lists_are_not_for_everybody(case: ReconciliationCase) -> None:
    stranger = User.objects.create_user(email="s@example.com", is_staff=True)
    client = Client()
    client.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")

    for name in ("custody_reconciliation_csv", "custody_reconciliation_cases_csv"):
        assert client.get(reverse(f"admin:{name}")).status_code == 403


def test_the_desk_names_an_open_case_and_leads_to_it(case: ReconciliationCase) -> None:
    (alert,) = list_reconciliation_alerts()

    assert reverse("admin:custody_reconciliationcase_change", args=[case.pk]) in alert
    assert "differ from our ledger by +2 AAPLx.</a>" in alert
    assert alert in dashboard(login("mia").get("/").wsgi_request, {})["alerts"]


def test_the_desk_says_when_reconciliation_stands_still(db: None) -> None:
    assert list_reconciliation_alerts() == []  # it never ran: a new installation

    ReconciliationRun.objects.create(
        kind="interval", as_of=NOON, finished_at=NOON - timedelta(days=900)
    )

    assert list_reconciliation_alerts() == [
        "No reconciliation has ended for 15 minutes: does the worker run?"
    ]


def test_investors_are_told_in_plain_words(case: ReconciliationCase) -> None:
    visitor = Client()

    told = visitor.get(reverse("reserves")).content.decode()
    of_token = visitor.get(reverse("reserve", args=["AAPLx"])).content.decode()

    assert "Halted while we look into a difference" in told
    assert "AAPLx cannot be minted or redeemed now" in told
    assert case.get_what_display() not in told
    assert "AAPLx" in of_token


def test_what_a_comparison_is_called_is_not_its_code() -> None:
    assert all(" " in label for label in Comparison.labels)
