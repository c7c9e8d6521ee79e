"""The statement as files: the same bytes whenever asked, the same rows in each kind."""

import csv
import io
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test import Client
from pypdf import PdfReader

from accounts.models import KycCase, PersonalDataAccess, User
from accounts.personal_data import PersonalData, seal_form
from custody import ledger, sealing
from custody.models import Seal
from custody.sealing import seal_hash
from custody.statements import documents, exports
from custody.statements.documents import DocumentsBusy
from custody.statements.typeset import typeset
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import seal_all

ADDRESS = "/wallet/statement"
DAYS = {"asset": "USDC", "first": "2026-03-04", "last": "2026-03-05"}
ALL = DAYS | {"asset": "all"}


@pytest.fixture
def alice(books: Books, sealer: sealing.Sealer) -> Client:
    """She has 100 USDC and 3 AAPLx on the first day; the next day a fee of 5.000001 USDC."""
    books.give("alice main USDC", "100")
    books.give("alice main AAPLx", "3")
    seal_all(sealer)
    fee = {"alice main USDC": "-5.000001", "fees USDC": "+5.000001"}
    ledger.post([books.entry("fee", fee, reference="order 1")], NOON + timedelta(days=1))
    seal_all(sealer, 24 * 3600)
    investor = books.investors["alice"]
    investor.user = User.objects.create_user("alice@example.org", password=None)
    investor.save()
    client = Client()
    client.force_login(investor.user)
    return client


def called(books: Books, given: str, family: str) -> None:
    """Alice's verified name."""
    case = KycCase.objects.create(investor=books.investors["alice"], opened_at=NOON)
    data = PersonalData(
        given_names=given,
        family_names=family,
        birth_date=date(1980, 1, 1),
        street="1",
        postal_code="1",
        city="Berlin",
        tax_residences=[],
    )
    case.form_sealed = seal_form(data, case_id=case.pk)
    case.save()


def pdf_of(client: Client, **query: str) -> bytes:
    answer = client.get(f"{ADDRESS}.pdf", DAYS | query)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    content: bytes = answer.content
    return content


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def table_of(client: Client, **query: str) -> pa.Table:
    answer = client.get(f"{ADDRESS}.parquet", DAYS | query)
    assert answer.status_code == 200
    return pq.read_table(pa.BufferReader(answer.content))


def test_a_pdf_is_the_same_to_the_byte_whenever_it_is_asked_for(
    alice: Client, books: Books, sealer: sealing.Sealer
) -> None:
    first = pdf_of(alice, seal="2")
    books.give("alice main USDC", "1")
    seal_all(sealer, 24 * 3600 + 60)

    assert pdf_of(alice, seal="2") == first
    assert pdf_of(alice) != first
    assert pdf_of(alice, seal="1") != first


def test_a_pdf_says_whose_it_is_and_what_it_stands_on(alice: Client, books: Books) -> None:
    called(books, "Lucía", "Γεωργίου Иванов")
    seal = Seal.objects.get(chain="ledger", n=2)

    pdf = pdf_of(alice)
    text = text_of(pdf)

    for words in ("Lucía Γεωργίου Иванов", "4 March 2026 to 5 March 2026", "ledger seal 2",
                  "before the ledger’s first seal", "Opening balance", "−5.000001",
                  "94.999999 USDC", "Page 1 of 1", seal_hash(seal).hex(), seal.key_id,
                  "How to check this statement"):  # fmt: skip
        assert words in text, words
    made_at = PdfReader(io.BytesIO(pdf)).metadata
    assert made_at is not None
    assert made_at.creation_date == seal.sealed_at.replace(microsecond=0)


def test_reading_the_name_is_on_the_record(alice: Client, books: Books) -> None:
    called(books, "Alice", "Adams")

    pdf_of(alice)

    access = PersonalDataAccess.objects.get()
    assert (access.purpose, access.reader) == (
        "statement of account",
        books.investors["alice"].user,
    )


def test_a_name_without_a_glyph_is_written_in_latin_letters(alice: Client, books: Books) -> None:
    called(books, "小明", "王")

    text = text_of(pdf_of(alice))

    assert "XiaoMing Wang (written in Latin letters)" in text


def test_all_assets_have_an_overview_and_a_section_each(alice: Client) -> None:
    text = text_of(pdf_of(alice, asset="all"))

    assert "Overview" in text
    assert text.index("94.999999 USDC") < text.index("3 AAPLx")


def test_every_page_of_a_long_statement_is_numbered() -> None:
    line = ["2026-03-04 12:00:00", "1", "1", "Trade", "−1.00", "1,000.00"]
    at = {"year": 2026, "month": 3, "day": 4, "hour": 12, "minute": 0, "second": 0}
    seal = {"n": 7, "sealed_at": at, "hash": "ab" * 32, "key_id": "00" * 8}
    sums = dict.fromkeys(("opening", "in", "out", "closing"), "0.00")
    section = {"code": "USDC", "asset_name": "USD Coin", **sums, "lines": [line] * 200}
    content = {"name": "Alice", "latin_name": "Alice", "first_date": "2026-03-04",
               "last_date": "2026-03-04", "opening_seal": seal, "closing_seal": seal,
               "sections": [section]}  # fmt: skip

    pages = [page.extract_text() for page in PdfReader(io.BytesIO(typeset(content))).pages]

    assert len(pages) > 4
    for number, text in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in text
    assert all("Balance" in text for text in pages[:-1])  # the head is on every page


def test_parquet_has_the_rows_of_the_csv_typed(alice: Client) -> None:
    lines = csv.DictReader(io.StringIO(alice.get(f"{ADDRESS}.csv", ALL).content.decode()))
    table = table_of(alice, asset="all")

    rows = list(lines)
    assert len(rows) == 7  # two sections: USDC with two lines, AAPLx with one
    assert table.column_names == list(rows[0])
    for row, packed in zip(rows, table.to_pylist(), strict=True):
        for name in ("kind", "asset", "reference"):
            assert (packed[name] or "") == row[name]
        for name in ("seal", "entry"):
            assert ("" if packed[name] is None else str(packed[name])) == row[name]
        for name in ("amount", "balance"):
            assert packed[name] == (Decimal(row[name]) if row[name] else None)
        at = packed["time_utc"]
        assert (at.isoformat(timespec="microseconds") if at else "") == row["time_utc"]


def test_parquet_has_the_assets_decimals_and_names_its_seals(alice: Client) -> None:
    table = table_of(alice)
    seal = Seal.objects.get(chain="ledger", n=2)

    assert table.schema.field("amount").type == pa.decimal128(38, 6)
    assert table.schema.field("time_utc").type == pa.timestamp("us", tz="UTC")
    assert table_of(alice, asset="AAPLx").schema.field("balance").type == pa.decimal128(38, 8)
    assert table.schema.metadata == {
        b"bourse.statement": b"1",
        b"bourse.first_date": b"2026-03-04",
        b"bourse.last_date": b"2026-03-05",
        b"bourse.opening_seal": b"",
        b"bourse.closing_seal": b"2",
        b"bourse.closing_seal_hash": seal_hash(seal).hex().encode(),
        b"bourse.seal_key_id": seal.key_id.encode(),
    }
    assert table.column("time_utc").to_pylist()[1] == datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert alice.get(f"{ADDRESS}.parquet", DAYS).content == (
        alice.get(f"{ADDRESS}.parquet", DAYS).content
    )


def test_a_file_that_would_be_too_long_says_how_long(
    alice: Client, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    called(books, "Alice", "Adams")
    monkeypatch.setattr(exports, "PDF_LINES_MAX", 1)

    refused = alice.get(f"{ADDRESS}.pdf", DAYS)

    assert refused.status_code == 422
    assert "There are 2 lines; this file holds at most 1." in refused.content.decode()
    assert not PersonalDataAccess.objects.exists()  # nor is the name read for nothing
    assert alice.get(f"{ADDRESS}.csv", DAYS).status_code == 200


def test_days_without_a_seal_have_no_file(alice: Client) -> None:
    for kind in ("csv", "pdf", "parquet"):
        refused = alice.get(f"{ADDRESS}.{kind}", {"first": "2020-01-01", "last": "2020-01-31"})
        assert refused.status_code == 409


def test_files_wait_for_each_other_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "WAIT_SECONDS_MAX", 0.01)
    taken = [documents._places.acquire() for _ in range(documents.AT_ONCE_MAX)]
    try:
        with pytest.raises(DocumentsBusy):
            documents.make("custody.statements.columnar", {})
    finally:
        for _ in taken:
            documents._places.release()


def test_no_connection_is_kept_from_others_while_a_file_is_made(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bool] = []
    run = subprocess.run

    def watched(*arguments: Any, **options: Any) -> Any:
        kept.append(connection.connection is not None)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", watched)

    pdf_of(alice)

    assert kept == [False]


def test_a_maker_that_fails_is_an_error_and_no_empty_file() -> None:
    with pytest.raises(RuntimeError, match="columnar failed: Traceback"):
        documents.make("custody.statements.columnar", {})
