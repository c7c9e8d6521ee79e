"""An investor's statement of account: lines, running balance, own data only."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from custody import ledger, sealing, statements
from custody.models import Asset
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import seal_all

DAY = date(2026, 3, 4)
NEXT = timedelta(days=1)


@pytest.fixture
def books(cloned_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    return Books()


@pytest.fixture
def two_days(books: Books) -> Books:
    """Alice: 100 in on the first day, 40 of it on the way; the next day they arrive, 5 go."""
    sealer = sealing.sealer()
    sealer.start()
    books.give("alice main USDC", "100")
    books.give("bob main USDC", "7")
    books.book("pool in requested", {"alice main USDC": "-40", "transit USDC": "+40"})
    seal_all(sealer)
    transfer = {"transit USDC": "-40", "alice trading USDC": "+40"}
    books.book_as_engine("pool in done", transfer)
    fee = books.entry("fee", {"alice main USDC": "-5", "fees USDC": "+5"}, reference="order 1")
    ledger.post([fee], NOON + NEXT)
    seal_all(sealer, 24 * 3600)
    books.give("alice main USDC", "1")
    return books


def of_alice(books: Books, first: date, last: date) -> statements.Statement:
    usdc = Asset.objects.get(code="USDC")
    alice = books.investors["alice"].id
    return statements.get_statement(investor_id=alice, asset=usdc, first_date=first, last_date=last)


def test_units_on_the_way_are_ones_own_and_transfers_no_lines(two_days: Books) -> None:
    both = of_alice(two_days, DAY, DAY + NEXT)
    second = of_alice(two_days, DAY + NEXT, DAY + NEXT)

    assert [(line.kind, line.units, line.balance_units) for line in both.lines] == [
        ("given", 100_000_000, 100_000_000),
        ("fee", -5_000_000, 95_000_000),
    ]
    assert (both.opening_units, both.closing_units) == (0, 95_000_000)
    assert (second.opening_units, second.closing_units) == (100_000_000, 95_000_000)
    assert [line.kind for line in second.lines] == ["fee"]
    assert of_alice(two_days, DAY + NEXT, DAY + NEXT) == second


def test_days_before_any_seal_are_empty_and_too_many_lines_refused(
    two_days: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_alice(two_days, DAY - 2 * NEXT, DAY - NEXT).until is None

    monkeypatch.setattr(statements, "LINES_MAX", 1)
    with pytest.raises(statements.StatementTooLong):
        of_alice(two_days, DAY, DAY + NEXT)


def test_the_csv_is_of_the_own_accounts(two_days: Books) -> None:
    query = {"asset": "USDC", "first": "2026-03-04", "last": "2026-03-05"}

    def rows(name: str) -> list[list[str]]:
        answer = signed_in(two_days, name).get("/wallet/statement.csv", query)
        assert answer.status_code == 200
        return list(csv.reader(io.StringIO(answer.content.decode())))

    header, opening, given, fee, closing = rows("alice")
    assert header[0] == "time_utc"
    assert opening[3:] == ["opening balance", "", "USDC", "", "0"]
    assert given[3:] == ["given", "", "USDC", "100", "100"]
    assert fee[3:] == ["fee", "order 1", "USDC", "-5", "95"]
    assert closing[3:] == ["closing balance", "", "USDC", "", "95"]
    assert [row[3] for row in rows("bob")[1:]] == ["opening balance", "given", "closing balance"]


def test_the_page_shows_it_and_says_no_to_nonsense(two_days: Books) -> None:
    alice = signed_in(two_days, "alice")
    query = {"asset": "USDC", "first": "2026-03-04", "last": "2026-03-05"}

    page = alice.get("/wallet/statement/", query).content.decode()

    assert "Opening balance" in page
    assert "first=2026-03-04&amp;last=2026-03-05" in page
    for wrong in ({"asset": "AAPLx"}, {"first": "yesterday"}):
        assert alice.get("/wallet/statement.csv", query | wrong).status_code == 422
        assert alice.get("/wallet/statement/", query | wrong).status_code == 422


def signed_in(books: Books, name: str) -> Client:
    investor = books.investors[name]
    investor.user = User.objects.filter(email=f"{name}@example.org").first() or (
        User.objects.create_user(email=f"{name}@example.org", password=None)
    )
    investor.save()
    client = Client()
    client.force_login(investor.user)
    return client
