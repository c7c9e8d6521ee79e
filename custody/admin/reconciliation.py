"""Reconciliation in the back office: runs with both sides, and the cases that they opened."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import path
from unfold.decorators import display

from accounts.admin.base import FileAdmin, officer_of
from accounts.models import Proposal
from custody.admin.words import amount, harmless, timeline
from custody.models import Asset, ReconciliationCase, ReconciliationFigure, ReconciliationRun
from custody.reconciliation.cases import PROPOSAL_KIND, propose_close
from kernel import clock
from kernel.money import format_units

# The newest ones; whoever wants more asks for fewer days.
EXPORT_ROWS_MAX = 50_000
EARLIER_SHOWN = 30
VERDICT_TONES = {
    "matches": "success",
    "suspected": "warning",
    "break": "danger",
    "unavailable": "warning",
}
VERDICT_WORDS = {
    "matches": "Matches",
    "suspected": "Does not add up, seen once",
    "break": "Does not add up",
    "unavailable": "Unavailable",
}
FIGURE_HEAD = [
    "as_of", "run", "asset", "what", "ledger", "reported", "difference",
    "under_way_from", "under_way_to", "verdict", "note",
]  # fmt: skip
CASE_HEAD = [
    "opened_at", "asset", "what", "ledger", "reported", "difference", "state", "matches_since",
    "closed_at", "explanation",
]  # fmt: skip


class OutcomeFilter(admin.SimpleListFilter):
    """Runs by what they found."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("differs", "Something does not add up"),
            ("unavailable", "Something is unavailable"),
            ("matches", "Everything matches"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ReconciliationRun]
    ) -> QuerySet[ReconciliationRun]:
        of_run = ReconciliationFigure.objects.filter(run=OuterRef("pk"))
        match self.value():
            case "differs":
                return queryset.filter(Exists(of_run.filter(verdict__in=["suspected", "break"])))
            case "unavailable":
                return queryset.filter(Exists(of_run.filter(verdict="unavailable")))
            case "matches":
                return queryset.exclude(Exists(of_run.exclude(verdict="matches")))
        return queryset


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(FileAdmin):
    list_display = ["as_of", "shown_kind", "shown_outcome", "counted"]
    list_filter = [OutcomeFilter, "kind", "as_of"]
    ordering = ["-as_of"]
    show_full_result_count = False
    file_template = "admin/custody/reconciliation/run.html"
    list_before_template = "admin/custody/reconciliation/list_tools.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationRun]:
        runs: QuerySet[ReconciliationRun] = super().get_queryset(request)
        return runs.annotate(
            figures_count=_counted(),
            differing=_counted(verdict__in=["suspected", "break"]),
            unavailable=_counted(verdict="unavailable"),
        )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export)
        return [path("export.csv", view, name="custody_reconciliation_csv"), *super().get_urls()]

    @admin.display(description="Kind", ordering="kind")
    def shown_kind(self, run: ReconciliationRun) -> str:
        return f"{run.get_kind_display()}, {run.trading_date}" if run.trading_date else (
            run.get_kind_display()
        )  # fmt: skip

    @display(  # type: ignore[untyped-decorator]
        description="Outcome", label={"matches": "success", "differs": "danger", "": "warning"}
    )
    def shown_outcome(self, run: Any) -> tuple[str, str]:
        if run.differing:
            return "differs", f"{run.differing} do not add up"
        return ("", f"{run.unavailable} unavailable") if run.unavailable else ("matches", "Matches")

    @admin.display(description="Comparisons")
    def counted(self, run: Any) -> int:
        return int(run.figures_count)

    def file_context(self, request: HttpRequest, row: ReconciliationRun) -> dict[str, Any]:
        figures = row.figures.select_related("asset").order_by("asset__code", "id")
        lines = [_line(each) for each in figures]
        return {
            "title": str(row),
            "off": [line for line in lines if line["figure"].verdict != "matches"],
            "matching": [line for line in lines if line["figure"].verdict == "matches"],
        }

    def export(self, request: HttpRequest) -> HttpResponse:
        """The figures of the runs in the list, as it is filtered."""
        _require_view(self, request)
        runs = self.list_shown(request)
        figures = ReconciliationFigure.objects.filter(run__in=runs.values("pk"))
        found = figures.select_related("asset", "run").order_by("-id")[:EXPORT_ROWS_MAX]
        return _csv("bourse-reconciliation", FIGURE_HEAD, (_figure_cells(each) for each in found))


@admin.register(ReconciliationCase)
class ReconciliationCaseAdmin(FileAdmin):
    list_display = [
        "opened_at", "shown_asset", "what", "shown_ledger", "shown_party", "shown_difference",
        "shown_state", "matches_since",
    ]  # fmt: skip
    list_filter = ["state", "what", ("asset", admin.RelatedOnlyFieldListFilter), "opened_at"]
    list_select_related = ["asset"]
    search_fields = ["asset__code", "explanation"]
    ordering = ["-opened_at"]
    file_template = "admin/custody/reconciliation/case.html"
    list_before_template = "admin/custody/reconciliation/list_tools.html"
    acts: ClassVar = {"propose_close": "propose_close"}

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export)
        own = [path("export.csv", view, name="custody_reconciliation_cases_csv")]
        return [*own, *super().get_urls()]

    @admin.display(description="Asset", ordering="asset__code")
    def shown_asset(self, case: ReconciliationCase) -> str:
        return case.asset.code

    @admin.display(description="Our ledger")
    def shown_ledger(self, case: ReconciliationCase) -> str:
        return amount(case.ledger_units, case.asset)

    @admin.display(description="Reported")
    def shown_party(self, case: ReconciliationCase) -> str:
        return amount(case.party_units, case.asset)

    @admin.display(description="Difference")
    def shown_difference(self, case: ReconciliationCase) -> str:
        return _difference(case.difference_units, case.asset)

    @display(  # type: ignore[untyped-decorator]
        description="State", label={"open": "danger", "closed": "success"}, ordering="state"
    )
    def shown_state(self, case: ReconciliationCase) -> tuple[str, str]:
        return case.state, "Open: halted" if case.is_open else "Closed"

    def file_context(self, request: HttpRequest, row: ReconciliationCase) -> dict[str, Any]:
        earlier = ReconciliationFigure.objects.filter(asset=row.asset, what=row.what)
        shown = list(earlier.select_related("asset", "run").order_by("-id")[:EARLIER_SHOWN])
        proposal = Proposal.objects.filter(
            kind=PROPOSAL_KIND, subject=f"{PROPOSAL_KIND}:{row.pk}", state="proposed"
        )
        return {
            "title": f"{row.get_what_display()}: {row.asset.code}",
            "facts": _facts(row),
            "figures": [_line(each) for each in shown],
            "may_propose": officer_of(request).has_perm("accounts.check_proposal"),
            "matches": bool(shown) and shown[0].verdict == "matches",
            "proposal": proposal.select_related("maker").first(),
            "timeline": timeline(_stages(row)),
        }

    def propose_close(self, request: HttpRequest, row: ReconciliationCase) -> str:
        propose_close(
            case_id=row.id,
            maker=officer_of(request),
            explanation=request.POST.get("explanation", ""),
            now=clock.now(),
        )
        return "Proposed: another officer has to confirm that the case is closed."

    def export(self, request: HttpRequest) -> HttpResponse:
        """The cases in the list, as it is filtered."""
        _require_view(self, request)
        cases = self.list_shown(request)
        found = cases.select_related("asset")[:EXPORT_ROWS_MAX]
        return _csv("bourse-reconciliation-cases", CASE_HEAD, (_case_cells(each) for each in found))


# --- in words -------------------------------------------------------------------


def _counted(**which: object) -> Coalesce:
    """How many figures of a run, without grouping all of them."""
    of_run = ReconciliationFigure.objects.filter(run=OuterRef("pk"), **which)
    counted = of_run.order_by().values("run").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


def _line(figure: ReconciliationFigure) -> dict[str, Any]:
    return {
        "figure": figure,
        "ledger": amount(figure.ledger_units, figure.asset),
        "party": amount(figure.party_units, figure.asset),
        "difference": _difference(figure.difference_units, figure.asset),
        "under_way": _under_way(figure),
        "verdict": VERDICT_WORDS[figure.verdict],
        "tone": VERDICT_TONES[figure.verdict],
    }


def _difference(units: int | None, asset: Asset) -> str:
    if not units:
        return "unknown" if units is None else "none"
    return ("+" if units > 0 else "") + amount(units, asset)


def _under_way(row: ReconciliationFigure | ReconciliationCase) -> str:
    """ "none", "-4 AAPLx", "0 to 3 AAPLx": what explains a difference."""
    low, high = row.in_flight_low, row.in_flight_high
    if low == high:
        return _difference(low, row.asset)
    return f"{format_units(low, row.asset.decimals)} to {amount(high, row.asset)}"


def _facts(case: ReconciliationCase) -> list[tuple[str, str]]:
    return [
        ("Our ledger said", amount(case.ledger_units, case.asset)),
        ("Reported", amount(case.party_units, case.asset)),
        ("Difference", _difference(case.difference_units, case.asset)),
        ("Rightly under way", _under_way(case)),
        ("Halted", _halted(case)),
        ("Explanation", case.explanation or "not given yet"),
    ]


def _halted(case: ReconciliationCase) -> str:
    if not case.is_open:
        return "no longer, by this case"
    if case.asset.instrument_id is None:
        return "minting and redeeming every token: it is the money that pays for them"
    tokens = Asset.objects.filter(instrument_id=case.asset.instrument_id, kind="token")
    codes = ", ".join(tokens.order_by("code").values_list("code", flat=True))
    return f"minting and redeeming {codes}"


def _stages(case: ReconciliationCase) -> list[Any]:
    stages: list[Any] = [("Opened", case.opened_at)]
    if case.is_open or case.matches_since:
        stages.append(("Both sides match again since", case.matches_since))
    return [*stages, ("Closed by two officers", case.closed_at)]


# --- to take away ---------------------------------------------------------------


def _require_view(pages: FileAdmin, request: HttpRequest) -> None:
    if not pages.has_view_permission(request):
        raise PermissionDenied


def _csv(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    writer = csv.writer(response)
    writer.writerow(head)
    writer.writerows(rows)
    return response


def _figure_cells(figure: ReconciliationFigure) -> list[object]:
    asset = figure.asset
    return [
        figure.run.as_of.isoformat(), figure.run_id, asset.code, figure.what,
        *_digits(asset, figure.ledger_units, figure.party_units, figure.difference_units),
        *_digits(asset, figure.in_flight_low, figure.in_flight_high),
        figure.verdict, figure.note,
    ]  # fmt: skip


def _case_cells(case: ReconciliationCase) -> list[object]:
    sides = (case.ledger_units, case.party_units, case.difference_units)
    return [
        case.opened_at.isoformat(), case.asset.code, case.what, *_digits(case.asset, *sides),
        case.state, case.matches_since and case.matches_since.isoformat(),
        case.closed_at and case.closed_at.isoformat(), harmless(case.explanation),
    ]  # fmt: skip


def _digits(asset: Asset, *units: int | None) -> list[str]:
    return ["" if each is None else format_units(each, asset.decimals) for each in units]
