"""Proposals that wait for a second officer, of every kind."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest
from unfold.decorators import display

from accounts import approvals
from accounts.admin.base import FileAdmin, age, officer_of
from accounts.models import Investor, KycCase, Proposal
from kernel import clock
from reference.read_only import NamedRows

TONES = {
    "proposed": "warning", "approved": "info", "rejected": "danger", "executed": "success",
    "expired": "danger",
}  # fmt: skip


class WaitingFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Wait for a second officer"), ("mine", "I may confirm")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> QuerySet[Proposal]:
        waiting = queryset.filter(state=Proposal.State.PROPOSED)
        if self.value() == "waiting":
            return waiting
        if self.value() == "mine":
            return waiting.exclude(maker_id=request.user.pk)
        return queryset


@admin.register(Proposal)
class ProposalAdmin(NamedRows, FileAdmin):
    list_display = ["shown_kind", "shown_subject", "shown_state", "maker", "checker", "shown_age"]
    list_filter = [WaitingFilter, "kind", "state"]
    search_fields = ["subject", "reason", "maker__email"]
    list_select_related = ["maker", "checker"]
    file_template = "admin/accounts/proposal/file.html"
    acts: ClassVar = {"confirm": "confirm", "turn_down": "turn_down"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Proposal]:
        """Waiting ones first, the oldest at the top."""
        is_open = Case(
            When(state=Proposal.State.PROPOSED, then=Value(0)), default=Value(1),
            output_field=IntegerField(),
        )  # fmt: skip
        queryset: QuerySet[Proposal] = super().get_queryset(request)
        return queryset.annotate(open_order=is_open).order_by("open_order", "proposed_at")

    @admin.display(description="Proposal", ordering="kind")
    def shown_kind(self, proposal: Proposal) -> str:
        return proposal.kind.replace("_", " ").capitalize().replace("Kyc", "KYC")

    def name_rows(self, rows: Sequence[Any]) -> None:
        names = approvals.subject_names(rows)
        for proposal in rows:
            proposal.subject_name = names[proposal.id]

    @admin.display(description="About", ordering="subject")
    def shown_subject(self, proposal: Any) -> str:
        return str(proposal.subject_name)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Proposal], search_term: str
    ) -> tuple[QuerySet[Proposal], bool]:
        """By the name of the investor too, whose id is all that a proposal holds."""
        found, has_twins = super().get_search_results(request, queryset, search_term)
        if search_term:
            cases = KycCase.objects.filter(investor__display_name__icontains=search_term)
            subjects = [
                f"kyc_case:{case_id}" for case_id in cases.values_list("id", flat=True)[:200]
            ]
            people = Investor.objects.filter(display_name__icontains=search_term)
            ids = list(people.values_list("id", flat=True)[:200])
            found |= queryset.filter(Q(subject__in=subjects) | Q(body__investor_id__in=ids))
        return found, has_twins

    @display(description="State", label=TONES, ordering="state")  # type: ignore[untyped-decorator]
    def shown_state(self, proposal: Proposal) -> tuple[str, str]:
        return proposal.state, proposal.get_state_display()

    @admin.display(description="Waits for", ordering="proposed_at")
    def shown_age(self, proposal: Proposal) -> str:
        return age(proposal.proposed_at) if proposal.state == "proposed" else "-"

    def file_context(self, request: HttpRequest, row: Proposal) -> dict[str, Any]:
        kind, officer = approvals.kind_named(row.kind), officer_of(request)
        return {
            "proposal": row,
            "title": f"{self.shown_kind(row)}: {approvals.subject_names([row])[row.id]}",
            "body": json.dumps(row.body, indent=2, ensure_ascii=False),
            "is_own": row.maker_id == officer.pk,
            "has_effect": kind.effect is not None,
            "may_confirm": officer.has_perm(kind.permission),
            "waits": age(row.proposed_at),
        }

    def confirm(self, request: HttpRequest, proposal: Proposal) -> str:
        approvals.confirm(
            proposal_id=proposal.id, checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), now=clock.now(),
            note=request.POST.get("reason", ""),
        )  # fmt: skip
        return "Confirmed, and done."

    def turn_down(self, request: HttpRequest, proposal: Proposal) -> str:
        approvals.reject(
            proposal_id=proposal.id, checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), reason=request.POST.get("reason", ""),
            now=clock.now(),
        )  # fmt: skip
        return "Turned down."
