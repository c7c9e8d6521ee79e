"""Redemptions: tokens in, the cash of a sale of the shares out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from custody.models import Redemption


@require_safe
def redemptions(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    found = Redemption.objects.filter(investor=investor).select_related("asset")
    context = {"investor": investor, "redemptions": found.order_by("-requested_at")[:200]}
    return render(request, "custody/redemptions.html", context)
