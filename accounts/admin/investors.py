"""Investors with what they may do now, and what restricts them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from accounts import queries
from accounts.admin.base import FileAdmin, officer_of, posted
from accounts.admin.cases import TONES
from accounts.models import Investor, Partner, Restriction
from accounts.operations import partners, restrictions
from kernel import clock

REASONS = ["sanctions_hit", "unusual_activity", "court_order", "lost_access", "documents_expired"]


@admin.register(Investor)
class InvestorAdmin(FileAdmin):
    list_display = [
        "display_name", "kind", "shown_status", "residence_country", "shown_restrictions",
        "partner", "is_house", "created_at",
    ]  # fmt: skip
    list_filter = ["kyc_status", "kind", "is_house", "partner", "residence_country"]
    list_select_related = ["partner"]
    search_fields = ["display_name", "user__email", "id"]
    ordering = ["-created_at"]
    file_template = "admin/accounts/investor/file.html"
    acts: ClassVar = {"restrict": "restrict", "lift": "propose_lift", "partner": "set_partner"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Investor]:
        queryset: QuerySet[Investor] = super().get_queryset(request)
        is_open = Q(restrictions__lifted_at__isnull=True)
        return queryset.annotate(open_restrictions=Count("restrictions", filter=is_open))

    @display(description="KYC", label=TONES, ordering="kyc_status")  # type: ignore[untyped-decorator]
    def shown_status(self, investor: Investor) -> tuple[str, str]:
        return investor.kyc_status, investor.get_kyc_status_display()

    @admin.display(description="Restrictions", ordering="open_restrictions")
    def shown_restrictions(self, investor: Any) -> str:
        return str(investor.open_restrictions or "-")

    def file_context(self, request: HttpRequest, row: Investor) -> dict[str, Any]:
        officer = officer_of(request)
        return {
            "investor": row,
            "case": queries.get_case_of(investor_id=row.pk),
            "snapshots": row.eligibility_snapshots.order_by("-version")[:10],
            "restrictions": row.restrictions.select_related("imposed_by").order_by("-imposed_at"),
            "consents": row.consents.select_related("disclosure").order_by("-accepted_at"),
            "keys": row.api_keys.order_by("-created_at"),
            "kinds": Restriction.Kind.choices,
            "reasons": REASONS,
            "may_restrict": officer.has_perm(restrictions.PERMISSION),
            "partners": Partner.objects.filter(is_active=True).order_by("name"),
            "may_set_partner": officer.has_perm(partners.PERMISSION),
        }

    def restrict(self, request: HttpRequest, investor: Investor) -> str:
        kind = posted(request, "kind", Restriction.Kind)
        restrictions.impose(
            investor_id=investor.pk, kind=kind, reason_code=request.POST.get("reason_code", ""),
            note=request.POST.get("note", ""), officer=officer_of(request), now=clock.now(),
        )  # fmt: skip
        return "Restricted, from now on."

    def propose_lift(self, request: HttpRequest, investor: Investor) -> str:
        restrictions.propose_lift(
            restriction_id=posted(request, "restriction", int),
            reason=request.POST.get("reason", ""), officer=officer_of(request), now=clock.now(),
        )  # fmt: skip
        return "Proposed. Another officer has to confirm it."

    def set_partner(self, request: HttpRequest, investor: Investor) -> str:
        named = request.POST.get("partner", "")
        partners.set_partner(
            investor_id=investor.pk, partner_id=posted(request, "partner", int) if named else None,
            officer=officer_of(request),
        )  # fmt: skip
        return "Set. It takes effect at the engine's next batch."
