"""The KYC queue, and a case as a file: summary, evidence, hits, timeline, decision."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Case, Count, IntegerField, Max, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from accounts import approvals, queries
from accounts.admin.base import FileAdmin, age, officer_of, posted
from accounts.models import KycCase, ScreeningHit
from accounts.operations import decisions
from accounts.operations.decisions import Decision
from accounts.personal_data import PERMISSION, reveal, reveal_document
from accounts.states import FLAGGED, KycStatus
from kernel import clock
from kernel.refusals import Refusal
from reference.read_only import NamedRows

TONES = {
    "waiting": "warning", "draft": "info", "approved": "success", "rejected": "danger",
    "suspended": "danger", "manual_review": "warning", "screening_hit": "danger",
    "submitted": "info", "pending_provider": "info", "needs_resubmission": "info",
}  # fmt: skip
OPEN_HITS = Q(hits__state=ScreeningHit.State.OPEN)


class FlaggedFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("flagged", "Flagged: officers decide"), ("working", "With us or the provider")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KycCase]) -> QuerySet[KycCase]:
        if self.value() == "flagged":
            return queryset.filter(status__in=FLAGGED)
        if self.value() == "working":
            return queryset.filter(status__in=[KycStatus.SUBMITTED, KycStatus.PENDING_PROVIDER])
        return queryset


def _waits(case: KycCase) -> str:
    is_done = case.status in {KycStatus.APPROVED, KycStatus.REJECTED}
    return "-" if is_done else age(case.submitted_at or case.opened_at)


@admin.register(KycCase)
class KycCaseAdmin(NamedRows, FileAdmin):
    list_display = [
        "shown_case", "shown_status", "shown_age", "reason_code", "shown_hits", "provider_answer",
        "shown_proposal",
    ]  # fmt: skip
    list_filter = [FlaggedFilter, "status", "residence_country", "is_pep"]
    search_fields = ["id", "investor__display_name", "investor__user__email"]
    list_select_related = ["investor"]
    list_per_page = 50
    file_template = "admin/accounts/kyccase/file.html"
    acts: ClassVar = {
        "propose": "propose", "confirm": "confirm", "turn_down": "turn_down", "reveal": "reveal",
    }  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[KycCase]:
        """Flagged cases first, the one that waits longest at the top."""
        is_flagged = Case(
            When(status__in=FLAGGED, then=Value(0)), default=Value(1), output_field=IntegerField()
        )
        queryset: QuerySet[KycCase] = super().get_queryset(request)
        return queryset.annotate(
            flag_order=is_flagged,
            open_hits=Count("hits", filter=OPEN_HITS),
            top_score=Max("hits__score", filter=OPEN_HITS),
        ).order_by("flag_order", "submitted_at", "opened_at")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.document_view)
        name = "accounts_kycdocument_picture"
        own = [path("documents/<uuid:document_id>/", view, name=name)]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    @admin.display(description="Case", ordering="investor__display_name")
    def shown_case(self, case: KycCase) -> str:
        return case.investor.display_name

    @display(description="Status", label=TONES, ordering="status")  # type: ignore[untyped-decorator]
    def shown_status(self, case: KycCase) -> tuple[str, str]:
        return case.status, case.get_status_display()

    @admin.display(description="Waits for", ordering="submitted_at")
    def shown_age(self, case: KycCase) -> str:
        return _waits(case)

    @admin.display(description="Open hits", ordering="open_hits")
    def shown_hits(self, case: Any) -> str:
        return f"{case.open_hits} (best {case.top_score})" if case.open_hits else "-"

    @admin.display(description="Second officer")
    def shown_proposal(self, case: Any) -> str:
        return f"{case.open_proposal.body['decision']} waits" if case.open_proposal else "-"

    def name_rows(self, rows: Sequence[Any]) -> None:
        open_ones = decisions.list_open_proposals(case_ids=[case.id for case in rows])
        for case in rows:
            case.open_proposal = open_ones.get(case.id)

    def file_context(self, request: HttpRequest, row: KycCase) -> dict[str, Any]:
        proposal = decisions.get_open_proposal(case_id=row.id)
        officer = officer_of(request)
        return {
            "case": row,
            "title": f"KYC case of {row.investor.display_name}",
            "documents": row.documents.order_by("id"),
            "hits": row.hits.order_by("-score"),
            "timeline": row.timeline.select_related("actor").order_by("-created_at", "-id"),
            "accesses": row.accesses.select_related("reader").order_by("-created_at")[:10],
            "restrictions": row.investor.restrictions.order_by("-imposed_at"),
            "eligibility": queries.get_eligibility(investor_id=row.investor_id),
            "lists": queries.list_current_sanctions_lists(),
            "proposal": proposal,
            "is_own_proposal": proposal is not None and proposal.maker_id == officer.pk,
            "possible": decisions.list_possible(row),
            "may_decide": officer.has_perm(decisions.PERMISSION),
            "may_reveal": officer.has_perm(PERMISSION),
            "waits": _waits(row),
        }

    def propose(self, request: HttpRequest, case: KycCase) -> str:
        decision = posted(request, "decision", Decision)
        decisions.propose_decision(
            case_id=case.id, decision=decision, reason=request.POST.get("reason", ""),
            investor_message=request.POST.get("investor_message", ""),
            officer=officer_of(request), now=clock.now(),
        )  # fmt: skip
        return "Proposed. Another officer has to confirm it."

    def confirm(self, request: HttpRequest, case: KycCase) -> str:
        decided = decisions.confirm_decision(
            proposal_id=posted(request, "proposal", UUID), officer=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), now=clock.now(),
        )  # fmt: skip
        return f"Confirmed. The case is now: {decided.get_status_display()}."

    def turn_down(self, request: HttpRequest, case: KycCase) -> str:
        approvals.reject(
            proposal_id=posted(request, "proposal", UUID), checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), reason=request.POST.get("reason", ""),
            now=clock.now(),
        )  # fmt: skip
        return "Turned down. The case stays where it is."

    def reveal(self, request: HttpRequest, case: KycCase) -> HttpResponse:
        data = reveal(
            case_id=case.id, reader=officer_of(request), purpose="case review", now=clock.now()
        )
        return self.show(request, case, personal=data)

    def document_view(self, request: HttpRequest, document_id: UUID) -> HttpResponse:
        """The picture, for officers who may read personal data; each look is recorded."""
        try:
            picture = reveal_document(
                document_id=document_id, reader=officer_of(request), now=clock.now()
            )
        except Refusal as refusal:
            return HttpResponse(refusal.message, status=refusal.http_status)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return HttpResponse(picture, content_type="image/jpeg", headers=headers)
