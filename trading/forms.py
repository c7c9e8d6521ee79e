"""Forms of the trading pages: amounts in plain digits become base units here."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from kernel.money import format_units, parse_units
from kernel.refusals import Refusal
from trading.commands import PlaceOrder
from trading.order_bodies import PERCENT_DECIMALS
from trading.queries import ListingView


class UnitsField(forms.CharField):
    """An amount in plain digits, as base units of an asset with `decimals`."""

    def __init__(self, *, decimals: int, **kwargs: Any) -> None:
        super().__init__(strip=True, max_length=40, **kwargs)
        self.decimals = decimals

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            units = parse_units(text, self.decimals)
        except Refusal as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from refusal
        if units == 0:
            raise ValidationError("Enter more than zero.", code="zero")
        return units


LIMIT, MARKET = frozenset({"limit"}), frozenset({"market"})
TRIGGERED = frozenset({"stop_loss", "take_profit"})
TRAILING = frozenset({"trailing_stop"})
# What only some kinds of order have; filled in with another kind, it is refused, not ignored.
FIELDS_OF: dict[str, tuple[frozenset[str], str]] = {
    "price": (LIMIT | TRIGGERED, "a price"),
    "trigger_price": (TRIGGERED, "a trigger"),
    "trail": (TRAILING, "a distance"),
    "cash": (LIMIT | MARKET, "an amount to spend: enter how many tokens"),
    "display": (LIMIT, "a part to show"),
    "post_only": (LIMIT, "post-only"),
    "close_take_profit": (LIMIT | MARKET, "a take profit attached"),
    "close_stop_loss": (LIMIT | MARKET, "a stop loss attached"),
}
NEEDED = {
    "limit": ("price", "A limit order needs a price."),
    "stop_loss": ("trigger_price", "Enter the price at which it is triggered."),
    "take_profit": ("trigger_price", "Enter the price at which it is triggered."),
    "trailing_stop": ("trail", "Enter how far the trigger stays behind the price."),
}


class TicketForm(forms.Form):
    """The order ticket; what it may hold depends on the listing's decimals."""

    side = forms.ChoiceField(choices=[("buy", "Buy"), ("sell", "Sell")])
    order_type = forms.ChoiceField(
        choices=[
            ("market", "Market"),
            ("limit", "Limit"),
            ("stop_loss", "Stop loss"),
            ("take_profit", "Take profit"),
            ("trailing_stop", "Trailing stop"),
        ]
    )
    time_in_force = forms.ChoiceField(
        choices=[
            ("gtc", "Until canceled"),
            ("day", "Until the trading day ends"),
            ("gtd", "Until a moment"),
            ("ioc", "At once or not"),
            ("fok", "All or nothing"),
        ],
        required=False,
    )
    # The plain form says UTC beside it; the script sends an offset of its own.
    expires_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M"])
    post_only = forms.BooleanField(required=False)
    reduce_only = forms.BooleanField(required=False)
    trail_unit = forms.ChoiceField(choices=[("percent", "%"), ("cash", "Quote")], required=False)
    trigger_by = forms.ChoiceField(
        choices=[("last", "The last trade here"), ("index", "The share's price")], required=False
    )
    # One page, one order: a second click sends the same key and gets the first answer.
    key = forms.RegexField(
        r"\A[0-9a-f]{24}\Z",
        strip=False,
        error_messages={
            "required": "Load the page again, then send the order.",
            "invalid": "Load the page again, then send the order.",
        },
    )

    def __init__(self, *args: Any, listing: ListingView, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        base, quote = listing.base_decimals, listing.quote_decimals
        by_percent = self.data.get("trail_unit") == "percent"
        for name, decimals in (
            ("quantity", base),
            ("display", base),
            ("cash", quote),
            ("price", quote),
            ("trigger_price", quote),
            ("trail", PERCENT_DECIMALS if by_percent else quote),
            ("close_take_profit", quote),
            ("close_stop_loss", quote),
        ):
            self.fields[name] = UnitsField(decimals=decimals, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if bool(cleaned.get("quantity")) == bool(cleaned.get("cash")):
            raise ValidationError("Enter either how many tokens or how much to spend.")
        kind = cleaned["order_type"]
        for name, (kinds, words) in FIELDS_OF.items():
            if cleaned.get(name) and kind not in kinds:
                label = dict(self.fields["order_type"].choices)[kind].lower()  # type: ignore[attr-defined]
                self.add_error(name, f"A {label} order does not take {words}.")
        needed, problem = NEEDED.get(kind, ("", ""))
        if needed and not cleaned.get(needed):
            self.add_error(needed, problem)
        if cleaned.get("time_in_force") == "gtd" and not cleaned.get("expires_at"):
            self.add_error("expires_at", "Enter until when it is good.")
        return cleaned

    def command(self, *, symbol: str, investor_id: int) -> PlaceOrder:
        """The order that a valid form asks for."""
        cleaned = self.cleaned_data
        kind = cleaned["order_type"]
        is_market, is_percent = kind == "market", cleaned["trail_unit"] == "percent"
        has_limit = kind in TRIGGERED and cleaned["price"]
        ends = not is_market and cleaned["time_in_force"] == "gtd"
        return PlaceOrder(
            listing=symbol,
            investor_id=investor_id,
            side=cleaned["side"],
            type=f"{kind}_limit" if has_limit else kind,  # type: ignore[arg-type]
            quantity_units=cleaned["quantity"],
            cash_units=cleaned["cash"],
            price_units=cleaned["price"],
            time_in_force="ioc" if is_market else cleaned["time_in_force"] or "gtc",
            expires_at=cleaned["expires_at"].timestamp() if ends else None,
            post_only=cleaned["post_only"],
            reduce_only=cleaned["reduce_only"],
            display_units=cleaned["display"],
            trigger_by=cleaned["trigger_by"] or None if kind in TRIGGERED | TRAILING else None,
            trigger_price_units=cleaned["trigger_price"],
            trail_units=None if is_percent else cleaned["trail"],
            trail_e6=cleaned["trail"] if is_percent else None,
            close_take_profit_units=cleaned["close_take_profit"],
            close_stop_loss_units=cleaned["close_stop_loss"],
            client_order_id=f"form-{cleaned['key']}",
        )


class AmendForm(forms.Form):
    """What of an open order is to change; empty fields stay as they are."""

    def __init__(self, *args: Any, listing: ListingView, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["quantity"] = UnitsField(decimals=listing.base_decimals, required=False)
        self.fields["price"] = UnitsField(decimals=listing.quote_decimals, required=False)
        self.fields["trigger_price"] = UnitsField(decimals=listing.quote_decimals, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not any(cleaned.values()):
            raise ValidationError("Enter what is to change.")
        return cleaned


class AmountToSpendForm(forms.Form):
    """Simple buy, first step: between the listing's minimum and what one has."""

    def __init__(
        self, *args: Any, listing: ListingView, available_units: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.listing, self.available_units = listing, available_units
        self.fields["cash"] = UnitsField(decimals=listing.quote_decimals)

    def clean_cash(self) -> int:
        units: int = self.cleaned_data["cash"]
        if units < self.listing.min_cash_units:
            raise ValidationError(f"Spend at least {self._words(self.listing.min_cash_units)}.")
        if units > self.available_units:
            raise ValidationError(f"You have {self._words(self.available_units)} available.")
        return units

    def _words(self, units: int) -> str:
        digits = format_units(units, self.listing.quote_decimals, places_min=2)
        whole, _, fraction = digits.partition(".")
        return f"{int(whole):,}.{fraction} {self.listing.quote}"
