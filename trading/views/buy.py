"""Simple buy: an amount, a preview that holds for 30 seconds, done.

The preview is signed and carries the worst price it showed, so that what is
confirmed is what was read: a limit order that fills at once or not at all
beyond that price.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Investor
from custody.pages import get_holding
from kernel import clock
from kernel.money import ceil_div, floor_div
from kernel.refusals import OutcomeUnknown, Refusal
from trading import order_entry, pages, queries
from trading.commands import PlaceOrder
from trading.engine.fees import quantity_for
from trading.forms import AmountToSpendForm
from trading.gate import find_closure, find_gate
from trading.queries import Depth, ListingView
from trading.views.markets import reader_of
from trading.views.trade import require_investor

PREVIEW_SECONDS = 30
# How far above the worst price seen the order may still fill, in parts per million.
SLIPPAGE_E6 = 2_000
MILLION = 1_000_000
ONE_TOKEN = 10**8
SALT = "trading.simple-buy"


class NothingOffered(Refusal):
    """Nobody offers enough right now. Try a smaller amount, or a limit order."""

    code = "nothing_offered"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an amount would buy from the book as it stands; cash in quote base units."""

    cash_units: int  # the most it can cost, fee included
    quantity_units: int
    spent_units: int  # what it costs if the book stays as it is, without the fee
    fee_units: int
    limit_price_units: int

    @property
    def about_units(self) -> int:
        return self.spent_units + self.fee_units

    @property
    def average_price_units(self) -> int:
        return self.spent_units * ONE_TOKEN // self.quantity_units


def preview(*, listing: ListingView, book: Depth, cash_units: int) -> Preview:
    """Size the order as the engine will, then walk the asks with it.

    :raises NothingOffered: the book holds less than the amount buys.
    """
    rate = max(listing.taker_fee_e6, listing.maker_fee_e6)
    limit = _limit_price(listing, book, floor_div(cash_units * MILLION, MILLION + rate))
    quantity = quantity_for(cash_units, limit, rate, listing.lot_units)
    if quantity == 0:
        raise NothingOffered
    left, spent = quantity, 0
    for level in book.asks:
        taken = min(left, level.quantity_units)
        spent += taken * level.price_units // ONE_TOKEN
        left -= taken
    fee = ceil_div(spent * listing.taker_fee_e6, MILLION)
    return Preview(cash_units, quantity, spent, fee, limit)


def _limit_price(listing: ListingView, book: Depth, budget_units: int) -> int:
    """The worst price that the budget reaches, and a little more, on the tick.

    :raises NothingOffered: it buys the whole book and there is still some left.
    """
    left = budget_units
    for level in book.asks:
        left -= ceil_div(level.quantity_units * level.price_units, ONE_TOKEN)
        if left <= 0:
            reach = level.price_units * (MILLION + SLIPPAGE_E6) // MILLION
            return max(level.price_units, reach // listing.tick_units * listing.tick_units)
    raise NothingOffered


@require_safe
def buy(request: HttpRequest, symbol: str) -> HttpResponse:
    """First tap: how much; the answer to it is the preview.

    A preview changes nothing, so it is a GET: one may reload it and come back to it.
    """
    investor = require_investor(request)
    row = pages.get_market_row(symbol=symbol, reader=reader_of(request), now=clock.now())
    gate = find_gate(investor=investor, row=row, is_signed_in=True) or find_closure(row)
    cash = get_holding(investor_id=investor.pk, asset=row.quote)
    asked = request.GET if "cash" in request.GET else None
    available = cash.available_units if cash else 0
    form = AmountToSpendForm(asked, listing=row.listing, available_units=available)
    context: dict[str, Any] = {
        "row": row,
        "gate": gate,
        "form": form,
        "cash": cash,
        "seconds": PREVIEW_SECONDS,
    }
    if gate is None and form.is_valid():
        context |= _preview_context(form, row.listing, investor)
    return render(request, "trading/buy.html", context)


def _preview_context(
    form: AmountToSpendForm, listing: ListingView, investor: Investor
) -> dict[str, Any]:
    book = queries.depth(listing_id=listing.id, levels=200)
    cash_units = form.cleaned_data["cash"]
    try:
        shown = preview(listing=listing, book=book, cash_units=cash_units)
    except NothingOffered as refusal:
        form.add_error("cash", refusal.message)
        return {}
    token = signing.dumps(
        [investor.pk, listing.symbol, cash_units, shown.limit_price_units], salt=SALT
    )
    return {"preview": shown, "token": token}


@require_POST
def confirm(request: HttpRequest, symbol: str) -> HttpResponse:
    """Second tap: place exactly what the preview said."""
    investor = require_investor(request)
    try:
        owner_id, listing, cash, limit = signing.loads(
            request.POST.get("token", ""), salt=SALT, max_age=PREVIEW_SECONDS + 2
        )
    except signing.BadSignature:
        return _too_late(
            request, symbol, "The preview was too old: nothing was bought. Preview it again."
        )
    if owner_id != investor.pk or listing != symbol:
        return _too_late(request, symbol, "This preview was made for somebody else.")
    command = PlaceOrder(
        listing=symbol,
        investor_id=investor.pk,
        side="buy",
        type="limit",
        cash_units=cash,
        price_units=limit,
        time_in_force="ioc",
        # The token is used once: the same preview confirmed twice is one order.
        client_order_id=f"buy-{signing.Signer(salt=SALT).signature(request.POST['token'])[:24]}",
    )
    try:
        order = order_entry.place_sync(command)
    except OutcomeUnknown:
        return redirect("order", order_id=command.id)
    except Refusal as refusal:
        return _too_late(request, symbol, refusal.message)
    return redirect("order", order_id=order.id)


def _too_late(request: HttpRequest, symbol: str, words: str) -> HttpResponse:
    messages.error(request, words)
    return redirect("buy", symbol=symbol)
