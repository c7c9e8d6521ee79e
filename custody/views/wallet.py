"""The wallet: what one has and where it is, deposits, history."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from custody.pages import list_holdings, list_movements

RECENT = 8


@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    context = {
        "investor": investor,
        "holdings": list_holdings(investor_id=investor.pk) if investor else [],
        "movements": list_movements(investor_id=investor.pk)[:RECENT] if investor else [],
    }
    return render(request, "custody/wallet.html", context)
