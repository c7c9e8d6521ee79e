"""Forms of the trading pages: amounts in plain digits become base units here."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from kernel.money import format_units, parse_units
from kernel.refusals import Refusal
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


class TicketForm(forms.Form):
    """The order ticket; what it may hold depends on the listing's decimals."""

    side = forms.ChoiceField(choices=[("buy", "Buy"), ("sell", "Sell")])
    order_type = forms.ChoiceField(choices=[("market", "Market"), ("limit", "Limit")])
    time_in_force = forms.ChoiceField(
        choices=[("gtc", "Until canceled"), ("ioc", "At once or not"), ("fok", "All or nothing")],
        required=False,
    )
    post_only = forms.BooleanField(required=False)
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
        self.fields["quantity"] = UnitsField(decimals=listing.base_decimals, required=False)
        self.fields["cash"] = UnitsField(decimals=listing.quote_decimals, required=False)
        self.fields["price"] = UnitsField(decimals=listing.quote_decimals, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if bool(cleaned.get("quantity")) == bool(cleaned.get("cash")):
            raise ValidationError("Enter either how many tokens or how much to spend.")
        if cleaned["order_type"] == "limit" and not cleaned.get("price"):
            self.add_error("price", "A limit order needs a price.")
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
