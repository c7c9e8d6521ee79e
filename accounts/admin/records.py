"""Keys, lists and records: to look at; disclosures to make."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import (
    ApiKey,
    Disclosure,
    EligibilitySnapshot,
    KycCase,
    Outbox,
    PersonalDataAccess,
    ProviderEvent,
    Restriction,
    SanctionsEntry,
    SanctionsList,
)
from accounts.operations import disclosures
from kernel import clock
from reference.read_only import NamedRows, ReadOnlyAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ["key_id", "investor", "kind", "scopes", "is_active", "created_at", "revoked_at"]
    list_filter = ["kind", "is_active"]
    search_fields = ["key_id", "investor__display_name", "label"]
    list_select_related = ["investor"]
    ordering = ["-created_at"]
    exclude = ["secret_sealed"]


@admin.register(SanctionsList)
class SanctionsListAdmin(ReadOnlyAdmin):
    list_display = ["source", "list_date", "is_current", "entries_count", "loaded_at", "sha256"]
    list_filter = ["source", "is_current"]
    ordering = ["-is_current", "source", "-list_date"]


@admin.register(SanctionsEntry)
class SanctionsEntryAdmin(ReadOnlyAdmin):
    list_display = ["primary_name", "sanctions_list", "reference", "kind", "birth_dates"]
    list_filter = ["kind", "sanctions_list__source"]
    search_fields = ["primary_name", "reference"]
    list_select_related = ["sanctions_list"]
    ordering = ["primary_name"]


@admin.register(Restriction)
class RestrictionAdmin(ReadOnlyAdmin):
    list_display = ["investor", "kind", "reason_code", "imposed_by", "imposed_at", "lifted_at"]
    list_filter = ["kind", "reason_code", ("lifted_at", admin.EmptyFieldListFilter)]
    search_fields = ["investor__display_name"]
    list_select_related = ["investor", "imposed_by"]
    ordering = ["-imposed_at"]


@admin.register(EligibilitySnapshot)
class EligibilitySnapshotAdmin(ReadOnlyAdmin):
    list_display = ["investor", "version", "may_buy", "may_sell", "reason_code", "created_at"]
    list_filter = ["may_buy", "may_sell", "reason_code"]
    search_fields = ["investor__display_name"]
    list_select_related = ["investor"]
    ordering = ["-created_at"]


@admin.register(ProviderEvent)
class ProviderEventAdmin(NamedRows, ReadOnlyAdmin):
    list_display = [
        "type",
        "shown_investor",
        "applicant_id",
        "state",
        "copies",
        "attempts",
        "received_at",
    ]
    list_filter = ["state", "type"]
    search_fields = ["applicant_id"]
    search_help_text = "The provider's applicant, or the investor's name."
    ordering = ["-received_at"]

    def name_rows(self, rows: Sequence[Any]) -> None:
        cases = KycCase.objects.select_related("investor").in_bulk(
            {event.applicant_id for event in rows}, field_name="provider_applicant_id"
        )
        for event in rows:
            case = cases.get(event.applicant_id)
            event.investor_name = case.investor.display_name if case else "-"

    @admin.display(description="Investor")
    def shown_investor(self, event: Any) -> str:
        return str(event.investor_name)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ProviderEvent], search_term: str
    ) -> tuple[QuerySet[ProviderEvent], bool]:
        found, has_twins = super().get_search_results(request, queryset, search_term)
        if search_term:
            cases = KycCase.objects.filter(investor__display_name__icontains=search_term)
            found |= queryset.filter(applicant_id__in=cases.values("provider_applicant_id"))
        return found, has_twins


@admin.register(PersonalDataAccess)
class PersonalDataAccessAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "reader", "shown_investor", "purpose"]
    list_filter = ["purpose"]
    search_fields = ["reader__email", "case__investor__display_name", "=case__id"]
    list_select_related = ["reader", "case__investor"]
    ordering = ["-created_at"]

    @admin.display(description="Of whom", ordering="case__investor__display_name")
    def shown_investor(self, access: PersonalDataAccess) -> str:
        return access.case.investor.display_name


@admin.register(Outbox)
class OutboxAdmin(ReadOnlyAdmin):
    list_display = ["subject", "investor", "topic", "attempts", "created_at", "sent_at"]
    list_filter = ["topic", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["investor"]
    search_fields = ["subject", "investor__display_name"]
    ordering = ["-created_at"]


@admin.register(Disclosure)
class DisclosureAdmin(ModelAdmin):  # type: ignore[misc]
    """Adding one publishes the next version; a published one never changes."""

    list_display = ["subject", "version", "title", "published_at", "sha256"]
    list_filter = ["subject"]
    search_fields = ["subject", "title"]
    ordering = ["subject", "-version"]
    fields = ["subject", "title", "body"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Disclosure, form: Any, change: bool) -> None:
        published = disclosures.publish(
            subject=obj.subject, title=obj.title, body=obj.body, now=clock.now()
        )
        obj.pk = published.pk
