"""The RTS 22 file: values to bytes, and what the official schemas say of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from reporting import rts22, schemas
from reporting.natural_persons import NaturalPerson, designate, report_names

FIRM = rts22.ReportingFirm(
    lei="TEST00BOURSEDEMO0057",
    country="DE",
    venue_mic="TEST",
    decision_algorithm="BOURSEMAKER1",
    execution_algorithm="BOURSEMATCH1",
)
ALICE_FACTS = NaturalPerson("Alice", "Muster", date(1990, 1, 15), ("DE",))
ALICE = rts22.Person(designate(ALICE_FACTS), *report_names(ALICE_FACTS), "1990-01-15")
TRADE = rts22.Transaction(
    trade_id=UUID("0192f2c0-1111-7aaa-8bbb-000000000001"),
    traded_at=datetime(2026, 3, 2, 14, 30, 0, 123456, tzinfo=UTC),
    isin="XS0000000009",
    quantity=Decimal("0.00350000"),
    price=Decimal("231.10"),
    currency="USD",
    buyer=ALICE,
    seller=rts22.Firm(FIRM.lei),
    capacity="DEAL",
)
NAMESPACES = {"m": rts22.BODY_NAMESPACE, "h": rts22.HEADER_NAMESPACE}


def build(*transactions: rts22.Transaction) -> bytes:
    return rts22.build_file(
        firm=FIRM,
        transactions=transactions,
        message_id="RTS22-20260302",
        created_at=datetime(2026, 3, 3, 6, 0, tzinfo=UTC),
    )


def text_of(content: bytes, path: str) -> list[str]:
    found = etree.fromstring(content).xpath(f"//{path}/text()", namespaces=NAMESPACES)
    assert isinstance(found, list)
    return [str(text) for text in found]


def test_the_official_schemas_accept_a_sale_to_a_client(official_schemas: Path) -> None:
    assert schemas.schema_errors(content=build(TRADE), schema_dir=official_schemas) == []


def test_the_official_schemas_accept_a_trade_between_clients(official_schemas: Path) -> None:
    between_clients = replace(
        TRADE, capacity="AOTC", seller=rts22.Firm("529900T8BM49AURSDO55"), quantity=Decimal(3)
    )

    assert schemas.schema_errors(content=build(between_clients), schema_dir=official_schemas) == []


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TRADE, isin="AAPLx"),
        replace(TRADE, quantity=Decimal(0)),
        replace(TRADE, seller=rts22.Firm("XX")),
        replace(TRADE, currency="USDC"),
    ],
)
def test_the_official_schemas_object_to_a_wrong_field(
    official_schemas: Path, wrong: rts22.Transaction
) -> None:
    assert schemas.schema_errors(content=build(wrong), schema_dir=official_schemas)


def test_a_folder_without_the_schemas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(schemas.SchemaNotUsable):
        schemas.schema_errors(content=build(TRADE), schema_dir=tmp_path)


def test_the_same_values_make_the_same_bytes() -> None:
    assert build(TRADE) == build(TRADE)


def test_the_fields_carry_the_trade() -> None:
    content = build(TRADE)

    assert text_of(content, "m:TxId") == ["0192F2C011117AAA8BBB000000000001"]
    assert text_of(content, "m:TradDt") == ["2026-03-02T14:30:00.123456Z"]
    assert text_of(content, "m:Qty/m:Unit") == ["0.0035"]
    assert text_of(content, "m:Amt") == ["231.1"]
    assert text_of(content, "m:FinInstrm/m:Id") == ["XS0000000009"]
    assert text_of(content, "m:Buyr//m:Othr/m:Id") == ["DE19900115ALICEMUSTE"]
    assert text_of(content, "m:Sellr//m:LEI") == [FIRM.lei]
    assert text_of(content, "h:To//h:Othr/h:Id") == ["DE"]


def test_our_own_side_has_no_branch_country_and_a_client_has() -> None:
    content = build(TRADE)

    assert text_of(content, "m:Buyr//m:CtryOfBrnch") == ["DE"]
    assert text_of(content, "m:Sellr//m:CtryOfBrnch") == []


def test_dealing_names_algorithms_and_a_client_decides_for_itself() -> None:
    assert text_of(build(TRADE), "m:InvstmtDcsnPrsn/m:Algo") == ["BOURSEMAKER1"]
    assert text_of(build(TRADE), "m:ExctgPrsn/m:Algo") == ["BOURSEMATCH1"]

    between_clients = build(replace(TRADE, capacity="AOTC"))
    assert text_of(between_clients, "m:InvstmtDcsnPrsn/m:Algo") == []
    assert text_of(between_clients, "m:ExctgPrsn/m:Clnt") == ["NORE"]


def test_times_are_written_in_utc_with_microseconds() -> None:
    berlin_summer = timezone(timedelta(hours=2))

    assert rts22.utc_text(datetime(2026, 7, 1, 1, 0, tzinfo=berlin_summer)) == (
        "2026-06-30T23:00:00.000000Z"
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("100"), "100"),
        (Decimal("231.1000"), "231.1"),
        (Decimal("0"), "0"),
    ],
)
def test_decimals_are_plain_digits(number: Decimal, expected: str) -> None:
    assert rts22.decimal_text(number) == expected


@pytest.mark.parametrize(
    ("lei", "expected"),
    [
        ("529900T8BM49AURSDO55", True),
        ("529900T8BM49AURSDO54", False),
        ("529900t8bm49aursdo55", False),
        ("529900 T8BM49AURSDO55", False),
        ("", False),
    ],
)
def test_an_lei_is_checked_by_its_digits(lei: str, expected: bool) -> None:
    assert rts22.is_valid_lei(lei) is expected
