"""Pages of an investor's closed orders and trades, by offset and time as Kraken pages them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from trading.commands import OrderView
from trading.kraken.parameters import Parameters
from trading.kraken.replies import INVALID_ARGUMENTS, KrakenError
from trading.kraken.wording import type_of
from trading.models import Order, Trade
from trading.queries import OwnTrade
from trading.queries.orders import order_view, own_trade
from trading.states import LIVE_STATUSES

PAGE_ROWS = 50
OFFSET_MAX = 100_000
COUNTED_MAX = 100_000

Row = TypeVar("Row")
AModel = TypeVar("AModel", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    count: int


def closed_orders(investor_id: int, parameters: Parameters) -> "Page[OrderView]":
    """Closed orders newest first; `closetime` says which time `start` and `end` mean."""
    orders = Order.objects.filter(investor_id=investor_id).exclude(status__in=LIVE_STATUSES)
    field = {"open": "accepted_at", "close": "updated_at"}.get(parameters.get("closetime"))
    fields = [field] if field else ["accepted_at", "updated_at"]
    orders = orders.filter(_between(fields, parameters))
    if parameters.has("userref"):
        orders = orders.filter(user_ref=parameters.integer("userref", 0))
    if parameters.has("cl_ord_id"):
        orders = orders.filter(client_order_id=parameters.get("cl_ord_id"))
    rows = _page(orders.select_related("listing", "terms").order_by("-id"), parameters)
    return Page([order_view(order) for order in rows], _count(orders))


def orders_by_id(investor_id: int, ids: Sequence[UUID]) -> list[OrderView]:
    """Those of the named orders that are this investor's."""
    orders = Order.objects.filter(investor_id=investor_id, id__in=ids).select_related(
        "listing", "terms"
    )
    return [order_view(order) for order in orders]


def own_trades(investor_id: int, parameters: Parameters) -> "Page[OwnTrade]":
    """Trades newest first, between `start` (not included) and `end` (included)."""
    trades = Trade.objects.filter(Q(buyer_id=investor_id) | Q(seller_id=investor_id))
    trades = trades.filter(_between(["traded_at"], parameters))
    rows = _page(trades.select_related("listing").order_by("-id"), parameters)
    return Page([own_trade(trade, investor_id) for trade in rows], _count(trades))


def order_types(investor_id: int, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Kraken's name of each order's type."""
    return {order.id: type_of(order) for order in orders_by_id(investor_id, ids)}


def _between(fields: Sequence[str], parameters: Parameters) -> Q:
    start, end = parameters.moment("start"), parameters.moment("end")
    wanted = Q()
    for field in fields:
        wanted |= _within(field, start, end)
    return wanted


def _within(field: str, start: datetime | None, end: datetime | None) -> Q:
    condition = Q()
    if start is not None:
        condition &= Q(**{f"{field}__gt": start})
    if end is not None:
        condition &= Q(**{f"{field}__lte": end})
    return condition


def _page(rows: QuerySet[AModel], parameters: Parameters) -> QuerySet[AModel]:
    offset = parameters.integer("ofs", 0)
    if not 0 <= offset <= OFFSET_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:ofs")
    return rows[offset : offset + PAGE_ROWS]


def _count(rows: QuerySet[AModel]) -> int:
    """How many there are, counted no further than a client can page."""
    return rows.order_by()[:COUNTED_MAX].count()
