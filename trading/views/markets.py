"""The markets page: what is offered where the reader lives."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from kernel import clock
from trading import offering, pages
from trading.offering import Reader

KINDS = {"": "All", "stock": "Stocks", "etf": "ETFs"}


def reader_of(request: HttpRequest) -> Reader:
    """Who looks at a page."""
    investor = get_investor_for(request.user)
    return offering.reader_of(investor_id=investor.pk if investor else None)


@login_not_required
@require_safe
def markets(request: HttpRequest) -> HttpResponse:
    """Every listing offered, filtered and sorted by the query string."""
    rows = pages.list_market_rows(reader=reader_of(request), now=clock.now())
    chosen: dict[str, Any] = {
        "q": request.GET.get("q", "")[:60],
        "kind": request.GET.get("kind", "") if request.GET.get("kind") in KINDS else "",
        "open": request.GET.get("open") == "1",
        "sort": request.GET.get("sort", "ticker"),
    }
    shown = pages.narrow(rows, text=chosen["q"], kind=chosen["kind"], only_open=chosen["open"])
    context = {
        "rows": pages.ordered(shown, sort=chosen["sort"]),
        "count": len(rows),
        "chosen": chosen,
        "kinds": KINDS,
    }
    template = "trading/partials/market_table.html" if request.htmx else "trading/markets.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@login_not_required
@require_safe
def trade_default(request: HttpRequest) -> HttpResponse:
    """The trade page of the listing looked at last, else of the first one."""
    rows = pages.list_market_rows(reader=reader_of(request), now=clock.now())
    symbols = {row.listing.symbol for row in rows}
    last = request.session.get("last_listing")
    if last not in symbols:
        last = "AAPLxUSDC" if "AAPLxUSDC" in symbols else next(iter(sorted(symbols)), None)
    return redirect("trade", symbol=last) if last else redirect("markets")
