"""Staff's view of trading: listings with their states; orders and trades to look at."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Investor
from kernel import clock
from kernel.money import format_units
from kernel.refusals import Refusal
from reference.read_only import NamedRows, ReadOnly, ReadOnlyAdmin
from trading import admin_fees, admin_kill_switches, operations  # noqa: F401 - found from here
from trading.admin_protection import ProtectionDesk
from trading.models import InboxItem, Listing, ListingCountryBlock, Order, Pool, Trade
from trading.states import ListingState

# A name that fits more people than this is no search.
NAMES_FOUND_MAX = 200

TONES = {
    "online": "success",
    "limit_only": "warning",
    "post_only": "warning",
    "reduce_only": "warning",
    "cancel_only": "danger",
    "halted": "danger",
    "auction": "warning",
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
class ListingAdmin(ProtectionDesk):
    list_display = [
        "wsname",
        "hours",
        "state_badge",
        "state_reason",
        "state_until",
        "maker_fee",
        "taker_fee",
    ]
    list_filter = ["state", "hours", "quote"]
    search_fields = ["symbol", "asset__name"]
    ordering = ["symbol"]
    fields = [
        "wsname", "symbol", "asset", "quote", "pool", "state", "state_reason", "state_until",
        "taken_up", "phase_words", "hours", "tick", "lot", "minimum", "maximum", "maker_fee",
        "taker_fee", "protection", "collar", "band", "created_at",
    ]  # fmt: skip
    readonly_fields = [
        "tick", "lot", "minimum", "maker_fee", "taker_fee", "protection", "collar",
        "taken_up", "phase_words", "maximum", "band",
    ]  # fmt: skip
    inlines = [BlockInline]
    actions_detail = ["change_state", "change_protection"]
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


class ByInvestor(NamedRows):
    """Rows of the engine hold investors' ids alone; shown and found by name."""

    investor_fields: ClassVar[tuple[str, ...]]

    def name_rows(self, rows: Sequence[Any]) -> None:
        ids = {getattr(row, field) for row in rows for field in self.investor_fields}
        people = Investor.objects.in_bulk(ids)
        for row in rows:
            row.people = {field: people.get(getattr(row, field)) for field in self.investor_fields}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        base: Any = super()
        found, has_twins = base.get_search_results(request, queryset, search_term)
        if search_term:
            named = Q(display_name__icontains=search_term) | Q(user__email__icontains=search_term)
            ids = Investor.objects.filter(named).values_list("id", flat=True)[:NAMES_FOUND_MAX]
            who = Q()
            for field in self.investor_fields:
                who |= Q(**{f"{field}__in": list(ids)})
            found |= queryset.filter(who)
        return found, has_twins


def _person(row: Any, field: str) -> str:
    investor = row.people[field]
    if investor is None:
        return "-"
    address = reverse("admin:accounts_investor_change", args=[investor.pk])
    return format_html('<a href="{}">{}</a>', address, investor.display_name)


def _price(units: int | None, listing: Listing) -> str:
    if units is None:
        return "market"
    return f"{format_units(units, listing.quote.decimals, places_min=2)} {listing.quote.code}"


def _tokens(units: int | None, listing: Listing) -> str:
    if units is None:
        return "-"
    return f"{format_units(units, listing.asset.decimals)} {listing.asset.code}"


@admin.register(Order)
class OrderAdmin(ByInvestor, ReadOnlyAdmin):
    list_display = [
        "accepted_at", "shown_investor", "listing", "side", "type", "shown_price",
        "shown_quantity", "shown_filled", "status", "reason", "batch_no",
    ]  # fmt: skip
    list_filter = ["status", "side", "type", "source"]
    list_select_related = ["listing__asset", "listing__quote"]
    search_fields = ["=id", "=client_order_id", "listing__symbol"]
    search_help_text = "An investor's name or e-mail, a listing, or the exact id of an order."
    ordering = ["-id"]
    show_full_result_count = False
    investor_fields = ("investor_id",)

    @admin.display(description="Investor")
    def shown_investor(self, order: Order) -> str:
        return _person(order, "investor_id")

    @admin.display(description="Price", ordering="price_units")
    def shown_price(self, order: Order) -> str:
        return _price(order.price_units, order.listing)

    @admin.display(description="Quantity", ordering="quantity_units")
    def shown_quantity(self, order: Order) -> str:
        if order.quantity_units is None and order.cash_units is not None:
            return _price(order.cash_units, order.listing)
        return _tokens(order.quantity_units, order.listing)

    @admin.display(description="Filled", ordering="filled_units")
    def shown_filled(self, order: Order) -> str:
        return _tokens(order.filled_units, order.listing)


@admin.register(Trade)
class TradeAdmin(ByInvestor, ReadOnlyAdmin):
    list_display = [
        "traded_at", "listing", "trade_no", "shown_price", "shown_quantity", "shown_cash",
        "shown_buyer", "shown_seller", "taker_side", "batch_no",
    ]  # fmt: skip
    list_filter = ["taker_side"]
    list_select_related = ["listing__asset", "listing__quote"]
    search_fields = ["=id", "=maker_order_id", "=taker_order_id", "listing__symbol"]
    search_help_text = "An investor's name or e-mail, a listing, or the exact id of an order."
    ordering = ["-id"]
    show_full_result_count = False
    investor_fields = ("buyer_id", "seller_id")

    @admin.display(description="Price", ordering="price_units")
    def shown_price(self, trade: Trade) -> str:
        return _price(trade.price_units, trade.listing)

    @admin.display(description="Quantity", ordering="quantity_units")
    def shown_quantity(self, trade: Trade) -> str:
        return _tokens(trade.quantity_units, trade.listing)

    @admin.display(description="Cash", ordering="cash_units")
    def shown_cash(self, trade: Trade) -> str:
        return _price(trade.cash_units, trade.listing)

    @admin.display(description="Buyer")
    def shown_buyer(self, trade: Trade) -> str:
        return _person(trade, "buyer_id")

    @admin.display(description="Seller")
    def shown_seller(self, trade: Trade) -> str:
        return _person(trade, "seller_id")


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    list_display = ["id", "owner", "epoch", "batch_no", "heartbeat_at", "processed_until"]


@admin.register(InboxItem)
class InboxItemAdmin(NamedRows, ReadOnlyAdmin):
    """At which batch a fact took effect."""

    list_display = ["created_at", "kind", "shown_about", "consumed_batch"]
    list_filter = ["kind"]
    ordering = ["-id"]
    show_full_result_count = False

    def name_rows(self, rows: Sequence[Any]) -> None:
        people = Investor.objects.in_bulk(_named_ids(rows, "investor_id"))
        listings = Listing.objects.in_bulk(_named_ids(rows, "listing_id"))
        for item in rows:
            listing = listings.get(item.payload.get("listing_id", 0))
            about = people.get(item.payload.get("investor_id", 0)) or listing
            item.about = str(about) if about else f"{item.kind.replace('_', ' ')} {item.pk}"
            if "state" in item.payload:
                item.about += f": {item.payload['state'].replace('_', ' ')}"

    @admin.display(description="About")
    def shown_about(self, item: Any) -> str:
        return str(item.about)


def _named_ids(rows: Sequence[Any], field: str) -> set[int]:
    return {row.payload[field] for row in rows if field in row.payload}
