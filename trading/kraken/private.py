"""The private methods: one signed request each, for the key's own investor.

Each method names the scope it needs; a method that is not in the table does not
exist (deny by default).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from custody.pages import Holding, list_holdings
from kernel.money import format_units
from trading import order_changes, order_entry, queries
from trading.commands import CancelAll, CancelOrder, OrderView
from trading.kraken import fees, history, wording
from trading.kraken.order_changes import (
    OPEN_ORDERS_MAX,
    Caller,
    add_order_batch,
    amend_order,
    as_id,
    cancel_all_orders_after,
    cancel_order_batch,
    edit_order,
    ids_named,
    wait,
)
from trading.kraken.order_requests import read_deadline, read_order
from trading.kraken.parameters import Parameters
from trading.kraken.replies import INVALID_ARGUMENTS, KrakenError, Result
from trading.offering import reader_of
from trading.queries import ListingView

ORDERS_ASKED_MAX = 50


def balance(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Everything the investor has of each asset, whether free or in orders."""
    return {
        holding.asset.code: _units_text(holding, holding.total_units)
        for holding in list_holdings(investor_id=caller.investor_id)
    }


def balance_ex(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """The same with what is not free: in orders, in redemption or on its way."""
    return {
        holding.asset.code: {
            "balance": _units_text(holding, holding.total_units),
            "hold_trade": _units_text(holding, holding.held_units),
        }
        for holding in list_holdings(investor_id=caller.investor_id)
    }


def add_order(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Place an order; with `validate` only judge it."""
    reader = reader_of(investor_id=caller.investor_id)
    command, listing = read_order(
        parameters, investor_id=caller.investor_id, reader=reader, now=now
    )
    described = {"descr": wording.described(command, listing)}
    deadline = read_deadline(parameters, now)
    placed = order_entry.place_sync(command, timeout_seconds=wait(deadline, now))
    return described if command.validate_only else described | {"txid": [str(placed.id)]}


def cancel_order(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Cancel by `txid` (an id or a user reference) or by `cl_ord_id`."""
    if parameters.has("cl_ord_id") == parameters.has("txid"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:txid")
    if parameters.has("cl_ord_id"):
        client_order_id = parameters.get("cl_ord_id")
        order_entry.cancel_sync(
            CancelOrder(investor_id=caller.investor_id, client_order_id=client_order_id)
        )
        return {"count": 1}
    ids = ids_named(caller, parameters.get("txid"))
    for order_id in ids:
        order_entry.cancel_sync(CancelOrder(investor_id=caller.investor_id, order_id=order_id))
    return {"count": len(ids)}


def cancel_all(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Cancel every open order; `count` is how many there were."""
    command = CancelAll(investor_id=caller.investor_id)
    return {"count": order_changes.cancel_all_sync(command)}


def open_orders(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    orders = queries.list_orders(
        investor_id=caller.investor_id, open_only=True, limit=OPEN_ORDERS_MAX
    )
    wanted = [order for order in orders if _matches(order, parameters)]
    return {"open": _order_rows(caller, parameters, wanted)}


def closed_orders(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """50 a page from `ofs`, newest first; `count` is how many there are in all."""
    page = history.closed_orders(caller.investor_id, parameters)
    return {"closed": _order_rows(caller, parameters, page.rows), "count": page.count}


def query_orders(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Orders by id; one that is not there, or another's, is left out."""
    ids = parameters.words("txid")
    if not 0 < len(ids) <= ORDERS_ASKED_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:txid")
    known = [order_id for text in ids if (order_id := as_id(text)) is not None]
    orders = history.orders_by_id(caller.investor_id, known)
    return _order_rows(caller, parameters, [o for o in orders if _matches(o, parameters)])


def trades_history(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """50 a page from `ofs`, newest first; `count` is how many there are in all."""
    page = history.own_trades(caller.investor_id, parameters)
    listings = queries.views_by_symbol({trade.listing for trade in page.rows})
    types = history.order_types(caller.investor_id, [trade.order_id for trade in page.rows])
    rows = {
        str(trade.id): wording.own_trade_row(
            trade, listings[trade.listing], types.get(trade.order_id, "limit")
        )
        for trade in page.rows
    }
    return {"trades": rows, "count": page.count}


def trade_volume(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    return fees.trade_volume(caller.investor_id, parameters, now)


Handler = Callable[[Caller, Parameters, datetime], Result]
# Method: the scope it needs, and what answers it.
METHODS: dict[str, tuple[str, Handler]] = {
    "Balance": ("read", balance),
    "BalanceEx": ("read", balance_ex),
    "OpenOrders": ("read", open_orders),
    "ClosedOrders": ("read", closed_orders),
    "QueryOrders": ("read", query_orders),
    "TradesHistory": ("read", trades_history),
    "TradeVolume": ("read", trade_volume),
    "AddOrder": ("trade", add_order),
    "CancelOrder": ("trade", cancel_order),
    "AddOrderBatch": ("trade", add_order_batch),
    "AmendOrder": ("trade", amend_order),
    "EditOrder": ("trade", edit_order),
    "CancelOrderBatch": ("trade", cancel_order_batch),
    "CancelAll": ("trade", cancel_all),
    "CancelAllOrdersAfter": ("trade", cancel_all_orders_after),
}


def _units_text(holding: Holding, units: int) -> str:
    decimals = holding.asset.decimals
    return format_units(units, decimals, places_min=decimals)


def _order_rows(
    caller: Caller, parameters: Parameters, orders: Sequence[OrderView]
) -> dict[str, Any]:
    listings = queries.views_by_symbol({order.listing for order in orders})
    trade_ids = _trade_ids(caller, orders) if parameters.flag("trades") else {}
    return {
        str(order.id): wording.order_row(
            order, _listing_of(order, listings), trade_ids.get(order.id, ())
        )
        for order in orders
    }


def _listing_of(order: OrderView, listings: dict[str, ListingView]) -> ListingView:
    return listings[order.listing]


def _trade_ids(caller: Caller, orders: Sequence[OrderView]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    ids = [order.id for order in orders]
    for trade in queries.list_order_trades(investor_id=caller.investor_id, order_ids=ids):
        found.setdefault(trade.order_id, []).append(str(trade.id))
    return found


def _matches(order: OrderView, parameters: Parameters) -> bool:
    """Whether the order is meant by the optional userref and cl_ord_id."""
    user_ref, client_order_id = parameters.get("userref"), parameters.get("cl_ord_id")
    named = "" if order.user_ref is None else str(order.user_ref)
    return (not user_ref or named == user_ref) and (
        not client_order_id or order.client_order_id == client_order_id
    )
