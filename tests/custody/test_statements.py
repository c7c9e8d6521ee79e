"""An investor's statement of account: lines, running balance, own data only."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from custody import ledger, sealing
from custody.as_of import NoSuchSeal
from custody.models import Asset
from custody.statements import exports, reading
from custody.statements.exports import NothingSealed, StatementTooLong
from custody.time_travel import StatementLine
from custody.views import statement as page
from kernel import clock
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import as_superuser, seal_all

# One test changes a posting to see the statement refused.
LEDGER_IS_TAMPERED_WITH = True

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


def of_alice(
    books: Books, first: date, last: date, code: str = "USDC", seal_n: int | None = None
) -> reading.Statement:
    return reading.get_statement(
        investor_id=books.investors["alice"].id,
        asset=None if code == "all" else Asset.objects.get(code=code),
        first_date=first,
        last_date=last,
        until_seal_n=seal_n,
    )


def section(found: reading.Statement) -> reading.Section:
    (only,) = found.sections
    return only


def told(lines: Iterable[StatementLine]) -> list[tuple[str, int, int]]:
    return [(line.kind, line.units, line.balance_units) for line in lines]


def test_units_on_the_way_are_ones_own_and_transfers_no_lines(two_days: Books) -> None:
    both = section(of_alice(two_days, DAY, DAY + NEXT))
    second = section(of_alice(two_days, DAY + NEXT, DAY + NEXT))

    assert told(both.lines()) == [
        ("given", 100_000_000, 100_000_000),
        ("fee", -5_000_000, 95_000_000),
    ]
    assert (both.opening_units, both.closing_units) == (0, 95_000_000)
    assert (both.in_units, both.out_units, both.lines_count) == (100_000_000, -5_000_000, 2)
    assert (second.opening_units, second.closing_units) == (100_000_000, 95_000_000)
    assert told(second.lines()) == [("fee", -5_000_000, 95_000_000)]
    assert section(of_alice(two_days, DAY + NEXT, DAY + NEXT)) == second


def test_any_part_of_the_lines_is_what_all_of_them_have_there(two_days: Books) -> None:
    found = section(of_alice(two_days, DAY, DAY + NEXT))
    lines = list(found.lines())

    assert found.lines_from(0, 10) == lines
    assert found.lines_from(1, 10) == lines[1:]
    assert found.lines_from(0, 1) == lines[:1]
    assert found.lines_from(2, 10) == []


def test_a_statement_may_end_with_an_earlier_seal_of_its_days(two_days: Books) -> None:
    both = of_alice(two_days, DAY, DAY + NEXT)
    assert both.until is not None
    first = of_alice(two_days, DAY, DAY + NEXT, seal_n=1)

    assert (both.until.n, section(both).lines_count) == (2, 2)
    assert told(section(first).lines()) == [("given", 100_000_000, 100_000_000)]
    for n in (0, 3):
        with pytest.raises(NoSuchSeal):
            of_alice(two_days, DAY, DAY + NEXT, seal_n=n)


def test_all_assets_are_sections_and_empty_ones_none(two_days: Books) -> None:
    two_days.give("alice main AAPLx", "3")
    two_days.account_id("alice main USD")
    sealer = sealing.sealer()
    sealer.start()
    seal_all(sealer, 24 * 3600 + 60)

    found = of_alice(two_days, DAY, DAY + NEXT, "all")

    assert [each.asset.code for each in found.sections] == ["USDC", "AAPLx"]
    assert [each.closing_units for each in found.sections] == [96_000_000, 300_000_000]
    assert found.lines_count == 4


def test_days_before_any_seal_are_empty_and_too_many_lines_refused(
    two_days: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of_alice(two_days, DAY - 2 * NEXT, DAY - NEXT)
    assert before.until is None
    with pytest.raises(NothingSealed):
        exports.as_csv(before)

    monkeypatch.setattr(exports, "LINES_MAX", 1)
    with pytest.raises(StatementTooLong, match="2 lines"):
        exports.as_csv(of_alice(two_days, DAY, DAY + NEXT))


def test_a_statement_that_does_not_add_up_is_refused(two_days: Books) -> None:
    as_superuser(
        "UPDATE custody_posting SET units = units - 1 WHERE account_id = %(account)s"
        " AND units = -5000000",
        account=two_days.account_id("alice main USDC"),
    )

    with pytest.raises(reading.StatementDisagrees):
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
    assert "statement.pdf?asset=USDC&amp;first=2026-03-04&amp;last=2026-03-05&amp;seal=2" in page
    backwards = {"first": "2026-03-05", "last": "2026-03-04"}
    wrongs = ({"asset": "AAPLx"}, {"first": "yesterday"}, {"seal": "9"}, {"seal": "x"}, backwards)
    for wrong in wrongs:
        assert alice.get("/wallet/statement.csv", query | wrong).status_code == 422
        refused = alice.get("/wallet/statement/", query | wrong)
        assert refused.status_code == 422
        assert "Not shown" in refused.content.decode()


def test_the_page_of_all_assets_leads_to_each(two_days: Books) -> None:
    alice = signed_in(two_days, "alice")
    query = {"first": "2026-03-04", "last": "2026-03-05"}

    page = alice.get("/wallet/statement/", query).content.decode()

    assert "2 lines" in page
    assert "asset=USDC" in page
    assert "last=2026-03-05&amp;asset=USDC&amp;seal=2" in page


def test_long_statements_have_pages_that_end_with_one_seal(
    two_days: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LINES_A_PAGE", 1)
    alice = signed_in(two_days, "alice")
    query = {"asset": "USDC", "first": "2026-03-04", "last": "2026-03-05"}

    first = alice.get("/wallet/statement/", query).content.decode()
    last = alice.get("/wallet/statement/", query | {"page": "2", "seal": "2"}).content.decode()

    assert "1 to 1 of 2 lines" in first
    assert "page=2&amp;seal=2" in first
    assert "Opening balance" in first
    assert "Closing balance" not in first
    assert "Closing balance" in last


def test_every_month_that_is_over_has_its_statement(
    two_days: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = signed_in(two_days, "alice")

    def months(now: datetime) -> list[str]:
        monkeypatch.setattr(clock, "now", lambda: now)
        context = alice.get("/wallet/statement/").context
        return [f"{month.first:%Y-%m}" for month in context["months"]]

    assert months(datetime(2026, 3, 31, 23, tzinfo=UTC)) == []
    assert months(datetime(2026, 5, 1, tzinfo=UTC)) == ["2026-04", "2026-03"]


def signed_in(books: Books, name: str) -> Client:
    investor = books.investors[name]
    investor.user = User.objects.filter(email=f"{name}@example.org").first() or (
        User.objects.create_user(email=f"{name}@example.org", password=None)
    )
    investor.save()
    client = Client()
    client.force_login(investor.user)
    return client
