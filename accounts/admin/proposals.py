"""Proposals that wait for a second officer, of every kind."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from unfold.decorators import display

from accounts import approvals
from accounts.admin.base import FileAdmin, age, officer_of
from accounts.models import Proposal
from kernel import clock

TONES = {"proposed": "warning", "approved": "info", "rejected": "danger", "executed": "success"}


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
class ProposalAdmin(FileAdmin):
    list_display = ["shown_kind", "subject", "shown_state", "maker", "checker", "shown_age"]
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
            "title": f"{self.shown_kind(row)}: {row.subject}",
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
