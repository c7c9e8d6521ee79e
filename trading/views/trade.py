"""The trade page, its form without JavaScript, and cancelling."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.confirming import ask_first
from accounts.models import Investor
from accounts.queries import get_investor_for, require_investor_for
from custody.pages import get_holding
from kernel import clock
from kernel.refusals import NotFound, OutcomeUnknown, Refusal
from trading import order_changes, order_entry, pages, queries
from trading.commands import AmendOrder, CancelAll, CancelOrder
from trading.forms import AmendForm, TicketForm
from trading.gate import find_gate, limits_table
from trading.market_state import read_states
from trading.offering import ANYONE, check_side
from trading.queries.orders import find_order
from trading.states import LIVE_STATUSES, OrderStatus
from trading.views.markets import reader_of

LEVELS_SHOWN = 10
TRADES_SHOWN = 30
CANDLES_SHOWN = 500
INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}


def require_investor(request: HttpRequest) -> Investor:
    """:raises NotAnInvestor: the login has no investor behind it, as staff have none."""
    return require_investor_for(request.user)


@login_not_required
@require_safe
def trade(request: HttpRequest, symbol: str) -> HttpResponse:
    """Chart, book, trades, own orders and the ticket of one listing."""
    now = clock.now()
    row = pages.get_market_row(symbol=symbol, reader=reader_of(request), now=now)
    if row.listing.symbol != symbol:
        return redirect("trade", symbol=row.listing.symbol)
    if request.user.is_authenticated:  # a visitor's look is worth no row
        request.session["last_listing"] = symbol
    investor = get_investor_for(request.user)
    context = _market_context(row) | _own_context(investor, row)
    context["gate"] = find_gate(
        investor=investor, row=row, is_signed_in=request.user.is_authenticated
    )
    context["form_key"] = secrets.token_hex(12)
    wants_sale = row.listing.sell_only or request.GET.get("side") == "sell"
    context["form_side"] = "sell" if wants_sale else "buy"
    return render(request, "trading/trade.html", context)


def _market_context(row: pages.MarketRow) -> dict[str, Any]:
    symbol = row.listing.symbol
    market = read_states([symbol], now=clock.now())[symbol]
    book = queries.depth(listing_id=row.listing.id, levels=LEVELS_SHOWN)
    return {
        "row": row,
        "book": book,
        "asks_down": list(reversed(book.asks)),
        "trades": queries.recent_trades(listing_id=row.listing.id, limit=TRADES_SHOWN),
        "market": market,
        "limits": limits_table(),
        "limit": limits_table().get(market.limited_by),
        "intervals": INTERVALS,
    }


def _own_context(investor: Investor | None, row: pages.MarketRow) -> dict[str, Any]:
    if investor is None:
        return {"orders": [], "cash": None, "tokens": None}
    return {
        "orders": queries.list_orders(
            investor_id=investor.pk, listing_id=row.listing.id, open_only=True
        ),
        "cash": get_holding(investor_id=investor.pk, asset=row.quote),
        "tokens": get_holding(investor_id=investor.pk, asset=row.asset),
    }


@login_not_required
@require_safe
def candles(request: HttpRequest, symbol: str) -> JsonResponse:
    """The chart as JSON: candles of our trades and the reference per token, in base units."""
    now = clock.now()
    row = pages.get_market_row(symbol=symbol, reader=reader_of(request), now=now)
    seconds = INTERVALS.get(request.GET.get("interval", "5m"), INTERVALS["5m"])
    found = queries.candles(listing_id=row.listing.id, interval_seconds=seconds)
    rows = [
        [int(each.start_at.timestamp()), each.open_units, each.high_units, each.low_units,
         each.close_units, each.volume_units]
        for each in found
    ]  # fmt: skip
    since = now - timedelta(seconds=seconds * CANDLES_SHOWN)
    reference = pages.reference_line(row, since=since, interval_seconds=seconds)
    return JsonResponse({"interval_seconds": seconds, "candles": rows, "reference": reference})


@require_POST
def place(request: HttpRequest, symbol: str) -> HttpResponse:
    """Place an order from the plain form: the way without JavaScript."""
    investor = require_investor(request)
    listing = queries.get_listing(symbol=symbol, reader=reader_of(request))
    form = TicketForm(request.POST, listing=listing)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, " ".join(map(str, problems)))
        return redirect("trade", symbol=symbol)
    try:
        check_side(listing, form.cleaned_data["side"])
        command = form.command(symbol=listing.symbol, investor_id=investor.pk)
        order = order_entry.place_sync(command)
    except OutcomeUnknown as unknown:
        return redirect("order", order_id=unknown.details["order_id"])
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("trade", symbol=symbol)
    return redirect("order", order_id=order.id)


@require_POST
def cancel(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Cancel an open order and show it as it stands."""
    investor = require_investor(request)
    try:
        order = order_entry.cancel_sync(CancelOrder(investor_id=investor.pk, order_id=order_id))
    except OutcomeUnknown:
        messages.warning(request, "No answer yet. Look at the order's state before you try again.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"Your {order.side} order in {order.listing} is canceled.")
    return redirect("order", order_id=order_id)


@require_POST
def cancel_all(request: HttpRequest) -> HttpResponse:
    """Cancel all open orders, in one listing or in all, once asked whether that is meant."""
    investor = require_investor(request)
    symbol = request.POST.get("listing", "")
    listing = queries.get_listing(symbol=symbol, reader=reader_of(request)) if symbol else None
    where = f"in {listing.symbol}" if listing else "in all listings"
    question = ask_first(
        request,
        title="Cancel all open orders?",
        text=f"Every order of yours that still waits is canceled, {where}. "
        "What is filled stays filled.",
        action="Cancel all orders",
        back=reverse("trade", args=[listing.symbol]) if listing else reverse("activity"),
    )
    if question is not None:
        return question
    command = CancelAll(investor_id=investor.pk, listing=listing.symbol if listing else None)
    try:
        count = order_changes.cancel_all_sync(command)
    except OutcomeUnknown:
        messages.warning(request, "Not every order answered yet. Look at what is still open.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        words = "1 order is" if count == 1 else f"{count} orders are"
        messages.success(request, f"{words} canceled.")
    return redirect("trade", symbol=listing.symbol) if listing else redirect("activity")


@require_POST
def amend(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Change an open order's quantity, price or trigger; what is left empty stays."""
    investor = require_investor(request)
    order = queries.get_order(investor_id=investor.pk, order_id=order_id)
    try:
        form = AmendForm(request.POST, listing=queries.listing_to_change(order))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("order", order_id=order_id)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, " ".join(map(str, problems)))
        return redirect("order", order_id=order_id)
    command = AmendOrder(
        investor_id=investor.pk,
        order_id=order_id,
        quantity_units=form.cleaned_data["quantity"],
        price_units=form.cleaned_data["price"],
        trigger_price_units=form.cleaned_data["trigger_price"],
    )
    try:
        order_changes.amend_sync(command)
    except OutcomeUnknown:
        messages.warning(request, "No answer yet. Look at the order's state before you try again.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "The order is changed.")
    return redirect("order", order_id=order_id)


HOW_RELATED = {
    "linked": "one cancels the other",
    "parent": "this one closes it",
    "child": "it closes this one",
    "replaced": "this one took its place",
    "replacement": "it took this one's place",
}


@require_safe
def order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """One own order: what was asked, what became of it, its trades."""
    investor = require_investor(request)
    try:
        view = order_entry.get_order_sync(investor_id=investor.pk, order_id=order_id)
    except NotFound as refusal:
        if refusal.details.get("final", True):
            raise
        return render(request, "trading/order_unknown.html", {"order_id": order_id}, status=202)
    row = pages.get_market_row(symbol=view.listing, reader=ANYONE, now=clock.now())
    trades = queries.list_trades(investor_id=investor.pk, listing_id=row.listing.id)
    context = {
        "order": view,
        "row": row,
        "trades": [each for each in trades if each.order_id == view.id],
        "is_live": view.status in LIVE_STATUSES,
        "can_move_trigger": view.status == OrderStatus.UNTRIGGERED
        and not view.type.startswith("trailing"),
        "related": [
            {"order": each, "how": HOW_RELATED[how]}
            for each, how in queries.list_related(order=view)
        ],
    }
    return render(request, "trading/order.html", context)


@require_safe
def order_by_client_id(request: HttpRequest, client_order_id: str) -> JsonResponse:
    """Where an order is that the page sent and got no answer about.

    :raises NotFound: it is not there (yet).
    """
    investor = require_investor(request)
    found = find_order(investor_id=investor.pk, client_order_id=client_order_id)
    return JsonResponse({"url": reverse("order", args=[found.id]), "status": found.status})
