"""The statement of account: a page that asks for asset and days, and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, overload
from urllib.parse import urlencode

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Investor, User
from accounts.personal_data import reveal
from accounts.queries import get_case_of, get_investor_for
from custody.models import Asset
from custody.statements.exports import as_csv, as_parquet, as_pdf
from custody.statements.reading import Section, Statement, get_first_date, get_statement
from custody.time_travel import StatementLine
from kernel import clock
from kernel.refusals import Refusal

ALL = "all"
DAYS_SHOWN = 30
LINES_A_PAGE = 100
MONTHS_SHOWN_MAX = 24
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
}


class StatementForm(forms.Form):
    """What the address says; what is missing is the last month of all assets."""

    asset = forms.CharField(max_length=32)
    first = forms.DateField()
    last = forms.DateField()
    seal = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)

    def __init__(self, query: dict[str, Any], investor_id: int) -> None:
        super().__init__(query)
        owned = Asset.objects.filter(ledger_accounts__owner_id=investor_id).distinct()
        self.assets = {asset.code: asset for asset in owned.order_by("code")}

    def clean_asset(self) -> Asset | None:
        code = self.cleaned_data["asset"]
        if code != ALL and code not in self.assets:
            raise forms.ValidationError("Choose an asset of yours.")
        return self.assets.get(code)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and first > last:
            raise forms.ValidationError("The first day is after the last.")
        return given


@dataclass(frozen=True, slots=True)
class Month:
    """A month that is over, and the address of its statement."""

    first: date
    query: str


class LinesOf(Sequence[StatementLine]):
    """A section's lines as Django's Paginator wants them: counted, and read in part."""

    def __init__(self, section: Section) -> None:
        self.section = section

    def __len__(self) -> int:
        return self.section.lines_count

    @overload
    def __getitem__(self, at: int) -> StatementLine: ...

    @overload
    def __getitem__(self, at: slice) -> list[StatementLine]: ...

    def __getitem__(self, at: int | slice) -> StatementLine | list[StatementLine]:
        if isinstance(at, int):
            return self.section.lines_from(at, 1)[0]
        return self.section.lines_from(at.start, at.stop - at.start)


@require_safe
def statement(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    form, found, refusal = _read(request, investor)
    section = found.sections[0] if found and found.sections and form.data["asset"] != ALL else None
    lines = Paginator(LinesOf(section), LINES_A_PAGE) if section else None
    context = {
        "form": form,
        "assets": form.assets,
        "statement": found,
        "section": section,
        "lines": lines.get_page(request.GET.get("page")) if lines else None,
        "refusal": refusal or _first_error(form),
        "query": form.data,
        "files_query": _files_query(form, found),
        "is_open": found is not None and found.last_date >= clock.now().date(),
        "months": _months(investor),
    }
    # Who asks for nothing in particular, and owns nothing yet, did nothing wrong.
    status = 200 if found or not request.GET else 422
    return render(request, "custody/statement.html", context, status=status)


@require_safe
def export(request: HttpRequest, kind: str) -> HttpResponse:
    """The statement as a file that is the same whenever it is asked for again.

    :raises Refusal: too many lines, or nothing is sealed yet.
    """
    investor = get_investor_for(request.user)
    form, found, refusal = _read(request, investor)
    if found is None or investor is None:
        return HttpResponse(refusal or "Choose an asset and days.", status=422)
    if kind == "csv":
        content = as_csv(found)
    elif kind == "parquet":
        content = as_parquet(found)
    else:
        content = as_pdf(found, read_name=partial(_name, request, investor))
    response = HttpResponse(content, content_type=CONTENT_TYPES[kind])
    days = f"{found.first_date.isoformat()}-{found.last_date.isoformat()}"
    name = f"bourse-statement-{form.data['asset']}-{days}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _name(request: HttpRequest, investor: Investor) -> str:
    """The name that was verified, by the logged door; who has no case is known by another."""
    case = get_case_of(investor_id=investor.pk)
    if case is None or case.form_sealed is None:
        return investor.display_name
    reader = request.user
    assert isinstance(reader, User)
    found = reveal(case_id=case.pk, reader=reader, purpose="statement of account", now=clock.now())
    return found.full_name


def _read(
    request: HttpRequest, investor: Investor | None
) -> tuple[StatementForm, Statement | None, str]:
    investor_id = investor.pk if investor else 0
    today = clock.now().date()
    defaults = {"asset": ALL, "first": today - timedelta(days=DAYS_SHOWN), "last": today}
    query = {name: request.GET.get(name) or value for name, value in defaults.items()}
    form = StatementForm(query | {"seal": request.GET.get("seal")}, investor_id)
    if not form.is_valid():
        return form, None, ""
    given = form.cleaned_data
    try:
        found = get_statement(
            investor_id=investor_id,
            asset=given["asset"],
            first_date=given["first"],
            last_date=given["last"],
            until_seal_n=given["seal"],
        )
    except Refusal as refusal:
        return form, None, refusal.message
    return form, found, ""


def _first_error(form: StatementForm) -> str:
    for field, errors in form.errors.items():
        words = {"first": "From: ", "last": "Until: ", "seal": "Seal: "}.get(field, "")
        return f"{words}{errors[0]}"
    return ""


def _files_query(form: StatementForm, found: Statement | None) -> str:
    """What the files are asked for with: also the seal, so that they say what the page says."""
    if found is None or found.until is None:
        return ""
    days = {"first": found.first_date.isoformat(), "last": found.last_date.isoformat()}
    return urlencode({"asset": form.data["asset"], **days, "seal": found.until.n})


def _months(investor: Investor | None) -> list[Month]:
    """The months since the investor's first balance, newest first; the current one is not over."""
    begun = get_first_date(investor_id=investor.pk) if investor else None
    if begun is None:
        return []
    months: list[Month] = []
    last = clock.now().date().replace(day=1) - timedelta(days=1)
    while last >= begun and len(months) < MONTHS_SHOWN_MAX:
        first = last.replace(day=1)
        query = {"asset": ALL, "first": first.isoformat(), "last": last.isoformat()}
        months.append(Month(first, urlencode(query)))
        last = first - timedelta(days=1)
    return months
