"""Reserves: shares, tokens and what is owed, side by side, and the seals' heads; public."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from custody.heads import (
    HEADS_AT_ONCE_MAX,
    as_lines,
    list_heads,
    list_latest_heads,
    read_public_keys,
)
from custody.models import Asset, ReserveAttestation
from custody.models.seals import SealChain
from custody.pages import ReserveRow, list_reserve_rows

HISTORY_SHOWN = 30
DIGITS_MAX = 18  # of a seal's number, within bigint


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
        "heads": list_latest_heads(),
        "heads_at_once_max": HEADS_AT_ONCE_MAX,
        "has_keys": read_public_keys() is not None,
    }
    return render(request, "custody/reserves.html", context)


@login_not_required
@require_safe
def reserve(request: HttpRequest, code: str) -> HttpResponse:
    """One token: the newest count and the ones before it."""
    asset = get_object_or_404(Asset.objects.select_related("instrument"), code=code, kind="token")
    counts = ReserveAttestation.objects.filter(asset=asset).select_related("ledger_seal")
    history = counts.order_by("-as_of")[:HISTORY_SHOWN]
    row = ReserveRow(asset, history[0] if history else None)
    return render(request, "custody/reserve.html", {"row": row, "history": history})


@login_not_required
@require_safe
def heads(request: HttpRequest, chain: str) -> HttpResponse:
    """Heads as JSON Lines, oldest first; `?after=N` goes on behind seal N."""
    after = request.GET.get("after", "0")
    if chain not in SealChain.values or not (after.isdecimal() and len(after) <= DIGITS_MAX):
        raise Http404
    found = list_heads(chain=chain, after_n=int(after), limit=HEADS_AT_ONCE_MAX)
    response = HttpResponse(as_lines(found), content_type="application/jsonl")
    response["Content-Disposition"] = f'attachment; filename="bourse-{chain}-seals.jsonl"'
    return response


@login_not_required
@require_safe
def public_keys(request: HttpRequest) -> HttpResponse:
    """The public keys that sealed, as `python -m custody.inclusion` reads them."""
    text = read_public_keys()
    if text is None:
        raise Http404
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="bourse-seals.pub"'
    return response
