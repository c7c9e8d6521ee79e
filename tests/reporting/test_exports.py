"""The export of a day, from stored trades to the released file."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, transaction
from lxml import etree

from accounts.models import PersonalDataAccess
from kernel.refusals import Forbidden
from reporting import operations, queries, rts22, tasks
from reporting.models import ExportDownload, ExportFile
from reporting.operations import (
    DayNotOver,
    ExportAlreadyReleased,
    NothingToDownload,
    build_rts22,
    download_export,
    release_export,
)
from reporting.states import ExportNotReleasable

from .conftest import DAY, NEXT_MORNING, NOON, TEST_ISIN

RIGHTS = ("run_export", "download_export", "release_export")


def texts(content: bytes, path: str) -> list[str]:
    names = {"m": rts22.BODY_NAMESPACE}
    found = etree.fromstring(content).xpath(f"//{path}/text()", namespaces=names)
    assert isinstance(found, list)
    return [str(text) for text in found]


@pytest.fixture
def market(make_listing: Any, make_person: Any, house: int, make_trade: Any) -> dict[str, Any]:
    """Anna bought from the house, Bruno from Anna; AAPLx has an ISIN, MSFTx has none."""
    apple, microsoft = make_listing("AAPL", TEST_ISIN), make_listing("MSFT")
    anna = make_person("Anna Maria", "von der Müster", "DE")
    bruno = make_person("Bruno", "Rossi", "IT", IT="RSSBRN90A15H501X")
    make_trade(apple, anna, house)
    make_trade(apple, bruno, anna, NOON + timedelta(microseconds=5))
    left_out = make_trade(microsoft, anna, house)
    make_trade(apple, anna, house, NOON + timedelta(days=1))
    return {"anna": anna, "bruno": bruno, "left_out": left_out, "apple": apple, "house": house}


def test_a_day_s_file_is_valid_and_lists_what_it_leaves_out(
    market: dict[str, Any], schema_dir: Any, make_staff: Callable[..., Any]
) -> None:
    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert (export.state, export.validation_errors) == ("validated", [])
    assert (export.reported_rows, export.not_reportable_rows) == (2, 1)
    [row] = export.not_reportable.all()
    assert (row.trade_id, row.listing_symbol, row.reason_code) == (
        market["left_out"].id,
        "MSFTxUSDC",
        "token_isin_missing",
    )
    content = download_export(
        export_id=export.pk, staff=make_staff("download_export"), now=NEXT_MORNING
    ).content
    assert texts(content, "m:TradgCpcty") == ["DEAL", "AOTC"]
    assert texts(content, "m:Buyr//m:Othr/m:Id") == [
        "DE19900115ANNA#MUSTE",
        "ITRSSBRN90A15H501X",
    ]
    assert texts(content, "m:Buyr//m:SchmeNm/m:Cd") == ["NIDN"]
    assert texts(content, "m:Unit") == ["0.0035", "0.0035"]
    assert texts(content, "m:Amt") == ["231.1", "231.1"]


def test_the_names_come_through_the_recorded_door(
    market: dict[str, Any], without_schemas: None
) -> None:
    build_rts22(day=DAY, now=NEXT_MORNING)

    accesses = PersonalDataAccess.objects.values_list("purpose", "reader")
    assert list(accesses) == [("rts22_report", None)] * 2


def test_the_stored_file_holds_no_name_in_plain(
    market: dict[str, Any], without_schemas: None
) -> None:
    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert b"ANNA" not in bytes(export.content_sealed)


def test_building_again_gives_the_same_file_and_the_day_stays_one(
    market: dict[str, Any], without_schemas: None
) -> None:
    first = build_rts22(day=DAY, now=NEXT_MORNING)
    again = build_rts22(day=DAY, now=NEXT_MORNING + timedelta(hours=1))

    assert again.pk == first.pk
    assert again.content_sha256 == first.content_sha256 != ""
    assert ExportFile.objects.count() == 1
    assert again.not_reportable.count() == 1


def test_without_the_official_schema_nothing_is_claimed_and_nothing_released(
    market: dict[str, Any], without_schemas: None, real_firm: str, make_staff: Any
) -> None:
    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert (export.state, export.validated_at) == ("not_validated", None)
    with pytest.raises(ExportNotReleasable):
        release_export(export_id=export.pk, staff=make_staff(*RIGHTS), now=NEXT_MORNING)


def test_a_released_file_never_changes(
    market: dict[str, Any], schema_dir: Any, real_firm: str, make_staff: Any, make_trade: Any
) -> None:
    officer = make_staff(*RIGHTS)
    export = build_rts22(day=DAY, now=NEXT_MORNING)

    released = release_export(export_id=export.pk, staff=officer, now=NEXT_MORNING)

    assert (released.state, released.released_by) == ("released", officer)
    assert released.filename == "rts22-20260302.xml"
    make_trade(market["apple"], market["anna"], market["house"])
    with pytest.raises(ExportAlreadyReleased):
        build_rts22(day=DAY, now=NEXT_MORNING)
    with pytest.raises(ExportNotReleasable):
        release_export(export_id=export.pk, staff=officer, now=NEXT_MORNING)
    # And the other net: the database refuses what the code would not do.
    for change in (
        lambda: ExportFile.objects.filter(pk=export.pk).update(reported_rows=0),
        lambda: ExportFile.objects.filter(pk=export.pk).delete(),
    ):
        with pytest.raises(Error), transaction.atomic():
            change()


@pytest.mark.parametrize("test_what", ["isin", "firm"])
def test_a_file_with_test_identifiers_is_never_released(  # noqa: PLR0917
    make_listing: Any,
    make_person: Any,
    make_trade: Any,
    house: int,
    schema_dir: Any,
    make_staff: Any,
    test_what: str,
    request: pytest.FixtureRequest,
) -> None:
    if test_what == "isin":
        request.getfixturevalue("real_firm")
    apple = make_listing("AAPL", TEST_ISIN, is_test=test_what == "isin")
    make_trade(apple, make_person("Anna", "Muster", "DE"), house)

    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert export.filename == "rts22-20260302-test-validated.xml"
    with pytest.raises(ExportNotReleasable, match="test"):
        release_export(export_id=export.pk, staff=make_staff(*RIGHTS), now=NEXT_MORNING)


def test_a_file_built_before_its_day_was_over_is_not_final(
    market: dict[str, Any], schema_dir: Any, real_firm: str, make_staff: Any
) -> None:
    export = build_rts22(day=DAY, now=NOON)

    with pytest.raises(DayNotOver):
        release_export(export_id=export.pk, staff=make_staff(*RIGHTS), now=NEXT_MORNING)
    with pytest.raises(DayNotOver):
        build_rts22(day=DAY + timedelta(days=2), now=NEXT_MORNING)


def test_parties_that_cannot_be_named_are_left_out_with_the_reason(
    make_listing: Any, make_person: Any, make_trade: Any, house: int, without_schemas: None
) -> None:
    from accounts.models import Investor

    apple = make_listing("AAPL", TEST_ISIN)
    company = Investor.objects.create(kind="firm", display_name="Acme", created_at=NOON)
    stranger = Investor.objects.create(display_name="Nobody", created_at=NOON)
    spaniard = make_person("Lucía", "García", "ES")
    for party in (company.pk, stranger.pk, spaniard):
        make_trade(apple, party, house)

    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert export.state == "empty"
    assert list(export.not_reportable.order_by("id").values_list("reason_code", flat=True)) == [
        "party_lei_missing",
        "party_not_identified",
        "party_identifier_missing",
    ]


def test_a_trade_of_the_house_with_itself_is_left_out(
    make_listing: Any, make_trade: Any, house: int, without_schemas: None
) -> None:
    make_trade(make_listing("AAPL", TEST_ISIN), house, house)

    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert export.not_reportable.get().reason_code == "no_change_of_owner"


def test_a_download_needs_the_right_and_leaves_a_row(
    market: dict[str, Any], without_schemas: None, make_staff: Any
) -> None:
    export = build_rts22(day=DAY, now=NEXT_MORNING)
    officer = make_staff("download_export")

    with pytest.raises(Forbidden):
        download_export(export_id=export.pk, staff=make_staff("run_export"), now=NEXT_MORNING)
    found = download_export(export_id=export.pk, staff=officer, now=NEXT_MORNING)

    assert found.filename == "rts22-20260302-test-not-validated.xml"
    [row] = ExportDownload.objects.all()
    assert (row.staff, row.content_sha256) == (officer, export.content_sha256)
    with pytest.raises(Error), transaction.atomic():
        ExportDownload.objects.all().delete()


def test_an_empty_day_has_no_file(db: None, make_staff: Any) -> None:
    export = build_rts22(day=DAY, now=NEXT_MORNING)

    assert (export.state, export.content_sha256) == ("empty", "")
    with pytest.raises(NothingToDownload):
        download_export(export_id=export.pk, staff=make_staff(*RIGHTS), now=NEXT_MORNING)


def test_the_sweep_builds_each_past_day_with_trades_once(
    market: dict[str, Any], without_schemas: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queries.list_days_due(now=NOON) == []
    assert queries.list_days_due(now=NEXT_MORNING) == [DAY]
    # Built too early it is due again, built after its end it is done.
    build_rts22(day=DAY, now=NOON)
    assert queries.list_days_due(now=NEXT_MORNING) == [DAY]

    monkeypatch.setattr(tasks.clock, "now", lambda: NEXT_MORNING)
    tasks.export_transactions()

    assert queries.list_days_due(now=NEXT_MORNING) == []
    assert ExportFile.objects.get().built_at == NEXT_MORNING


def test_a_firm_without_identifiers_reports_nothing(
    market: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.conf import settings

    from reporting.firm import ReportingFirmUnknown

    monkeypatch.setattr(settings.ENV, "firm_lei", "529900T8BM49AURSDO54")
    with pytest.raises(ReportingFirmUnknown):
        build_rts22(day=DAY, now=NEXT_MORNING)
    monkeypatch.setattr(settings.ENV, "firm_lei", "529900T8BM49AURSDO55")
    with pytest.raises(ReportingFirmUnknown):
        build_rts22(day=DAY, now=NEXT_MORNING)


def test_too_many_trades_for_one_file_are_refused(
    market: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporting import transactions

    monkeypatch.setattr(transactions, "TRADES_PER_FILE_MAX", 2)

    with pytest.raises(transactions.TooManyTrades):
        operations.build_rts22(day=DAY, now=NEXT_MORNING)
