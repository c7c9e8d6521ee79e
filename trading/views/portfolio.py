"""The portfolio page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from kernel import clock
from trading.portfolio import Portfolio, get_portfolio
from trading.queries import list_listings
from trading.views.markets import country_of


@require_safe
def portfolio(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    now = clock.now()
    found = (
        get_portfolio(investor_id=investor.pk, now=now)
        if investor
        else Portfolio(cash=[], positions=[])
    )
    # What is held stays shown where its listing is no longer offered, without a way there.
    offered = {each.symbol for each in list_listings(country=country_of(request), now=now)}
    context = {"portfolio": found, "investor": investor, "offered": offered}
    return render(request, "trading/portfolio.html", context)
