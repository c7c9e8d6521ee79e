"""The wallet: what one has and where it is, deposits, history."""

import io
from typing import Any

import qrcode
import qrcode.image.svg
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Investor
from accounts.queries import get_investor_for
from custody.gateways import faucet as faucet_gateway
from custody.models import Asset, DepositAddress
from custody.operations import get_deposit_address
from custody.pages import list_holdings, list_movements
from kernel import clock
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Forbidden, Refusal

RECENT = 8
PAGE_SIZE = 50
FAUCET_USDC = "1000"
DEPOSIT_ASSET = "USDC"


@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    movements = list_movements(investor_id=investor.pk) if investor else []
    context = {
        "investor": investor,
        "holdings": list_holdings(investor_id=investor.pk) if investor else [],
        "movements": movements[:RECENT],
        "is_arriving": any(line.title == "Deposit" and line.tone == "wait" for line in movements),
    }
    return render(request, "custody/wallet.html", context)


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    lines = list_movements(investor_id=investor.pk) if investor else []
    page = Paginator(lines, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "custody/history.html", {"page": page})


@require_safe
def deposit(request: HttpRequest) -> HttpResponse:
    """The investor's own address, made on the first visit, and what is arriving."""
    investor = get_investor_for(request.user)
    try:
        address = _own_address(investor)
    except Refusal as refusal:
        return render(request, "custody/deposit.html", {"why_not": refusal.message})
    assert investor is not None
    movements = [
        line for line in list_movements(investor_id=investor.pk) if line.title == "Deposit"
    ]
    context: dict[str, Any] = {
        "address": address,
        "qr": _qr(address.address),
        "movements": movements[:RECENT],
    }
    return render(request, "custody/deposit.html", context)


def _own_address(investor: Investor | None) -> DepositAddress:
    """:raises Refusal: nobody may deposit before being verified."""
    if investor is None:
        raise Forbidden("Deposits open once your identity is verified.")
    asset = Asset.objects.get(code=DEPOSIT_ASSET)
    return get_deposit_address(investor_id=investor.pk, asset_id=asset.pk, now=clock.now())


def _qr(text: str) -> SafeString:
    """A QR code as one SVG path, which needs neither style nor script."""
    code = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, border=1)
    buffer = io.BytesIO()
    code.save(buffer)
    drawing = buffer.getvalue().decode()
    return mark_safe(drawing[drawing.index("<svg") :])  # noqa: S308  our own drawing of base58


@require_POST
def faucet(request: HttpRequest) -> HttpResponse:
    """The demo's faucet: sends play money over the sandbox chain."""
    if settings.BOURSE_ENV != "development":
        raise Http404
    address = _own_address(get_investor_for(request.user))
    try:
        faucet_gateway.send_usdc(
            node_url=settings.ENV.server("solana_rpc_url"),
            address=address.address,
            usdc=FAUCET_USDC,
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
    except GatewayUnavailable:
        messages.error(request, "The sandbox chain does not answer. Try again in a moment.")
    else:
        messages.success(request, "Sent. It is credited once the chain calls it final.")
    return redirect("deposit")
