"""Building, releasing and downloading regulatory exports.

A day's file may be built as often as wanted and is always the same for the same
trades; once released it never changes, and a correction is a new report. Only a
file that the official schema accepted can be released.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import transaction

from accounts.encryption import open_sealed, seal
from accounts.models import User
from kernel.refusals import Forbidden, NotFound, Refusal
from reporting import firm, rts22, schemas
from reporting.models import ExportDownload, ExportFile, ExportKind, NotReportableTrade
from reporting.states import ExportNotReleasable, ExportState, advance
from reporting.transactions import DayTransactions, collect

RUN, DOWNLOAD, RELEASE = (f"reporting.{name}_export" for name in ("run", "download", "release"))


class ExportAlreadyReleased(Refusal):
    """The day's file is final. Correct it with a new report."""

    code = "export_already_released"
    http_status = 409


class DayNotOver(Refusal):
    """The day is not over yet: its file may still grow."""

    code = "day_not_over"
    http_status = 409


class NothingToDownload(Refusal):
    """The export holds no file: there was nothing to report that day."""

    code = "nothing_to_download"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it leaves the house."""

    filename: str
    content: bytes


@transaction.atomic
def build_rts22(*, day: date, now: datetime) -> ExportFile:
    """Make the file of one UTC day's trades, or make it again.

    :raises ExportAlreadyReleased: it is final.
    :raises DayNotOver: the day has not even begun.
    :raises Refusal: the firm's identifiers or the schemas are not usable.
    """
    if now < _start_of(day):
        raise DayNotOver("That day has not begun.")
    reporting = firm.reporting_firm()
    export = _locked(day=day, now=now)
    if export.state == ExportState.RELEASED:
        raise ExportAlreadyReleased
    found = collect(day=day, firm_lei=reporting.firm.lei, now=now)
    content = _content(export, reporting.firm, found)
    state, errors = _judge(content)
    export.state = advance(state=ExportState(export.state), target=state)
    export.reported_rows = len(found.transactions)
    export.not_reportable_rows = len(found.left_out)
    export.has_test_identifiers = reporting.is_test or found.has_test_isin
    export.validation_errors = errors
    export.validated_at = now if state == ExportState.VALIDATED else None
    export.built_at = now
    _store_content(export, content)
    export.save()
    _replace_left_out(export, found)
    return export


@transaction.atomic
def release_export(*, export_id: int, staff: User, now: datetime) -> ExportFile:
    """Make a validated file final.

    :raises Forbidden: no permission.
    :raises NotFound: no such export.
    :raises DayNotOver: more trades may come.
    :raises ExportNotReleasable: not validated, released already, or with test identifiers.
    """
    _require(staff, RELEASE)
    export = _get_locked(export_id)
    state = advance(state=ExportState(export.state), target=ExportState.RELEASED)
    if export.has_test_identifiers:
        raise ExportNotReleasable("The file names a test ISIN or a test firm.")
    if export.built_at < _start_of(export.day) + timedelta(days=1):
        raise DayNotOver("The file was built before its day was over: build it again.")
    export.state = state
    export.released_at, export.released_by = now, staff
    export.save(update_fields=["state", "released_at", "released_by"])
    return export


@transaction.atomic
def download_export(*, export_id: int, staff: User, now: datetime) -> Download:
    """The file's bytes, with a row that says who took them.

    :raises Forbidden: no permission.
    :raises NotFound: no such export.
    :raises NothingToDownload: the day was empty.
    """
    _require(staff, DOWNLOAD)
    export = _get_locked(export_id)
    if export.content_sealed is None:
        raise NothingToDownload
    content = open_sealed(bytes(export.content_sealed), place=_place(export))
    assert hashlib.sha256(content).hexdigest() == export.content_sha256
    ExportDownload.objects.create(
        export=export,
        staff=staff,
        content_sha256=export.content_sha256,
        state=export.state,
        downloaded_at=now,
    )
    return Download(export.filename, content)


def _locked(*, day: date, now: datetime) -> ExportFile:
    """The day's row, made when absent and locked: two builders wait for each other."""
    ExportFile.objects.bulk_create(
        [
            ExportFile(
                kind=ExportKind.RTS22,
                day=day,
                state=ExportState.EMPTY,
                schema_name=rts22.SCHEMA_NAME,
                created_at=now,
                built_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return ExportFile.objects.select_for_update().get(kind=ExportKind.RTS22, day=day)


def _get_locked(export_id: int) -> ExportFile:
    export = ExportFile.objects.select_for_update().filter(id=export_id).first()
    if export is None:
        raise NotFound("There is no such export.")
    return export


def _content(
    export: ExportFile, reporting: rts22.ReportingFirm, found: DayTransactions
) -> bytes | None:
    if not found.transactions:
        return None
    return rts22.build_file(
        firm=reporting,
        transactions=found.transactions,
        message_id=f"RTS22-{export.day:%Y%m%d}",
        created_at=export.created_at,
    )


def _judge(content: bytes | None) -> tuple[ExportState, list[str]]:
    """What the official schema says; without one, nothing is claimed."""
    if content is None:
        return ExportState.EMPTY, []
    schema_dir = settings.ENV.regulatory_schema_dir
    if schema_dir is None:
        return ExportState.NOT_VALIDATED, []
    errors = schemas.schema_errors(content=content, schema_dir=schema_dir)
    return (ExportState.INVALID if errors else ExportState.VALIDATED), errors


def _store_content(export: ExportFile, content: bytes | None) -> None:
    if content is None:
        export.content_sealed, export.content_sha256 = None, ""
        return
    sha256 = hashlib.sha256(content).hexdigest()
    if export.content_sha256 != sha256:
        export.content_sealed = seal(content, place=_place(export))
        export.content_sha256 = sha256


def _replace_left_out(export: ExportFile, found: DayTransactions) -> None:
    export.not_reportable.all().delete()
    NotReportableTrade.objects.bulk_create(
        [
            NotReportableTrade(
                export=export,
                trade_id=each.trade_id,
                listing_symbol=each.listing_symbol,
                traded_at=each.traded_at,
                reason_code=each.code,
                reason=each.reason,
            )
            for each in found.left_out
        ],
        batch_size=1_000,
    )


def _require(staff: User, permission: str) -> None:
    if not (staff.is_active and staff.is_staff and staff.has_perm(permission)):
        raise Forbidden("You may not do this with regulatory exports.")


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


def _place(export: ExportFile) -> str:
    return f"reporting_exportfile:{export.pk}"
