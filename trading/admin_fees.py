"""Fee schedules at the desk: proposed in dollars and percent, confirmed by a second officer."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.admin.base import FileAdmin, officer_of
from accounts.models import Investor, Partner, Proposal
from kernel import clock
from kernel.money import format_units, parse_units, truncate_units
from kernel.refusals import Refusal
from reference.read_only import NamedRows, ReadOnlyAdmin
from trading import fees
from trading.engine.rates import Tier
from trading.models import FeeSchedule, InvestorVolume, Listing

TONES = {"in force": "success", "begins later": "info", "replaced": "warning", "ends": "danger"}
TIER_FIELDS = 3


class ScheduleForm(forms.Form):
    """A schedule as an officer writes it down."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    partner = forms.ModelChoiceField(
        queryset=Partner.objects.order_by("name"), required=False, empty_label="everybody",
        label="For the investors of", widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    listing = forms.ModelChoiceField(
        queryset=Listing.objects.order_by("wsname"), required=False, empty_label="every listing",
        label="In", widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    valid_from = forms.SplitDateTimeField(
        required=False, label="From (UTC)", widget=UnfoldAdminSplitDateTimeWidget,
        help_text="As 2026-12-01 and 00:00. Empty: from the confirmation on.",
    )  # fmt: skip
    tiers = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="A line for each tier: 30-day volume in USD, maker %, taker %. Like “0 0.10 0.25”"
        " and below it “100000 0.08 0.20”. Nothing at all ends the schedule before.",
    )  # fmt: skip
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)

    def clean_tiers(self) -> list[Tier]:
        try:
            tiers = [
                _tier(line) for line in self.cleaned_data["tiers"].splitlines() if line.strip()
            ]
            fees.check_tiers(tiers)
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from None
        return tiers

    def draft(self) -> fees.Draft:
        values = self.cleaned_data
        return fees.Draft(
            name=values["name"], listing=values["listing"], partner=values["partner"],
            valid_from=values["valid_from"], tiers=values["tiers"],
        )  # fmt: skip


def _tier(line: str) -> Tier:
    """:raises FeeTiersMalformed, MalformedAmount: as they say."""
    words = line.split()
    if len(words) != TIER_FIELDS:
        raise fees.FeeTiersMalformed(f"Write a volume, a maker's and a taker's rate: {line!r}.")
    volume, maker, taker = words
    return Tier(
        parse_units(volume, fees.CASH_DECIMALS),
        parse_units(maker, fees.PERCENT_DECIMALS),
        parse_units(taker, fees.PERCENT_DECIMALS),
    )


@admin.register(FeeSchedule)
class FeeScheduleAdmin(NamedRows, FileAdmin):
    list_display = [
        "name", "shown_partner", "shown_listing", "shown_state", "shown_tiers", "valid_from",
    ]  # fmt: skip
    list_filter = ["partner", "listing"]
    list_select_related = ["partner", "listing"]
    search_fields = ["name", "partner__name", "partner__code", "listing__symbol"]
    ordering = ["-valid_from", "-id"]
    file_template = "trading/admin/fee_schedule.html"
    list_before_template = "trading/admin/fee_schedule_links.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.propose)
        return [path("propose/", view, name="trading_fees_propose"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        waiting = Proposal.objects.filter(kind=fees.KIND, state=Proposal.State.PROPOSED)
        context = {"waiting": waiting.order_by("proposed_at"), **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[no-any-return]

    def name_rows(self, rows: Sequence[Any]) -> None:
        states = _states()
        for row in rows:
            row.state_word = states[row.pk]
            row.tier_words = _in_words(row)

    @admin.display(description="For", ordering="partner__name")
    def shown_partner(self, row: FeeSchedule) -> str:
        return row.partner.name if row.partner else "everybody"

    @admin.display(description="In", ordering="listing__wsname")
    def shown_listing(self, row: FeeSchedule) -> str:
        return row.listing.wsname if row.listing else "every listing"

    @display(description="State", label=TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, row: Any) -> str:
        return str(row.state_word)

    @admin.display(description="Tiers")
    def shown_tiers(self, row: Any) -> str:
        return str(row.tier_words)

    def file_context(self, request: HttpRequest, row: FeeSchedule) -> dict[str, Any]:
        tiers = row.tiers.order_by("volume_from_units")
        return {
            "state": _states()[row.pk],
            "tiers": [
                _shown(Tier(tier.volume_from_units, tier.maker_e6, tier.taker_e6)) for tier in tiers
            ],
        }

    def propose(self, request: HttpRequest) -> HttpResponse:
        """Two steps: what it would mean, then the proposal."""
        officer = officer_of(request)
        if not officer.has_perm(fees.PERMISSION):
            raise PermissionDenied
        form, preview = ScheduleForm(request.POST or None), None
        if request.method == "POST" and form.is_valid():
            if "confirmed" in request.POST:
                try:
                    fees.propose_schedule(
                        draft=form.draft(), maker=officer, reason=form.cleaned_data["reason"],
                        now=clock.now(),
                    )  # fmt: skip
                except Refusal as refusal:
                    messages.error(request, f"{refusal.message} ({refusal.code})")
                else:
                    messages.success(request, "Proposed: another officer has to confirm it.")
                    return HttpResponseRedirect(reverse("admin:trading_feeschedule_changelist"))
            preview = [_shown(tier) for tier in form.cleaned_data["tiers"]]
        context = {
            **self.admin_site.each_context(request),
            "title": "Propose a fee schedule", "opts": self.opts, "form": form, "tiers": preview,
            "is_checked": preview is not None,
        }  # fmt: skip
        return TemplateResponse(request, "trading/admin/propose_fees.html", context)


def _states() -> dict[int, str]:
    """Every schedule: whether it counts now, will, or did."""
    now = clock.now()
    found: dict[int, str] = {}
    newest: dict[tuple[int | None, int | None], int] = {}
    for row in FeeSchedule.objects.prefetch_related("tiers").order_by("valid_from", "id"):
        if row.valid_from > now:
            found[row.pk] = "begins later"
            continue
        found[row.pk] = "in force" if row.tiers.all() else "ends"
        before = newest.get((row.partner_id, row.listing_id))
        if before is not None:
            found[before] = "replaced"
        newest[row.partner_id, row.listing_id] = row.pk
    return found


def _in_words(row: FeeSchedule) -> str:
    tiers = sorted(row.tiers.all(), key=lambda tier: tier.volume_from_units)
    if not tiers:
        return "none: ends the one before"
    lowest = tiers[0]
    words = f"{_percent(lowest.maker_e6)} / {_percent(lowest.taker_e6)}"
    return words if len(tiers) == 1 else f"{len(tiers)}, from {words}"


def _percent(rate_e6: int) -> str:
    return f"{format_units(rate_e6, fees.PERCENT_DECIMALS)} %"


def _shown(tier: Tier) -> dict[str, str]:
    volume = int(truncate_units(tier.volume_from, fees.CASH_DECIMALS, 0))
    return {
        "volume": f"{volume:,} USD",
        "maker": _percent(tier.maker_e6),
        "taker": _percent(tier.taker_e6),
    }


@admin.register(InvestorVolume)
class InvestorVolumeAdmin(NamedRows, ReadOnlyAdmin):
    """What tiers are judged by, a row for each investor and day."""

    list_display = ["day", "shown_investor", "shown_day", "shown_month"]
    list_filter = ["day"]
    search_fields = ["=investor_id"]
    search_help_text = "The number of an investor."
    ordering = ["-day", "-month_units"]
    show_full_result_count = False

    def name_rows(self, rows: Sequence[Any]) -> None:
        people = Investor.objects.in_bulk({row.investor_id for row in rows})
        for row in rows:
            person = people.get(row.investor_id)
            row.name = person.display_name if person else str(row.investor_id)

    @admin.display(description="Investor", ordering="investor_id")
    def shown_investor(self, row: Any) -> str:
        return str(row.name)

    @admin.display(description="That day", ordering="day_units")
    def shown_day(self, row: InvestorVolume) -> str:
        return _dollars(row.day_units)

    @admin.display(description="30 days", ordering="month_units")
    def shown_month(self, row: InvestorVolume) -> str:
        return _dollars(row.month_units)


def _dollars(units: int) -> str:
    whole, _, cents = truncate_units(units, fees.CASH_DECIMALS, 2).partition(".")
    return f"{int(whole):,}.{cents} USD"
