"""The staff's look at the past: closed periods, and the trial balance as of any seal."""

import csv
import io
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from custody.admin.words import grouped
from custody.as_of import get_seal, parse_as_of
from custody.models import Period, Seal
from custody.sealing import seal_hash
from custody.time_travel import TrialLine, list_trial_balance
from kernel import clock
from kernel.money import format_units
from kernel.refusals import Refusal
from reference.read_only import ReadOnlyAdmin

# Balances of all accounts, summed: whoever may look at accounts may look at it.
PERMISSION = "custody.view_ledgeraccount"
HEADER = ["as_of_seal", "sealed_at_utc", "seal_hash", "asset", "purpose", "balance"]


@admin.register(Period)
class PeriodAdmin(ReadOnlyAdmin):
    list_display = ("n", "seal_n", "ends_at", "closed_at", "trial_balance_link")
    ordering = ("-n",)
    list_before_template = "admin/custody/period/trial_balance_link.html"

    @admin.display(description="Balances")
    def trial_balance_link(self, period: Period) -> SafeString:
        url = reverse("admin:custody_trial_balance") + f"?as_of={period.seal_n}"
        return format_html('<a href="{}">Trial balance</a>', url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("trial-balance/", view(self.trial_balance), name="custody_trial_balance"),
            path(
                "trial-balance/export.csv",
                view(self.trial_balance_csv),
                name="custody_trial_balance_csv",
            ),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def trial_balance(self, request: HttpRequest) -> HttpResponse:
        return _trial_balance(request, self.admin_site.each_context(request))

    def trial_balance_csv(self, request: HttpRequest) -> HttpResponse:
        return _trial_balance_csv(request)


@require_safe
def _trial_balance(request: HttpRequest, site: dict[str, Any]) -> HttpResponse:
    _require_permission(request)
    seal, problem = _read_seal(request)
    lines = list_trial_balance(seal=seal) if seal else []
    newest = Seal.objects.filter(chain="ledger").order_by("-n").first()
    context = site | {
        "title": "Trial balance",
        "as_of": request.GET.get("as_of", ""),
        "seal": seal,
        "seal_hash": seal_hash(seal).hex() if seal else "",
        "problem": problem,
        "newest": newest,
        "assets": [_asset(code, of_asset) for code, of_asset in groupby(lines, _code)],
        "may_list_periods": request.user.has_perm("custody.view_period"),
        "periods": Period.objects.order_by("-n")[:12],
    }
    return render(
        request, "admin/custody/period/trial_balance.html", context, status=422 if problem else 200
    )


@require_safe
def _trial_balance_csv(request: HttpRequest) -> HttpResponse:
    _require_permission(request)
    seal, problem = _read_seal(request)
    if seal is None:
        return HttpResponse(problem, status=422, content_type="text/plain; charset=utf-8")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    stands_on = [seal.n, seal.sealed_at.isoformat(), seal_hash(seal).hex()]
    for line in list_trial_balance(seal=seal):
        units = format_units(line.units, line.decimals)
        writer.writerow([*stands_on, line.asset, line.purpose, units])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"bourse-trial-balance-seal-{seal.n}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _require_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _read_seal(request: HttpRequest) -> tuple[Seal | None, str]:
    """The seal that `?as_of=` means, else the newest; or why there is none."""
    text = request.GET.get("as_of", "").strip()
    try:
        return get_seal(parse_as_of(text) if text else clock.now()), ""
    except ValueError:
        return None, "Write a seal's number, or a time such as 2026-03-31T22:00."
    except Refusal as refusal:
        return None, refusal.message


def _code(line: TrialLine) -> str:
    return line.asset


def _asset(code: str, lines: Iterable[TrialLine]) -> dict[str, Any]:
    found = list(lines)
    return {
        "code": code,
        "total": format_units(sum(line.units for line in found), found[0].decimals),
        "rows": [
            (
                line.purpose.replace("_", " ").capitalize(),
                grouped(format_units(line.units, line.decimals)),
                line.units < 0,
            )
            for line in found
        ],
    }
