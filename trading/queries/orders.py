"""An investor's own orders and trades. Foreign ones are simply not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from kernel.refusals import NotFound
from trading.commands import OrderView, TermsView
from trading.models import Order, Pool, Trade
from trading.states import LIVE_STATUSES

PAGE_MAX = 500


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """A trade as one of its two parties sees it: own side, role and fee."""

    id: UUID
    listing: str
    order_id: UUID
    side: str
    role: str  # "maker" or "taker"
    price_units: int
    quantity_units: int
    cash_units: int
    fee_units: int
    trade_no: int
    traded_at: datetime


def get_order(*, investor_id: int, order_id: UUID) -> OrderView:
    """One order of this investor.

    :raises NotFound: not there, or another's. `details["processed_until"]` tells
        how far the engines have come: an id whose deadline lies before it never
        becomes an order.
    """
    order = _orders(investor_id).filter(id=order_id).first()
    if order is None:
        moments = Pool.objects.values_list("processed_until", flat=True)
        known = [moment for moment in moments if moment is not None]
        raise NotFound("There is no such order.", processed_until=min(known, default=None))
    return order_view(order)


def get_status(*, investor_id: int, order_id: UUID) -> str:
    """An order's status alone.

    :raises NotFound: as `get_order`.
    """
    orders = Order.objects.filter(id=order_id, investor_id=investor_id)
    for status in orders.values_list("status", flat=True):
        return status
    return get_order(investor_id=investor_id, order_id=order_id).status


def find_order(*, investor_id: int, client_order_id: str) -> OrderView:
    """The newest order that this investor sent under `client_order_id`.

    :raises NotFound: there is none.
    """
    found = _orders(investor_id).filter(client_order_id=client_order_id).order_by("-id").first()
    if found is None:
        raise NotFound("There is no such order.")
    return order_view(found)


def list_orders(
    *,
    investor_id: int,
    open_only: bool = False,
    listing_id: int | None = None,
    before_id: UUID | None = None,
    limit: int = 100,
) -> list[OrderView]:
    """Orders newest first; page on with the last one's id as `before_id`."""
    orders = _orders(investor_id)
    if open_only:
        orders = orders.filter(status__in=LIVE_STATUSES)
    if listing_id is not None:
        orders = orders.filter(listing_id=listing_id)
    if before_id is not None:
        orders = orders.filter(id__lt=before_id)
    return [order_view(order) for order in orders.order_by("-id")[: min(limit, PAGE_MAX)]]


def list_related(*, order: OrderView) -> list[tuple[OrderView, str]]:
    """Orders of the same investor that belong to this one, oldest first, and how they do.

    "linked" cancels this one or is canceled by it; a "parent" is closed by it, a "child"
    closes it; a "replaced" one stood before it, a "replacement" after it.
    """
    terms = order.terms
    wanted = Q(terms__parent_id=order.id) | Q(terms__replaces=order.id)
    if terms is not None:
        wanted |= Q(terms__link_id=terms.link_id) if terms.link_id else Q()
        wanted |= Q(id__in=[each for each in (terms.parent_id, terms.replaces) if each])
    found = _orders(order.investor_id).filter(wanted).exclude(id=order.id).order_by("id")
    return [(view, _how(order, view)) for view in map(order_view, found[:PAGE_MAX])]


def _how(order: OrderView, other: OrderView) -> str:
    mine, theirs = order.terms or TermsView(), other.terms or TermsView()
    ties = {
        "linked": mine.link_id is not None and mine.link_id == theirs.link_id,
        "parent": mine.parent_id == other.id,
        "child": theirs.parent_id == order.id,
        "replaced": mine.replaces == other.id,
    }
    return next((name for name, is_so in ties.items() if is_so), "replacement")


def list_open_ids(*, investor_id: int) -> list[UUID]:
    """The ids of every open order of this investor; the engine bounds how many there are."""
    open_ones = Order.objects.filter(investor_id=investor_id, status__in=LIVE_STATUSES)
    return list(open_ones.order_by("id").values_list("id", flat=True))


def list_trades(
    *,
    investor_id: int,
    listing_id: int | None = None,
    before_id: UUID | None = None,
    limit: int = 100,
) -> list[OwnTrade]:
    """This investor's trades newest first; a trade with oneself cannot exist."""
    trades = Trade.objects.select_related("listing").filter(
        Q(buyer_id=investor_id) | Q(seller_id=investor_id)
    )
    if listing_id is not None:
        trades = trades.filter(listing_id=listing_id)
    if before_id is not None:
        trades = trades.filter(id__lt=before_id)
    page = trades.order_by("-id")[: min(limit, PAGE_MAX)]
    return [own_trade(trade, investor_id) for trade in page]


def list_order_trades(*, investor_id: int, order_ids: Sequence[UUID]) -> list[OwnTrade]:
    """The trades of some of this investor's orders, oldest first."""
    trades = Trade.objects.select_related("listing").filter(
        Q(buyer_id=investor_id) | Q(seller_id=investor_id),
        Q(maker_order_id__in=order_ids) | Q(taker_order_id__in=order_ids),
    )
    return [own_trade(trade, investor_id) for trade in trades.order_by("id")]


def own_trade(trade: Trade, investor_id: int) -> OwnTrade:
    """`trade` from the side of `investor_id`."""
    side = "buy" if trade.buyer_id == investor_id else "sell"
    is_taker = side == trade.taker_side
    return OwnTrade(
        id=trade.id,
        listing=trade.listing.symbol,
        order_id=trade.taker_order_id if is_taker else trade.maker_order_id,
        side=side,
        role="taker" if is_taker else "maker",
        price_units=trade.price_units,
        quantity_units=trade.quantity_units,
        cash_units=trade.cash_units,
        fee_units=trade.taker_fee_units if is_taker else trade.maker_fee_units,
        trade_no=trade.trade_no,
        traded_at=trade.traded_at,
    )


def _orders(investor_id: int) -> QuerySet[Order]:
    return Order.objects.select_related("listing", "terms").filter(investor_id=investor_id)


def order_view(order: Order) -> OrderView:
    """An order as its owner sees it; fetch its listing and terms with it."""
    apart = {"listing", "terms"}
    own = {name: getattr(order, name) for name in OrderView.__struct_fields__ if name not in apart}
    return OrderView(listing=order.listing.symbol, terms=_terms_view(order), **own)


def _terms_view(order: Order) -> TermsView | None:
    terms = getattr(order, "terms", None)  # a plain order has none
    if terms is None:
        return None
    return TermsView(**{name: getattr(terms, name) for name in TermsView.__struct_fields__})
