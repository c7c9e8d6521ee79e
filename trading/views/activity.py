"""Activity: orders and trades, paged and filtered, and as a CSV file."""

import csv
from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import get_investor_for
from kernel.money import format_units
from trading.models import Listing, Order, Trade
from trading.queries.orders import list_open_ids, own_trade
from trading.states import LIVE_STATUSES, OrderStatus

PAGE_SIZE = 50
EXPORT_ROWS_MAX = 50_000
STATES = {
    "": "All",
    "open": "Open",
    "filled": "Filled",
    "canceled": "Canceled",
    "expired": "Expired",
}
TABS = {"orders": "Orders", "trades": "Trades"}


def _choices(request: HttpRequest) -> dict[str, str]:
    tab = request.GET.get("tab", "orders")
    state = request.GET.get("state", "")
    return {
        "tab": tab if tab in TABS else "orders",
        "state": state if state in STATES else "",
        "side": request.GET.get("side", "") if request.GET.get("side") in ("buy", "sell") else "",
        "listing": request.GET.get("listing", "")[:30],
    }


def _orders(investor_id: int, chosen: dict[str, str]) -> QuerySet[Order]:
    orders = Order.objects.filter(investor_id=investor_id).select_related(
        "listing", "listing__asset", "listing__quote", "terms"
    )
    if chosen["state"] == OrderStatus.OPEN:
        orders = orders.filter(status__in=LIVE_STATUSES)
    elif chosen["state"]:
        orders = orders.filter(status=OrderStatus(chosen["state"]).value)
    if chosen["side"]:
        orders = orders.filter(side=chosen["side"])
    if chosen["listing"]:
        orders = orders.filter(listing__symbol=chosen["listing"])
    return orders.order_by("-id")


def _trades(investor_id: int, chosen: dict[str, str]) -> QuerySet[Trade]:
    buys, sells = Q(buyer_id=investor_id), Q(seller_id=investor_id)
    mine = {"buy": buys, "sell": sells}.get(chosen["side"], buys | sells)
    trades = Trade.objects.filter(mine).select_related(
        "listing", "listing__asset", "listing__quote"
    )
    if chosen["listing"]:
        trades = trades.filter(listing__symbol=chosen["listing"])
    return trades.order_by("-id")


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    investor_id = investor.pk if investor else 0
    chosen = _choices(request)
    rows: QuerySet[Any] = (
        _orders(investor_id, chosen) if chosen["tab"] == "orders" else _trades(investor_id, chosen)
    )
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    if chosen["tab"] == "trades":
        page.object_list = [
            {"view": own_trade(trade, investor_id), "listing": trade.listing} for trade in page
        ]
    context = {
        "chosen": chosen,
        "page": page,
        "tabs": TABS,
        "states": STATES,
        "has_open_orders": bool(list_open_ids(investor_id=investor_id)),
        "listings": Listing.objects.filter(pk__in=rows.values("listing_id").distinct()).order_by(
            "symbol"
        ),
    }
    return render(request, "trading/activity.html", context)


class Echo:
    """What csv.writer needs of a file: `write`, giving the line back to be sent."""

    def write(self, line: str) -> str:
        return line


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The filtered rows as CSV, times in UTC, amounts in plain digits."""
    investor = get_investor_for(request.user)
    investor_id = investor.pk if investor else 0
    chosen = _choices(request)
    lines = (
        _order_lines(_orders(investor_id, chosen))
        if chosen["tab"] == "orders"
        else _trade_lines(_trades(investor_id, chosen), investor_id)
    )
    writer = csv.writer(Echo())
    response = StreamingHttpResponse(
        (writer.writerow(line) for line in lines), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="bourse-{chosen["tab"]}.csv"'
    return response


def _order_lines(orders: QuerySet[Order]) -> Iterator[list[Any]]:
    yield [
        "order_id", "accepted_at_utc", "listing", "side", "type", "time_in_force", "price",
        "quantity", "cash", "filled_quantity", "filled_cash", "fee", "quote", "status", "reason",
    ]  # fmt: skip
    for order in orders[:EXPORT_ROWS_MAX].iterator(chunk_size=1_000):
        base, quote = order.listing.asset.decimals, order.listing.quote.decimals
        yield [
            order.id, order.accepted_at.isoformat(), order.listing.symbol, order.side, order.type,
            order.time_in_force, _digits(order.price_units, quote),
            _digits(order.quantity_units, base), _digits(order.cash_units, quote),
            _digits(order.filled_units, base), _digits(order.filled_cash_units, quote),
            _digits(order.fee_units, quote), order.listing.quote.code, order.status, order.reason,
        ]  # fmt: skip


def _trade_lines(trades: QuerySet[Trade], investor_id: int) -> Iterator[list[Any]]:
    yield [
        "trade_id", "traded_at_utc", "listing", "side", "role", "price", "quantity", "cash", "fee",
        "quote", "order_id",
    ]  # fmt: skip
    for trade in trades[:EXPORT_ROWS_MAX].iterator(chunk_size=1_000):
        view = own_trade(trade, investor_id)
        base, quote = trade.listing.asset.decimals, trade.listing.quote.decimals
        yield [
            view.id, view.traded_at.isoformat(), view.listing, view.side, view.role,
            _digits(view.price_units, quote), _digits(view.quantity_units, base),
            _digits(view.cash_units, quote), _digits(view.fee_units, quote),
            trade.listing.quote.code, view.order_id,
        ]  # fmt: skip


def _digits(units: int | None, decimals: int) -> str:
    return "" if units is None else format_units(units, decimals)
