"""Public pages of trading: fees."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from custody.operations.redemption import fee_e6
from kernel import clock
from trading import queries
from trading.views.markets import reader_of


@login_not_required
@require_safe
def fees(request: HttpRequest) -> HttpResponse:
    listings = queries.list_listings(reader=reader_of(request), now=clock.now())
    rates = sorted({(each.maker_fee_e6, each.taker_fee_e6) for each in listings})
    context = {
        "rates": [{"maker": maker, "taker": taker} for maker, taker in rates],
        "minimum": min((each.min_cash_units for each in listings), default=None),
        "redemption_fee_e6": fee_e6(),
    }
    return render(request, "trading/fees.html", context)
