"""The portfolio page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from kernel import clock
from trading.portfolio import Portfolio, get_portfolio


@require_safe
def portfolio(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    found = (
        get_portfolio(investor_id=investor.pk, now=clock.now())
        if investor
        else Portfolio(cash=[], positions=[])
    )
    return render(request, "trading/portfolio.html", {"portfolio": found, "investor": investor})
