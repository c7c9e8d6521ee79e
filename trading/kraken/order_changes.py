"""AddOrderBatch, AmendOrder, EditOrder, CancelOrderBatch and CancelAllOrdersAfter.

AmendOrder changes an order under its id; EditOrder cancels it and places another in
its stead, which is what Kraken's does too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from kernel.refusals import Refusal
from trading import order_changes, queries
from trading.commands import (
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    OrderView,
    PlaceOrder,
    ReplaceOrder,
)
from trading.engine_line import COMMAND_TIMEOUT_SECONDS
from trading.kraken import wording
from trading.kraken.order_requests import (
    amount,
    price,
    read_deadline,
    read_flags,
    read_order,
    user_ref,
)
from trading.kraken.pairs import TOKENIZED, check_class, price_text, volume_text
from trading.kraken.parameters import Parameters
from trading.kraken.replies import (
    INVALID_ARGUMENTS,
    UNKNOWN_ORDER,
    KrakenError,
    Result,
    word_for,
)
from trading.offering import Reader, reader_of
from trading.order_bodies import BATCH_CANCELS_MAX, BATCH_ORDERS_MAX, BATCH_ORDERS_MIN, timeout_of
from trading.queries import ListingView
from trading.states import LIVE_STATUSES

OPEN_ORDERS_MAX = 500
CANCEL_AFTER_SECONDS_MAX = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose key signed."""

    investor_id: int


def add_order_batch(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Two to fifteen orders of one pair, each judged by itself: one result each."""
    asked = parameters.listed("orders")
    if not BATCH_ORDERS_MIN <= len(asked) <= BATCH_ORDERS_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:orders")
    deadline = read_deadline(parameters, now)
    common = {
        name: parameters.get(name) for name in ("pair", "asset_class") if parameters.has(name)
    }
    if parameters.flag("validate"):  # else each order says so for itself
        common["validate"] = "true"
    reader = reader_of(investor_id=caller.investor_id)
    found = [_read_one(each.with_values(common), caller, reader, now) for each in asked]
    commands = [each[0] for each in found if not isinstance(each, str)]
    results = iter(order_changes.send_batch_sync(commands, timeout_seconds=wait(deadline, now)))
    rows = [
        {"error": each} if isinstance(each, str) else _batch_row(*each, next(results))
        for each in found
    ]
    return {"orders": rows}


def _read_one(
    parameters: Parameters, caller: Caller, reader: Reader, now: datetime
) -> tuple[PlaceOrder, ListingView] | str:
    """One order of a batch, or Kraken's word for what is wrong with it."""
    if parameters.has("deadline"):  # the batch has one for all
        return f"{INVALID_ARGUMENTS}:deadline"
    try:
        return read_order(parameters, investor_id=caller.investor_id, reader=reader, now=now)
    except KrakenError as error:
        return error.word
    except Refusal as refusal:
        return word_for(refusal)


def _batch_row(
    command: PlaceOrder, listing: ListingView, result: OrderView | Refusal
) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"error": word_for(result)}
    row: dict[str, Any] = {"descr": wording.described(command, listing)}
    return row if command.validate_only else row | {"txid": str(result.id)}


def amend_order(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Change quantity, limit, trigger or shown part of an order that stays the same one."""
    order, listing = _find(caller, parameters)
    quantity, display = parameters.has("order_qty"), parameters.has("display_qty")
    limit, trigger = parameters.has("limit_price"), parameters.has("trigger_price")
    if not (quantity or display or limit or trigger or parameters.has("post_only")):
        raise KrakenError(INVALID_ARGUMENTS)
    base = listing.base_decimals
    command = AmendOrder(
        investor_id=caller.investor_id,
        order_id=order.id,
        quantity_units=amount(parameters, "order_qty", base) if quantity else None,
        price_units=price(parameters, "limit_price", listing) if limit else None,
        trigger_price_units=price(parameters, "trigger_price", listing) if trigger else None,
        display_units=amount(parameters, "display_qty", base) if display else None,
        post_only=parameters.flag("post_only") if parameters.has("post_only") else None,
    )
    order_changes.amend_sync(command, timeout_seconds=wait(read_deadline(parameters, now), now))
    return {"amend_id": str(command.id)}


def edit_order(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Cancel the order and place what it is changed into, both or none; it gets a new id.

    A volume is that of the new order; without one, what the old one had left.
    """
    check_class(parameters.get("asset_class", TOKENIZED))
    old, listing = _find(caller, parameters)
    if old.status not in LIVE_STATUSES:
        raise KrakenError(UNKNOWN_ORDER)
    new = _edited(old, listing, parameters)
    answer: dict[str, Any] = {
        "status": "ok",
        "originaltxid": str(old.id),
        "olduserref": old.user_ref,
        "newuserref": new.user_ref,
        "volume": volume_text(listing, new.quantity_units or 0),
        "price": price_text(listing, new.trigger_price_units or new.price_units or 0),
        "descr": wording.described(new, listing),
    }
    if new.trigger_price_units and new.price_units:
        answer["price2"] = price_text(listing, new.price_units)
    if parameters.flag("validate"):
        return answer | {"orders_cancelled": 0}
    command = ReplaceOrder(investor_id=caller.investor_id, order_id=old.id, order=new)
    timeout = wait(read_deadline(parameters, now), now)
    placed = order_changes.replace_sync(command, timeout_seconds=timeout)
    return answer | {"txid": str(placed.id), "orders_cancelled": 1}


def _edited(old: OrderView, listing: ListingView, parameters: Parameters) -> PlaceOrder:
    """The old order with what is named changed."""
    if old.quantity_units is None:
        raise KrakenError(f"{INVALID_ARGUMENTS}:volume")  # a market order by cash never rests
    terms = old.terms or wording.NO_TERMS
    fields: dict[str, Any] = {
        name: getattr(terms, name)
        for name in terms.__struct_fields__
        if name in PlaceOrder.__struct_fields__ and name != "expires_at"
    }
    fields |= {
        "listing": old.listing,
        "investor_id": old.investor_id,
        "side": old.side,
        "type": old.type,
        "time_in_force": old.time_in_force,
        "expires_at": terms.expires_at.timestamp() if terms.expires_at else None,
        "price_units": old.price_units,
        "quantity_units": old.quantity_units - old.filled_units,
        "user_ref": user_ref(parameters, "userref") if parameters.has("userref") else old.user_ref,
        "post_only": old.post_only,
        "source": "kraken",
    }
    if parameters.has("volume"):
        fields["quantity_units"] = amount(parameters, "volume", listing.base_decimals)
    if parameters.has("displayvol"):
        fields["display_units"] = amount(parameters, "displayvol", listing.base_decimals)
    if parameters.has("oflags"):
        fields["post_only"] = "post" in read_flags(parameters)
    return msgspec.structs.replace(PlaceOrder(**fields), **_edited_prices(old, listing, parameters))


def _edited_prices(old: OrderView, listing: ListingView, parameters: Parameters) -> dict[str, int]:
    """`price` is the limit of a limit order and the trigger of the others, `price2` their limit.

    :raises KrakenError: a price that this order has not; a trailing stop's cannot be edited.
    """
    first = "price_units" if old.type == "limit" else "trigger_price_units"
    takes = {
        "price": first if not old.type.startswith(("market", "trailing")) else "",
        "price2": "price_units" if old.type in ("stop_loss_limit", "take_profit_limit") else "",
    }
    found: dict[str, int] = {}
    for name, field in takes.items():
        if not parameters.has(name) or (name == "price2" and parameters.get(name) == "0"):
            continue
        if not field:
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
        found[field] = price(parameters, name, listing)
    return found


def cancel_order_batch(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """Up to fifty orders, by id or user reference and by `cl_ord_id`; how many were canceled."""
    named = [each.get("") for each in parameters.listed("orders")]
    client_ids = [each.get("") for each in parameters.listed("cl_ord_ids")]
    if not 0 < len(named) + len(client_ids) <= BATCH_CANCELS_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:orders")
    commands = [
        CancelOrder(investor_id=caller.investor_id, order_id=each)
        for each in ids_named(caller, *named)
    ]
    commands += [
        CancelOrder(investor_id=caller.investor_id, client_order_id=each) for each in client_ids
    ]
    results = order_changes.send_batch_sync(commands)
    canceled = [each for each in results if isinstance(each, OrderView)]
    refused = [each for each in results if isinstance(each, Refusal)]
    if refused and not canceled:
        raise refused[0]
    return {"count": len(canceled)}


def cancel_all_orders_after(caller: Caller, parameters: Parameters, now: datetime) -> Result:
    """The dead-man switch; `timeout` 0 turns it off."""
    if not parameters.has("timeout"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:timeout")
    seconds = parameters.integer("timeout", 0)
    if not 0 <= seconds <= CANCEL_AFTER_SECONDS_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:timeout")
    due = order_changes.cancel_all_after_sync(
        CancelAllAfter(investor_id=caller.investor_id, timeout_seconds=seconds)
    )
    return {"currentTime": _moment(now), "triggerTime": _moment(due) if due else "0"}


def wait(deadline: datetime | None, now: datetime) -> float:
    """How long a command may wait: the client's deadline only shortens ours."""
    return timeout_of(deadline, now=now, longest=COMMAND_TIMEOUT_SECONDS)


def ids_named(caller: Caller, *texts: str) -> list[UUID]:
    """Each an order by its id, or all open ones with that user reference; none comes twice.

    :raises KrakenError: no open order has that reference.
    """
    ids = {text: as_id(text) for text in texts}
    refs: dict[str, list[UUID]] = {}
    if None in ids.values():
        orders = queries.list_orders(
            investor_id=caller.investor_id, open_only=True, limit=OPEN_ORDERS_MAX
        )
        for order in orders:
            if order.user_ref is not None:  # "None" names nothing
                refs.setdefault(str(order.user_ref), []).append(order.id)
    found: dict[UUID, None] = {}
    for text, order_id in ids.items():
        named = refs.get(text) if order_id is None else [order_id]
        if not named:
            raise KrakenError(UNKNOWN_ORDER)
        found |= dict.fromkeys(named)
    return list(found)


def as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _find(caller: Caller, parameters: Parameters) -> tuple[OrderView, ListingView]:
    """The one order named by `txid` (an id or a user reference) or by `cl_ord_id`.

    :raises KrakenError: neither or both; none or several.
    :raises Refusal: it is not there, or a buy of what the caller may only leave.
    """
    if parameters.has("cl_ord_id") == parameters.has("txid"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:txid")
    if parameters.has("cl_ord_id"):
        order = queries.find_order(
            investor_id=caller.investor_id, client_order_id=parameters.get("cl_ord_id")
        )
    else:
        ids = ids_named(caller, parameters.get("txid"))
        if len(ids) != 1:
            raise KrakenError(f"{INVALID_ARGUMENTS}:txid")
        order = queries.get_order(investor_id=caller.investor_id, order_id=ids[0])
    return order, queries.listing_to_change(order)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
