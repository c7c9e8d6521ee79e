"""What the staff's start page says about reconciliation."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from custody.models import ReconciliationCase
from custody.reconciliation.history import (
    SILENT_RUNS_MAX,
    list_open_cases,
    list_silent_parties,
    stands_still,
)
from kernel.money import to_decimal


def list_reconciliation_alerts() -> list[str]:
    """Sentences; empty when both sides agree, everybody answers and the runs go on."""
    alerts: list[str] = [_difference(case) for case in list_open_cases()]
    alerts += [
        f"The {party} has not answered in the last {SILENT_RUNS_MAX} reconciliations."
        for party in list_silent_parties()
    ]
    if stands_still():
        alerts.append("No reconciliation has ended for 15 minutes: does the worker run?")
    return alerts


def _difference(case: ReconciliationCase) -> SafeString:
    by = to_decimal(case.difference_units, case.asset.decimals).normalize()
    return format_html(
        '<a href="{}">{} differ from our ledger by {} {}.</a> '
        "Minting and redeeming of {} is halted.{}",
        reverse("admin:custody_reconciliationcase_change", args=[case.pk]),
        case.get_what_display(), f"{by:+,f}", case.asset.code,
        case.asset.code if case.asset.instrument_id else "every token",
        " Both sides match again." if case.matches_since else "",
    )  # fmt: skip
