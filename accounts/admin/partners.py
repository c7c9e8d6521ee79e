"""Partners: made and closed here; which one brought an investor is said in the investor's file."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import FileAdmin, officer_of
from accounts.models import Partner
from accounts.operations import partners
from kernel import clock
from kernel.refusals import Refusal


class PartnerForm(forms.Form):
    code = forms.SlugField(
        max_length=40,
        help_text="Small letters, digits and dashes; it cannot be changed later.",
        widget=UnfoldAdminTextInputWidget,
    )
    name = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget)


@admin.register(Partner)
class PartnerAdmin(FileAdmin):
    list_display = ["name", "code", "shown_state", "shown_investors", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "code"]
    ordering = ["name"]
    file_template = "admin/accounts/partner/file.html"
    list_before_template = "admin/accounts/partner/links.html"
    acts: ClassVar = {"open": "open_again", "close": "close"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Partner]:
        queryset: QuerySet[Partner] = super().get_queryset(request)
        return queryset.annotate(investors_count=Count("investors"))

    def get_urls(self) -> list[Any]:
        add = path("new/", self.admin_site.admin_view(self.new), name="accounts_partner_new")
        return [add, *super().get_urls()]

    @display(description="State", label={"active": "success", "closed": "danger"})  # type: ignore[untyped-decorator]
    def shown_state(self, partner: Partner) -> str:
        return "active" if partner.is_active else "closed"

    @admin.display(description="Investors", ordering="investors_count")
    def shown_investors(self, partner: Any) -> str:
        return f"{partner.investors_count:,}"

    def file_context(self, request: HttpRequest, row: Partner) -> dict[str, Any]:
        return {
            "investors": row.investors.count(),
            "may_change": officer_of(request).has_perm(partners.PERMISSION),
        }

    def open_again(self, request: HttpRequest, row: Partner) -> str:
        partners.set_active(partner_id=row.pk, is_active=True, officer=officer_of(request))
        return "Active: it may bring investors."

    def close(self, request: HttpRequest, row: Partner) -> str:
        partners.set_active(partner_id=row.pk, is_active=False, officer=officer_of(request))
        return "Closed for new investors; those it brought stay its."

    def new(self, request: HttpRequest) -> HttpResponse:
        if not officer_of(request).has_perm(partners.PERMISSION):
            raise PermissionDenied
        form = PartnerForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = partners.create_partner(
                    **form.cleaned_data, officer=officer_of(request), now=clock.now()
                )
            except Refusal as refusal:
                messages.error(request, f"{refusal.message} ({refusal.code})")
            else:
                messages.success(request, "Made. Name it in the files of its investors.")
                address = reverse("admin:accounts_partner_change", args=[made.pk])
                return HttpResponseRedirect(address)
        context = {
            **self.admin_site.each_context(request),
            "title": "A new partner", "opts": self.opts, "form": form,
        }  # fmt: skip
        return TemplateResponse(request, "admin/accounts/partner/new.html", context)
