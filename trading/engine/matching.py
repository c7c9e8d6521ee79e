"""Matching in two steps: plan what an incoming order would fill, then apply it.

The plan only reads, so fill-or-kill, post-only, funds and self-trade
prevention are decided on it before anything has changed. A trade happens at
the resting order's price. An order never trades with its own owner group: the
incoming order stops there and its rest is canceled ("cancel newest").
"""

from typing import NamedTuple
from uuid import UUID

from trading.engine.book import Book, BookOrder, BookSide, UndoLog
from trading.engine.fees import TOKEN, fee_of_fill, quantity_for


class Incoming(NamedTuple):
    """What an order asks for. `limit` is its price or its protection price.

    Exactly one of `quantity` and `cash` bounds it: a buy's cash includes the
    fee at `rate_e6`, a sell's cash is what its fills may yield before fees.
    """

    is_buy: bool
    owner_group: UUID
    limit: int
    quantity: int | None
    cash: int | None
    rate_e6: int
    lot: int


class Plan(NamedTuple):
    """Fills in the order they would happen, and what they come to."""

    fills: list[tuple[BookOrder, int]]
    filled: int
    cash: int
    fee: int
    meets_itself: bool  # an own order stands in the way of the rest


class Execution(NamedTuple):
    """One trade of an incoming order with a resting one."""

    maker: BookOrder
    taker: BookOrder
    price: int
    quantity: int
    cash: int
    maker_fee: int
    taker_fee: int


def plan(book: Book, incoming: Incoming) -> Plan:
    """What the incoming order would fill now. Changes nothing."""
    side = book.opposite(incoming.is_buy)
    fills: list[tuple[BookOrder, int]] = []
    filled = cash = millionths = fee = 0
    for rank in reversed(side.ranks):
        level = side.levels[rank]
        price = level.price
        if price > incoming.limit if incoming.is_buy else price < incoming.limit:
            break
        order = level.head
        while order is not None:
            units = min(order.leaves, _wanted(incoming, price, filled, cash, fee))
            if units <= 0:
                return Plan(fills, filled, cash, fee, False)
            if order.owner_group == incoming.owner_group:
                return Plan(fills, filled, cash, fee, True)
            paid = price * units // TOKEN
            millionths, part = fee_of_fill(millionths, paid, incoming.rate_e6)
            filled, cash, fee = filled + units, cash + paid, fee + part
            fills.append((order, units))
            order = order.next
    return Plan(fills, filled, cash, fee, False)


def _wanted(incoming: Incoming, price: int, filled: int, cash: int, fee: int) -> int:
    """How many units are still wanted at `price` after fills of `filled` units."""
    if incoming.quantity is not None:
        return incoming.quantity - filled
    assert incoming.cash is not None
    if incoming.is_buy:
        return quantity_for(incoming.cash - cash - fee, price, incoming.rate_e6, incoming.lot)
    return quantity_for(incoming.cash - cash, price, 0, incoming.lot)


def apply(
    side: BookSide,
    taker: BookOrder,
    fills: list[tuple[BookOrder, int]],
    rate_e6: int,
    undo: UndoLog,
) -> list[Execution]:
    """Carry out planned fills: both orders' sums move, filled makers leave the book."""
    executions = []
    for maker, units in fills:
        price = maker.price
        assert price is not None
        cash = price * units // TOKEN
        side.reduce(maker, units, undo)
        maker_fee = _fill(maker, units, cash, maker.maker_fee_e6, undo)
        taker_fee = _fill(taker, units, cash, rate_e6, undo)
        executions.append(Execution(maker, taker, price, units, cash, maker_fee, taker_fee))
    return executions


def _fill(order: BookOrder, units: int, cash: int, rate_e6: int, undo: UndoLog) -> int:
    """Add a fill to an order's sums and return the fee that it pays."""
    undo.append(
        (_unfill, (order, order.filled, order.filled_cash, order.fee, order.fee_millionths))
    )
    order.fee_millionths, fee = fee_of_fill(order.fee_millionths, cash, rate_e6)
    order.filled += units
    order.filled_cash += cash
    order.fee += fee
    return fee


def _unfill(order: BookOrder, filled: int, filled_cash: int, fee: int, millionths: int) -> None:
    order.filled, order.filled_cash = filled, filled_cash
    order.fee, order.fee_millionths = fee, millionths
