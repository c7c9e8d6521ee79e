"""Reserves: shares, tokens and what is owed, side by side; public."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from custody.models import Asset, ReserveAttestation
from custody.pages import ReserveRow, list_reserve_rows

HISTORY_SHOWN = 30


@login_not_required
@require_safe
def reserves(request: HttpRequest) -> HttpResponse:
    rows = list_reserve_rows()
    attested = [row for row in rows if row.attestation is not None]
    counts = [row.attestation for row in rows if row.attestation is not None]
    context = {
        "rows": attested,
        "silent": [row for row in rows if row.attestation is None],
        "broken": [row for row in attested if row.verdict == "broken"],
        "as_of": max((count.as_of for count in counts), default=None),
    }
    return render(request, "custody/reserves.html", context)


@login_not_required
@require_safe
def reserve(request: HttpRequest, code: str) -> HttpResponse:
    """One token: the newest count and the ones before it."""
    asset = get_object_or_404(Asset.objects.select_related("instrument"), code=code, kind="token")
    history = ReserveAttestation.objects.filter(asset=asset).order_by("-as_of")[:HISTORY_SHOWN]
    row = ReserveRow(asset, history[0] if history else None)
    return render(request, "custody/reserve.html", {"row": row, "history": history})
