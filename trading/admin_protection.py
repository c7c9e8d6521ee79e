"""A listing's hours, bands and largest order at the desk, and what protection made of it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from kernel.money import format_units, parse_units
from kernel.refusals import Refusal
from reference.read_only import ReadOnlyAdmin
from trading import operations
from trading.models import InboxItem, Listing, ListingPhase, MarketBreaker
from trading.states import TradingHours

PERCENT_DECIMALS = 4  # a millionth is a ten-thousandth of a percent
MICRO_DECIMALS = 6
PERCENTS = ("band_e6", "collar_e6", "protection_e6")
HOURS_WORDS = {
    TradingHours.ALWAYS: "24/7: weekends and holidays too",
    TradingHours.WEEKDAYS: "24/5: Sunday 20:00 to Friday 20:00, New York",
    TradingHours.REGULAR: "regular: 9:30 to 16:00, New York",
}


def _percent(label: str, help_text: str) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget
    return forms.CharField(label=f"{label} (%)", help_text=help_text, widget=widget)


class ProtectionForm(forms.Form):
    """Percent and whole amounts, as an officer thinks of them."""

    hours = forms.ChoiceField(choices=list(HOURS_WORDS.items()), widget=UnfoldAdminSelectWidget)
    band_e6 = _percent("Trade band", "From the last five minutes' mean: 5, 10 or 20 by tier.")
    collar_e6 = _percent("Collar", "How far a limit may lie from the reference price.")
    protection_e6 = _percent("Market orders", "How far one may run from the best price.")
    max_cash_units = forms.CharField(
        label="Largest order, in cash", widget=UnfoldAdminTextInputWidget
    )
    max_quantity_units = forms.CharField(
        label="Largest order, in tokens", widget=UnfoldAdminTextInputWidget
    )

    def __init__(self, listing: Listing, data: Any = None) -> None:
        super().__init__(data, initial=_shown(listing))
        self.decimals = _decimals(listing)

    def clean(self) -> dict[str, Any]:
        """Amounts and percent as the integers that are stored."""
        values: dict[str, Any] = super().clean() or {}
        for name, decimals in self.decimals.items():
            if name in values:
                try:
                    values[name] = parse_units(values[name], decimals)
                except Refusal as refusal:
                    self.add_error(name, refusal.message)
        return values


def _decimals(listing: Listing) -> dict[str, int]:
    return {
        **dict.fromkeys(PERCENTS, PERCENT_DECIMALS),
        "max_cash_units": listing.quote.decimals,
        "max_quantity_units": listing.asset.decimals,
    }


def _shown(listing: Listing) -> dict[str, str]:
    amounts = {
        name: format_units(getattr(listing, name), decimals)
        for name, decimals in _decimals(listing).items()
    }
    return {"hours": listing.hours, **amounts}


class ProtectionDesk(ReadOnlyAdmin):
    """Columns and one action for the listings' admin."""

    @admin.display(description="Trades stay within")
    def band(self, listing: Listing) -> str:
        return f"{format_units(listing.band_e6, PERCENT_DECIMALS)} % of the last five minutes' mean"

    @admin.display(description="Largest order")
    def maximum(self, listing: Listing) -> str:
        cash = format_units(listing.max_cash_units, listing.quote.decimals)
        tokens = format_units(listing.max_quantity_units, listing.asset.decimals)
        return f"{cash} {listing.quote.code}, {tokens} {listing.asset.code}"

    @admin.display(description="Price protection")
    def phase_words(self, listing: Listing) -> str:
        row = ListingPhase.objects.filter(listing=listing).first()
        if row is None:
            return "continuous"
        if row.shut_by:  # whose end is not the phase's, and no batch of the phase began it
            return row.shut_by.replace("_", " ")
        until = f", until {row.until:%Y-%m-%d %H:%M:%S} UTC" if row.until else ""
        return f"{row.phase.replace('_', ' ')} since batch {row.batch_no}{until}"

    @admin.display(description="Taken up")
    def taken_up(self, listing: Listing) -> str:
        """The batch at which the newest change of these rules took effect."""
        items = InboxItem.objects.filter(
            pool_id=listing.pool_id, kind="listing", payload__listing_id=listing.pk
        )
        item = items.order_by("-id").first()
        if item is None:
            return "since the engine started"
        if item.consumed_batch is None:
            return "not yet: waits for the engine's next batch"
        return f"at batch {item.consumed_batch}"

    @action(  # type: ignore[untyped-decorator]
        description="Change hours and bands",
        url_path="change-protection",
        permissions=["change_state"],
    )
    def change_protection(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the new figures, then set them."""
        listing = Listing.objects.select_related("asset", "quote").get(pk=object_id)
        form = ProtectionForm(listing, request.POST or None)
        back = reverse("admin:trading_listing_change", args=[object_id])
        if request.method == "POST" and form.is_valid():
            try:
                operations.set_protection(listing_id=listing.pk, **form.cleaned_data)
            except Refusal as refusal:
                messages.error(request, refusal.message)
            else:
                messages.success(request, "Done. It takes effect at the engine's next batch.")
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Hours and bands of {listing.wsname}",
            "form": form,
            "back": back,
            "button": "Change hours and bands",
        }
        return TemplateResponse(request, "trading/admin/change_state.html", context)


@admin.register(MarketBreaker)
class MarketBreakerAdmin(ReadOnlyAdmin):
    """When the fall of the whole market stopped everything."""

    list_display = ["trade_date", "level", "price", "previous_close", "at", "until", "batch_no"]
    list_filter = ["level"]
    ordering = ["-id"]

    @admin.display(description="Price (USD)")
    def price(self, breaker: MarketBreaker) -> str:
        return format_units(breaker.price_micros, MICRO_DECIMALS, places_min=2)

    @admin.display(description="Close of the day before (USD)")
    def previous_close(self, breaker: MarketBreaker) -> str:
        return format_units(breaker.previous_close_micros, MICRO_DECIMALS, places_min=2)
