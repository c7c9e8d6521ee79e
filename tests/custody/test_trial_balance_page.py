"""The desk's trial balance: as of a seal or a time, a page and a CSV, for who may look."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from custody import periods, sealing
from custody.models import Seal
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import seal_all

PAGE = "/admin/custody/period/trial-balance/"
CSV = "/admin/custody/period/trial-balance/export.csv"


@pytest.fixture
def two_seals(books: Books, sealer: sealing.Sealer) -> Books:
    books.give("alice main USDC", "1234.5")
    seal_all(sealer)
    books.give("bob main USDC", "1")
    seal_all(sealer, 3600)
    return books


def officer(*permissions: str) -> Client:
    user = User.objects.create_user("officer@example.org", password=None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def olga(two_seals: Books) -> Client:
    return officer("view_ledgeraccount", "view_period")


def test_it_shows_every_purpose_and_a_sum_of_zero(olga: Client) -> None:
    page = olga.get(PAGE, {"as_of": "1"})

    (usdc,) = page.context["assets"]
    assert (usdc["code"], usdc["total"]) == ("USDC", "0")
    assert usdc["rows"] == [("Chain", "-1,234.5", True), ("Main", "1,234.5", False)]
    assert "Ledger seal <strong>1</strong>" in page.content.decode()


def test_it_is_as_of_a_seal_a_time_or_now(olga: Client) -> None:
    for as_of, n in (("1", 1), ("2", 2), ("2026-03-04T12:30", 1), ("", 2)):
        assert olga.get(PAGE, {"as_of": as_of}).context["seal"].n == n
    for wrong in ("3", "yesterday", "2020-01-01", "9" * 30):
        refused = olga.get(PAGE, {"as_of": wrong})
        assert refused.status_code == 422
        assert refused.context["problem"]
        assert olga.get(CSV, {"as_of": wrong}).status_code == 422


def test_the_csv_names_the_seal_in_every_row(olga: Client) -> None:
    answer = olga.get(CSV, {"as_of": "2"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))

    balances = [(row["asset"], row["purpose"], row["balance"]) for row in rows]
    assert balances == [("USDC", "chain", "-1235.5"), ("USDC", "main", "1235.5")]
    assert {row["as_of_seal"] for row in rows} == {"2"}


def test_closed_periods_are_listed_and_lead_to_their_balances(olga: Client) -> None:
    seal = Seal.objects.get(chain="ledger", n=1)
    periods.close_period(seal=seal, now=NOON + timedelta(hours=2))

    assert 'href="?as_of=1"' in olga.get(PAGE).content.decode()
    assert f"{PAGE}?as_of=1" in olga.get("/admin/custody/period/").content.decode()


def test_nobody_sees_it_without_the_permission(two_seals: Books) -> None:
    client = officer("view_period", "view_seal")

    assert client.get(PAGE).status_code == 403
    assert client.get(CSV).status_code == 403
    assert Client().get(PAGE).status_code == 302
