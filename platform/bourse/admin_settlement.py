"""The staff's view of settlement: per asset and minute, and what is on its way now.

A page and the same lines as CSV, to read; custody's own pages of legs and blocks hold
the acts.
"""

import csv
from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from custody.ledger_purposes import AssetKind
from custody.models import Asset
from kernel import clock
from kernel.money import format_units
from reporting.settlement import Minute, Minutes, list_waiting_blocks, list_waiting_legs

MINUTES_A_PAGE = 50
ROWS_READ_AT_ONCE = 1_000
WAITING_SHOWN_MAX = 100
PERMISSION = "custody.view_settlementleg"
COLUMNS = [
    "minute_utc",
    "token",
    "sold_from_inventory",
    "sold_by_house_traders",
    "share",
    "shares_bought",
    "shares_settled",
    "shares_not_settled_yet",
    "tokens_moved",
    "tokens_in_transit",
]


class Filter(forms.Form):
    """What the address says; a missing day is today's, a missing asset is all."""

    day = forms.DateField(required=False)
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.filter(kind=AssetKind.TOKEN).order_by("code"),
        to_field_name="code",
        required=False,
    )


class Row:
    """A minute in words; nothing is a dash, so that figures stand out."""

    def __init__(self, minute: Minute) -> None:
        self.minute = minute
        token, share = minute.token.decimals, minute.share.decimals if minute.share else 0
        self.at = minute.at
        self.code = minute.token.code
        self.figures = [
            ("sold out of inventory", _shown(minute.sold_units, token)),
            ("sold by our traders", _shown(minute.traded_units, token)),
            ("shares bought", _shown(minute.shares_bought_units, share)),
            ("shares settled", _shown(minute.shares_settled_units, share)),
            ("shares not settled yet", _shown(minute.shares_due_units, share)),
            ("moved on the chain", _shown(minute.moved_units, token)),
            ("in transit", _shown(minute.in_transit_units, token)),
        ]


@require_safe
def settlement(request: HttpRequest) -> HttpResponse:
    """The page."""
    _check_may_look(request)
    form, day, token = _read(request)
    minutes: Any = Minutes(day=day, token=token)
    page: Page[Minute] = Paginator(minutes, MINUTES_A_PAGE).get_page(request.GET.get("page"))
    legs, blocks = list_waiting_legs(), list_waiting_blocks()
    states = [leg.state for leg in legs] + [block.state for block in blocks]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Settlement",
        "day": day,
        "token": token,
        "tokens": form.fields["asset"].queryset,  # type: ignore[attr-defined]
        "page": page,
        "rows": [Row(minute) for minute in page.object_list],
        "legs": [(leg, format_units(leg.units, leg.asset.decimals)) for leg in _some(legs)],
        "blocks": [(each, format_units(each.units, each.asset.decimals)) for each in _some(blocks)],
        "legs_count": len(legs),
        "blocks_count": len(blocks),
        "stuck": states.count("stuck"),
        "is_malformed": not form.is_valid(),
    }
    return TemplateResponse(request, "admin/settlement.html", context)


@require_safe
def settlement_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The day's lines, all of them."""
    _check_may_look(request)
    _, day, token = _read(request)
    lines = _lines(Minutes(day=day, token=token))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"settlement-{day:%Y-%m-%d}{'-' + token.code if token else ''}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _check_may_look(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _read(request: HttpRequest) -> tuple[Filter, date, Asset | None]:
    form = Filter(request.GET)
    form.is_valid()
    return form, form.cleaned_data.get("day") or clock.now().date(), form.cleaned_data.get("asset")


def _some(rows: Any) -> Any:
    return rows[:WAITING_SHOWN_MAX]


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _lines(minutes: Minutes) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for start in range(0, minutes.count(), ROWS_READ_AT_ONCE):
        for minute in minutes[start : start + ROWS_READ_AT_ONCE]:
            yield writer.writerow(_cells(minute))


def _cells(minute: Minute) -> list[str]:
    token, share = minute.token.decimals, minute.share.decimals if minute.share else 0
    return [
        f"{minute.at:%Y-%m-%dT%H:%MZ}",
        minute.token.code,
        format_units(minute.sold_units, token),
        format_units(minute.traded_units, token),
        minute.share.code if minute.share else "",
        format_units(minute.shares_bought_units, share),
        format_units(minute.shares_settled_units, share),
        format_units(minute.shares_due_units, share),
        format_units(minute.moved_units, token),
        format_units(minute.in_transit_units, token),
    ]


def _shown(units: int, decimals: int) -> str:
    return format_units(units, decimals) if units else "–"
