"""The house's bookkeeping: one officer fills in a template, another confirms it."""

import csv
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import approvals
from accounts.admin.base import FileAdmin, officer_of
from accounts.models import Investor, Proposal
from custody.admin.words import amount, grouped, harmless
from custody.entry_kinds import EntryKind
from custody.ledger_purposes import CONTRA_PURPOSES, SIGNED_PURPOSES
from custody.models import Asset, PoolTransfer
from custody.models.house_entries import KEY_PREFIX, HouseEntry, list_house_entries
from custody.operations import house_entries
from custody.operations.house_entries import DOCUMENT_MAX, PERMISSION, Draft, Planned
from custody.operations.house_templates import TEMPLATES
from kernel import clock
from kernel.money import parse_units
from kernel.refusals import Refusal

EXPORT_ROWS_MAX = 50_000
TONES = {"proposed": "warning", "approved": "info", "rejected": "danger", "executed": "success"}
COLUMNS = (
    "proposed at", "entry", "asset", "units", "investor", "document", "reason", "state",
    "proposed by", "decided by", "journal entry", "reversed by",
)  # fmt: skip


class EntryForm(forms.Form):
    """What an officer fills in; which lines come of it is the template's to say."""

    template = forms.ChoiceField(
        choices=[(kind.value, template.name) for kind, template in TEMPLATES.items()],
        label="What happened",
        widget=UnfoldAdminSelectWidget,
    )
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("kind", "code"), widget=UnfoldAdminSelectWidget
    )
    amount = forms.CharField(
        max_length=40,
        help_text="Plain digits, like 100 or 12.5.",
        widget=UnfoldAdminTextInputWidget,
    )
    investor = forms.ModelChoiceField(
        queryset=Investor.objects.all(),
        required=False,
        label="Investor's number",
        help_text="Where the template names one; the number in the list of investors.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    pool = forms.IntegerField(
        initial=0,
        min_value=0,
        max_value=32_767,
        help_text="Of which pool the fees are; 0 for those outside trading.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    document = forms.CharField(
        max_length=DOCUMENT_MAX,
        help_text="What it is booked from: a statement, an invoice, a signature on the chain.",
        widget=UnfoldAdminTextInputWidget,
    )
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if "asset" in values and "amount" in values:
            try:
                values["units"] = parse_units(values["amount"], values["asset"].decimals)
            except Refusal as refusal:
                self.add_error("amount", refusal.message)
        return values

    def draft(self) -> Draft:
        values = self.cleaned_data
        return Draft(
            template=TEMPLATES[EntryKind(values["template"])],
            asset=values["asset"],
            units=values["units"],
            investor=values["investor"],
            pool=values["pool"],
            document=values["document"],
        )


class ReversalForm(forms.Form):
    entry = forms.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        label="Number of the journal entry",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    document = forms.CharField(max_length=DOCUMENT_MAX, widget=UnfoldAdminTextInputWidget)
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)


class TemplateFilter(admin.SimpleListFilter):
    title = "template"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = [(kind.value, template.name) for kind, template in TEMPLATES.items()]
        return [*named, ("reversal", "Reversal")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[HouseEntry]
    ) -> QuerySet[HouseEntry]:
        if self.value() == "reversal":
            return queryset.filter(body__has_key="reverses")
        return queryset.filter(body__entry=self.value()) if self.value() else queryset


class AssetFilter(admin.SimpleListFilter):
    title = "asset"
    parameter_name = "asset"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = HouseEntry.objects.filter(body__has_key="asset").values_list(
            "body__asset", flat=True
        )
        return [(code, code) for code in sorted(set(codes))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[HouseEntry]
    ) -> QuerySet[HouseEntry]:
        return queryset.filter(body__asset=self.value()) if self.value() else queryset


@admin.register(HouseEntry)
class HouseEntryAdmin(FileAdmin):
    list_display = ["proposed_at", "in_words", "document", "shown_state", "maker", "checker"]
    list_filter = ["state", TemplateFilter, AssetFilter]
    search_fields = ["body__document", "reason", "maker__email"]
    search_help_text = "A document, a reason or an officer."
    ordering = ["-proposed_at"]
    list_per_page = 50
    file_template = "admin/custody/houseentry/file.html"
    list_before_template = "admin/custody/houseentry/links.html"
    acts: ClassVar = {"confirm": "confirm", "turn_down": "turn_down"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseEntry]:
        return list_house_entries().order_by("-proposed_at", "-id")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("book/", view(self.book), name="custody_houseentry_book"),
            path("reverse/", view(self.reverse), name="custody_houseentry_reverse"),
            path("export/", view(self.export), name="custody_houseentry_export"),
        ]
        return [*own, *super().get_urls()]

    @admin.display(description="Entry")
    def in_words(self, row: HouseEntry) -> str:
        return _in_words(row)

    @admin.display(description="Document")
    def document(self, row: HouseEntry) -> str:
        return str(row.body["document"])

    @display(description="State", label=TONES, ordering="state")  # type: ignore[untyped-decorator]
    def shown_state(self, row: HouseEntry) -> tuple[str, str]:
        return row.state, _state(row)

    def file_context(self, request: HttpRequest, row: HouseEntry) -> dict[str, Any]:
        officer = officer_of(request)
        return {
            "title": _in_words(row),
            "in_words": _in_words(row),
            "state": _state(row),
            "is_own": row.maker_id == officer.pk,
            "may_confirm": officer.has_perm(PERMISSION),
            "investor": _investor(row),
        }

    def confirm(self, request: HttpRequest, row: HouseEntry) -> str:
        approvals.confirm(
            proposal_id=row.id,
            checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""),
            now=clock.now(),
        )
        return f"Confirmed: {_state(list_house_entries().get(id=row.id))}."

    def turn_down(self, request: HttpRequest, row: HouseEntry) -> str:
        approvals.reject(
            proposal_id=row.id,
            checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""),
            reason=request.POST.get("reason", ""),
            now=clock.now(),
        )
        return "Turned down; nothing was booked."

    def book(self, request: HttpRequest) -> HttpResponse:
        """Two steps: the postings that would come of it, then the proposal."""
        _require_permission(request)
        form = EntryForm(request.POST or None)
        postings: list[dict[str, Any]] = []
        if request.method == "POST" and form.is_valid():
            try:
                draft = form.draft()
                postings = _preview(draft.planned())
                if "confirmed" in request.POST:
                    made = house_entries.propose_entry(
                        draft=draft,
                        maker=officer_of(request),
                        reason=form.cleaned_data["reason"],
                        now=clock.now(),
                    )
                    return _proposed(request, made)
            except Refusal as refusal:
                messages.error(request, f"{refusal.message} ({refusal.code})")
        return self._page(request, form, postings, "Book by a template")

    def reverse(self, request: HttpRequest) -> HttpResponse:
        """Undo an entry; the same two steps."""
        _require_permission(request)
        form = ReversalForm(request.POST or request.GET or None)
        postings: list[dict[str, Any]] = []
        if request.method == "POST" and form.is_valid():
            entry_id = form.cleaned_data["entry"]
            try:
                entry = house_entries.get_reversible(entry_id=entry_id)
                postings = _preview(house_entries.reversed_postings(entry))
                if "confirmed" in request.POST:
                    made = house_entries.propose_reversal(
                        entry_id=entry_id,
                        document=form.cleaned_data["document"],
                        maker=officer_of(request),
                        reason=form.cleaned_data["reason"],
                        now=clock.now(),
                    )
                    return _proposed(request, made)
            except Refusal as refusal:
                messages.error(request, f"{refusal.message} ({refusal.code})")
        return self._page(request, form, postings, "Reverse an entry")

    def export(self, request: HttpRequest) -> HttpResponse:
        """What the list shows with its filters, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.list_shown(request)[:EXPORT_ROWS_MAX]
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="house-entries.csv"'
        writer = csv.writer(response)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(_cells(row))
        return response

    def _page(
        self, request: HttpRequest, form: forms.Form, postings: list[dict[str, Any]], title: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "postings": postings,
            "templates": TEMPLATES.values() if isinstance(form, EntryForm) else [],
        }
        return TemplateResponse(request, "admin/custody/houseentry/book.html", context)


def _require_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _proposed(request: HttpRequest, made: Proposal) -> HttpResponse:
    messages.success(request, "Proposed: another officer has to confirm it.")
    return HttpResponseRedirect(reverse("admin:custody_houseentry_change", args=[made.pk]))


def _preview(planned: list[Planned]) -> list[dict[str, Any]]:
    """Each posting with what its account has before and after."""
    return [
        {
            "account": posting.account,
            "units": ("+" if posting.units > 0 else "") + grouped(posting.amount),
            "before": amount(posting.available_units, posting.asset),
            "after": amount(posting.available_units + posting.units, posting.asset),
            "is_short": _is_short(posting),
        }
        for posting in planned
    ]


def _is_short(posting: Planned) -> bool:
    after = posting.available_units + posting.units
    if posting.purpose in SIGNED_PURPOSES:
        return False
    return after > 0 if posting.purpose in CONTRA_PURPOSES else after < 0


def _in_words(row: HouseEntry) -> str:
    """ "Capital paid in: 1,000 USD"."""
    body = row.body
    name = str(body["entry"]).capitalize()
    if "reverses" in body:
        return f"{name}, entry {body['reverses']}"
    return f"{name}: {_amount(row)}"


def _amount(row: HouseEntry) -> str:
    asset = _assets().get(row.body.get("asset", ""))
    return amount(int(row.body["units"]), asset) if asset else ""


def _assets() -> dict[str, Asset]:
    return {asset.code: asset for asset in Asset.objects.all()}


def _state(row: HouseEntry) -> str:
    if row.state == Proposal.State.PROPOSED:
        return "waits for a second officer"
    if row.state == Proposal.State.REJECTED:
        return f"turned down: {row.decision_reason}"
    if row.reversal_id is not None:
        return f"booked as entry {row.entry_id}, reversed by {row.reversal_id}"
    if row.entry_id is not None:
        return f"booked as entry {row.entry_id}"
    transfer = PoolTransfer.objects.filter(key=f"{KEY_PREFIX}{row.id}").first()
    if transfer is not None and transfer.state == "refused":
        return "confirmed, but the units were not free to take out of trading: nothing booked"
    return "confirmed, its units are on their way out of trading"


def _investor(row: HouseEntry) -> Investor | None:
    return Investor.objects.filter(id=row.body.get("investor") or 0).first()


def _cells(row: HouseEntry) -> list[object]:
    body = row.body
    return [
        row.proposed_at.isoformat(), body["entry"], body.get("asset", ""), body.get("units", ""),
        body.get("investor") or "", harmless(body["document"]), harmless(row.reason), _state(row),
        row.maker, row.checker or "", row.entry_id or "", row.reversal_id or "",
    ]  # fmt: skip
