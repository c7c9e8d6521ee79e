"""Forms of the custody pages."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from custody.models import Asset
from kernel.money import parse_units
from kernel.refusals import Refusal


class RedemptionForm(forms.Form):
    """Which token and how many; the digits become base units of that token."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.filter(kind="token"), to_field_name="code"
    )
    quantity = forms.CharField(max_length=40)
    forward = forms.BooleanField(
        error_messages={"required": "Tick the box about the price before you go on."}
    )
    key = forms.CharField(max_length=80)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "asset" not in cleaned or "quantity" not in cleaned:
            return cleaned
        try:
            cleaned["units"] = parse_units(cleaned["quantity"], cleaned["asset"].decimals)
        except Refusal as refusal:
            raise ValidationError({"quantity": refusal.message}) from refusal
        if cleaned["units"] == 0:
            raise ValidationError({"quantity": "Enter more than zero."})
        return cleaned
