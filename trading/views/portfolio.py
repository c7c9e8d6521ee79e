"""The portfolio page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from kernel import clock
from trading.portfolio import Portfolio, get_portfolio
from trading.queries import list_listings
from trading.views.markets import reader_of


@require_safe
def portfolio(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    now = clock.now()
    found = (
        get_portfolio(investor_id=investor.pk, now=now)
        if investor
        else Portfolio(cash=[], positions=[])
    )
    listings = list_listings(reader=reader_of(request), now=now)
    context = {
        "portfolio": found,
        "investor": investor,
        # What is held stays shown where nothing leads to its listing, as for a frozen account.
        "offered": {each.symbol for each in listings},
        "sell_only": {each.symbol for each in listings if each.sell_only},
    }
    return render(request, "trading/portfolio.html", context)
