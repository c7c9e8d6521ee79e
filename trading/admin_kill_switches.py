"""The desk's emergency stop: one officer stops at once, two let trading go on."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import Truncator
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import approvals
from accounts.admin.base import FileAdmin, officer_of
from accounts.models import Investor, Partner, Proposal
from kernel import clock
from kernel.refusals import Refusal
from reference.read_only import NamedRows
from trading import kill_switches
from trading.engine.refusals import TradingStopped
from trading.engine.stops import StopScope
from trading.models import KillSwitch, KillSwitchEffect, Listing

PERMISSION = kill_switches.PERMISSION
REASON_SHOWN = 50  # characters of it in the list
TONES = {"stopped": "danger", "waits": "warning", "lifted": "success"}
WORDS = {
    StopScope.INVESTOR: "an investor",
    StopScope.LISTING: "a listing",
    StopScope.PARTNER: "a partner's investors",
    StopScope.VENUE: "the whole venue",
}


class StopForm(forms.Form):
    """Why, and what investors read; whom is added by the scope."""

    reason = forms.CharField(
        max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For staff and the record; investors do not see it.",
    )  # fmt: skip
    public_words = forms.CharField(
        max_length=200, required=False, label="What investors read",
        widget=UnfoldAdminTextInputWidget,
        help_text=f"Empty: “{TradingStopped().message}”",
    )  # fmt: skip
    field_order = ["target", "reason", "public_words"]

    def key(self) -> int:
        """The id of whom it stops; 0 of the venue."""
        target = self.cleaned_data.get("target")
        return 0 if target is None else int(target.pk)


class InvestorField(forms.CharField):
    """An investor by number or e-mail address."""

    def clean(self, value: Any) -> Investor:
        text = super().clean(value).strip()
        named = {"pk": int(text)} if text.isascii() and text.isdigit() else {"user__email": text}
        try:
            return Investor.objects.get(**named)
        except (Investor.DoesNotExist, OverflowError):
            raise forms.ValidationError("There is no such investor.") from None


class InvestorStopForm(StopForm):
    target = InvestorField(
        max_length=254, label="Investor", widget=UnfoldAdminTextInputWidget,
        help_text="The number in the list of investors, or the e-mail address.",
    )  # fmt: skip


class ListingStopForm(StopForm):
    target = forms.ModelChoiceField(
        queryset=Listing.objects.order_by("wsname"), label="Listing", widget=UnfoldAdminSelectWidget
    )


class PartnerStopForm(StopForm):
    target = forms.ModelChoiceField(
        queryset=Partner.objects.order_by("name"), label="Partner", widget=UnfoldAdminSelectWidget
    )


FORMS: dict[StopScope, type[StopForm]] = {
    StopScope.INVESTOR: InvestorStopForm,
    StopScope.LISTING: ListingStopForm,
    StopScope.PARTNER: PartnerStopForm,
    StopScope.VENUE: StopForm,
}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stopped", "Stopped"), ("waits", "A lift waits"), ("lifted", "Lifted")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[KillSwitch]
    ) -> QuerySet[KillSwitch]:
        match self.value():
            case "stopped":
                return queryset.filter(lifted_at__isnull=True)
            case "waits":
                return queryset.filter(Q(("lift_waits", True)), lifted_at__isnull=True)
            case "lifted":
                return queryset.filter(lifted_at__isnull=False)
        return queryset


@admin.register(KillSwitch)
class KillSwitchAdmin(NamedRows, FileAdmin):
    list_display = [
        "shown_of", "shown_state", "shown_batch", "shown_pulled", "shown_reason", "set_by",
        "set_at",
    ]  # fmt: skip
    list_filter = [StateFilter, "scope"]
    list_select_related = ["set_by"]
    search_fields = ["reason", "set_by__email"]
    search_help_text = "A reason or an officer."
    ordering = ["-set_at"]
    file_template = "trading/admin/kill_switch.html"
    list_before_template = "trading/admin/kill_switch_buttons.html"
    acts: ClassVar = {"propose": "propose_lift", "confirm": "confirm", "turn_down": "turn_down"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[KillSwitch]:
        queryset: QuerySet[KillSwitch] = super().get_queryset(request)
        subject = Concat(Value(kill_switches.SUBJECT), Cast(OuterRef("pk"), TextField()))
        waiting = Proposal.objects.filter(
            kind=kill_switches.LIFT, state="proposed", subject=subject
        )
        return queryset.annotate(lift_waits=Exists(waiting))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.stop)
        return [path("stop/<str:scope>/", view, name="trading_stop"), *super().get_urls()]

    def name_rows(self, rows: Sequence[Any]) -> None:
        names = kill_switches.names_of(rows)
        effects = KillSwitchEffect.objects.filter(switch__in=rows, is_set=True).order_by("pool_id")
        of: dict[int, list[KillSwitchEffect]] = {}
        for effect in effects:
            of.setdefault(effect.switch_id, []).append(effect)
        for row in rows:
            row.target_name, row.set_effects = names[row.pk], of.get(row.pk, [])

    @admin.display(description="Stopped")
    def shown_of(self, switch: Any) -> str:
        return f"{switch.get_scope_display()}: {switch.target_name}"

    @display(description="State", label=TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, switch: Any) -> tuple[str, str]:
        return _state(switch)

    @admin.display(description="Reason", ordering="reason")
    def shown_reason(self, switch: KillSwitch) -> str:
        return Truncator(switch.reason).chars(REASON_SHOWN)

    @admin.display(description="Since batch")
    def shown_batch(self, switch: Any) -> str:
        return ", ".join(f"{each.batch_no:,}" for each in switch.set_effects) or "not read yet"

    @admin.display(description="Pulled")
    def shown_pulled(self, switch: Any) -> str:
        return f"{sum(each.orders_pulled for each in switch.set_effects):,}"

    def file_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        officer, proposal = officer_of(request), _open_lift(row)
        return {
            "title": f"Trading stop: {kill_switches.names_of([row])[row.pk]}",
            "state": _state(row)[1],
            "usual_words": TradingStopped().message,
            "effects": row.effects.order_by("at", "pool_id"),
            "proposal": proposal,
            "is_own": proposal is not None and proposal.maker_id == officer.pk,
            "may_act": officer.has_perm(PERMISSION),
        }

    def propose_lift(self, request: HttpRequest, row: KillSwitch) -> str:
        kill_switches.propose_lift(
            switch_id=row.pk, reason=request.POST.get("reason", ""), officer=officer_of(request),
            now=clock.now(),
        )  # fmt: skip
        return "Proposed. Trading goes on once another officer confirms."

    def confirm(self, request: HttpRequest, row: KillSwitch) -> str:
        approvals.confirm(
            proposal_id=_require_lift(row).id, checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), now=clock.now(),
        )  # fmt: skip
        return "Lifted. Trading goes on with the engine's next batch."

    def turn_down(self, request: HttpRequest, row: KillSwitch) -> str:
        approvals.reject(
            proposal_id=_require_lift(row).id, checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""), reason=request.POST.get("reason", ""),
            now=clock.now(),
        )  # fmt: skip
        return "Turned down: trading stays stopped."

    def stop(self, request: HttpRequest, scope: str) -> HttpResponse:
        """Ask whom and why; then it is done at once."""
        if not officer_of(request).has_perm(PERMISSION):
            raise PermissionDenied
        if scope not in list(StopScope):
            raise Http404
        of = StopScope(scope)
        form = FORMS[of](request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                switch = kill_switches.stop_trading(
                    scope=of, key=form.key(), reason=form.cleaned_data["reason"],
                    public_words=form.cleaned_data["public_words"], officer=officer_of(request),
                    now=clock.now(),
                )  # fmt: skip
            except Refusal as refusal:
                messages.error(request, f"{refusal.message} ({refusal.code})")
            else:
                messages.success(request, "Stopped. It takes effect at the engine's next batch.")
                address = reverse("admin:trading_killswitch_change", args=[switch.pk])
                return HttpResponseRedirect(address)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Stop trading of {WORDS[of]}", "opts": self.opts, "form": form,
            "words": WORDS[of],
        }  # fmt: skip
        return TemplateResponse(request, "trading/admin/stop.html", context)


def _state(switch: Any) -> tuple[str, str]:
    if switch.lifted_at is not None:
        return "lifted", "lifted"
    return ("waits", "stopped, a lift waits") if switch.lift_waits else ("stopped", "stopped")


def _open_lift(switch: KillSwitch) -> Proposal | None:
    return Proposal.objects.filter(
        kind=kill_switches.LIFT, subject=f"{kill_switches.SUBJECT}{switch.pk}", state="proposed"
    ).first()


def _require_lift(switch: KillSwitch) -> Proposal:
    proposal = _open_lift(switch)
    if proposal is None:
        raise approvals.ProposalDecided
    return proposal
