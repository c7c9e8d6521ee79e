"""The statement of account: a page that asks for asset and days, and the CSV."""

import csv
import io
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from custody.models import Asset, Seal
from custody.statements import Statement, get_statement
from kernel import clock
from kernel.money import format_units
from kernel.refusals import Refusal

DAYS_SHOWN = 30
LINES_SHOWN_MAX = 200
HEADER = ["time_utc", "seal", "entry", "kind", "reference", "asset", "amount", "balance"]


class StatementForm(forms.Form):
    """What the address says; what is missing is the last month of USDC."""

    asset = forms.ModelChoiceField(Asset.objects.none(), to_field_name="code")
    first = forms.DateField()
    last = forms.DateField()

    def __init__(self, query: dict[str, Any], investor_id: int) -> None:
        super().__init__(query)
        owned = Asset.objects.filter(ledger_accounts__owner_id=investor_id).distinct()
        field = self.fields["asset"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = owned.order_by("code")


@require_safe
def statement(request: HttpRequest) -> HttpResponse:
    form, found, refusal = _read(request)
    context = {
        "form": form,
        "assets": form.fields["asset"].queryset,  # type: ignore[attr-defined]
        "statement": found,
        "lines": found.lines[:LINES_SHOWN_MAX] if found else [],
        "refusal": refusal,
        "query": form.data,
    }
    # Who asks for nothing in particular, and owns nothing yet, did nothing wrong.
    status = 200 if found or not request.GET else 422
    return render(request, "custody/statement.html", context, status=status)


@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """The lines between the opening and the closing balance; amounts in plain digits."""
    _, found, refusal = _read(request)
    if found is None:
        return HttpResponse(refusal or "Choose an asset and days.", status=422)
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *_rows(found)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"bourse-statement-{found.asset.code}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _read(request: HttpRequest) -> tuple[StatementForm, Statement | None, str]:
    investor = get_investor_for(request.user)
    investor_id = investor.pk if investor else 0
    today = clock.now().date()
    defaults = {"asset": "USDC", "first": today - timedelta(days=DAYS_SHOWN), "last": today}
    query = {name: request.GET.get(name) or value for name, value in defaults.items()}
    form = StatementForm(query, investor_id)
    if not form.is_valid():
        return form, None, ""
    given = form.cleaned_data
    try:
        found = get_statement(
            investor_id=investor_id,
            asset=given["asset"],
            first_date=given["first"],
            last_date=given["last"],
        )
    except Refusal as refusal:
        return form, None, refusal.message
    return form, found, ""


def _rows(found: Statement) -> list[list[object]]:
    asset = found.asset

    def balance(name: str, units: int, seal: Seal | None) -> list[object]:
        shown = format_units(units, asset.decimals)
        return ["", seal.n if seal else "", "", name, "", asset.code, "", shown]

    rows = [balance("opening balance", found.opening_units, found.after)]
    rows += [
        [
            line.created_at.isoformat(),
            line.seal_n,
            line.entry_id,
            line.kind,
            line.reference,
            asset.code,
            format_units(line.units, asset.decimals),
            format_units(line.balance_units, asset.decimals),
        ]
        for line in found.lines
    ]
    return [*rows, balance("closing balance", found.closing_units, found.until)]
