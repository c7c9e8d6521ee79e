"""Staff's view of trading: listings with their states; orders and trades to look at."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from kernel import clock
from kernel.money import format_units
from kernel.refusals import Refusal
from reference.read_only import ReadOnly, ReadOnlyAdmin
from trading import operations
from trading.models import InboxItem, Listing, ListingCountryBlock, Order, Pool, Trade
from trading.states import ListingState

TONES = {
    "online": "success",
    "limit_only": "warning",
    "post_only": "warning",
    "reduce_only": "warning",
    "cancel_only": "danger",
    "halted": "danger",
}


class StateForm(forms.Form):
    """A new state, with the reason that investors will read."""

    state = forms.ChoiceField(
        choices=[(state.value, state.value.replace("_", " ")) for state in ListingState],
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget,
        help_text="Shown to investors. Needed for every state but online.",
    )  # fmt: skip
    until = forms.SplitDateTimeField(
        required=False, label="Expected end (UTC)", widget=UnfoldAdminSplitDateTimeWidget,
        help_text="As 2026-11-25 and 15:30. Shown to investors; nothing changes by itself then.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("state") != ListingState.ONLINE and not values.get("reason", "").strip():
            self.add_error("reason", "Say why: the reason is shown to investors and kept.")
        if values.get("until") and values["until"] <= clock.now():
            self.add_error("until", "This moment has passed.")
        return values


class BlockInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = ListingCountryBlock
    extra = 0
    fields = ["country", "reason"]
    readonly_fields = fields


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = [
        "wsname",
        "state_badge",
        "state_reason",
        "state_until",
        "maker_fee",
        "taker_fee",
    ]
    list_filter = ["state", "quote"]
    search_fields = ["symbol", "asset__name"]
    ordering = ["symbol"]
    fields = [
        "wsname", "symbol", "asset", "quote", "pool", "state", "state_reason", "state_until",
        "tick", "lot", "minimum", "maker_fee", "taker_fee", "protection", "collar", "created_at",
    ]  # fmt: skip
    readonly_fields = [
        "tick", "lot", "minimum", "maker_fee", "taker_fee", "protection", "collar",
    ]  # fmt: skip
    inlines = [BlockInline]
    actions_detail = ["change_state"]
    actions = ["halt"]

    @display(description="State", ordering="state", label=TONES)  # type: ignore[untyped-decorator]
    def state_badge(self, listing: Listing) -> tuple[str, str]:
        return listing.state, listing.state.replace("_", " ")

    @admin.display(description="Maker fee")
    def maker_fee(self, listing: Listing) -> str:
        return f"{format_units(listing.maker_fee_e6, 4)} %"

    @admin.display(description="Taker fee")
    def taker_fee(self, listing: Listing) -> str:
        return f"{format_units(listing.taker_fee_e6, 4)} %"

    @admin.display(description="Price step")
    def tick(self, listing: Listing) -> str:
        return f"{format_units(listing.tick_units, listing.quote.decimals)} {listing.quote.code}"

    @admin.display(description="Quantity step")
    def lot(self, listing: Listing) -> str:
        return f"{format_units(listing.lot_units, listing.asset.decimals)} {listing.asset.code}"

    @admin.display(description="Smallest order")
    def minimum(self, listing: Listing) -> str:
        return (
            f"{format_units(listing.min_cash_units, listing.quote.decimals)} {listing.quote.code}"
        )

    @admin.display(description="Market orders go at most")
    def protection(self, listing: Listing) -> str:
        return f"{format_units(listing.protection_e6, 4)} % beyond the best price"

    @admin.display(description="Limit prices lie at most")
    def collar(self, listing: Listing) -> str:
        return f"{format_units(listing.collar_e6, 4)} % from the reference"

    def has_change_state_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("trading.set_listing_state")

    @action(  # type: ignore[untyped-decorator]
        description="Change state", url_path="change-state", permissions=["change_state"]
    )
    def change_state(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the state and its reason, then do it."""
        listing = Listing.objects.get(pk=object_id)
        form = StateForm(request.POST or None, initial={"state": listing.state})
        back = reverse("admin:trading_listing_change", args=[object_id])
        if request.method == "POST" and form.is_valid():
            self._set_state(request, listing.pk, **form.cleaned_data)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Change the state of {listing.wsname}",
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "trading/admin/change_state.html", context)

    @admin.action(description="Halt the selected listings", permissions=["change_state"])
    def halt(self, request: HttpRequest, listings: QuerySet[Listing]) -> None:
        for listing in listings:
            self._set_state(
                request, listing.pk, state="halted", reason="Halted by staff", until=None
            )

    def _set_state(self, request: HttpRequest, listing_id: int, **wanted: Any) -> None:
        try:
            operations.set_listing_state(listing_id=listing_id, **wanted)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Done. It takes effect at the engine's next batch.")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = [
        "id", "listing", "investor_id", "side", "type", "price_units", "quantity_units",
        "filled_units", "status", "reason", "batch_no", "accepted_at",
    ]  # fmt: skip
    list_filter = ["status", "side", "type", "source"]
    list_select_related = ["listing"]
    search_fields = ["=id", "=investor_id", "=client_order_id"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    list_display = [
        "id", "listing", "trade_no", "price_units", "quantity_units", "cash_units", "buyer_id",
        "seller_id", "taker_side", "batch_no", "traded_at",
    ]  # fmt: skip
    list_filter = ["taker_side"]
    list_select_related = ["listing"]
    search_fields = ["=id", "=maker_order_id", "=taker_order_id"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    list_display = ["id", "owner", "epoch", "batch_no", "heartbeat_at", "processed_until"]


@admin.register(InboxItem)
class InboxItemAdmin(ReadOnlyAdmin):
    """At which batch a fact took effect."""

    list_display = ["id", "kind", "payload", "created_at", "consumed_batch"]
    list_filter = ["kind"]
    ordering = ["-id"]
    show_full_result_count = False
