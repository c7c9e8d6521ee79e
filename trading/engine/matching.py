"""Matching in two steps: plan what an incoming order would fill, then apply it.

The plan only reads, so fill-or-kill, post-only, funds and self-trade
prevention are decided on it before anything has changed. A trade happens at
the resting order's price. An order never trades with its own owner group; what
happens instead is the incoming order's choice (`SelfTradePrevention`).
"""

from collections import deque
from typing import Final
from uuid import UUID

from trading.engine.book import Book, BookOrder, BookSide, Level, UndoLog, shown
from trading.engine.fees import MILLION, TOKEN, buy_hold, quantity_for

CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT = (
    "cancel_newest",
    "cancel_oldest",
    "cancel_both",
    "decrement",
)


NO_BUDGET = 1 << 62


class Incoming:
    """What an order asks for. `limit` is its price or its protection price.

    Exactly one of `quantity` and `cash` bounds it: a buy's cash includes the
    fee at `rate_e6`, a sell's cash is what its fills may yield before fees.

    `budget` is what the sender has, cash of a buy or tokens of a sell: a plan that has
    passed it ends there, because the order will be refused.
    """

    __slots__ = (
        "budget",
        "cash",
        "is_buy",
        "limit",
        "lot",
        "owner_group",
        "prevention",
        "quantity",
        "rate_e6",
    )

    def __init__(  # noqa: PLR0917 - built in one place, a few hundred thousand times a second
        self,
        is_buy: bool,
        owner_group: UUID,
        limit: int,
        quantity: int | None,
        cash: int | None,
        rate_e6: int,
        lot: int,
        prevention: str = CANCEL_NEWEST,
        budget: int = NO_BUDGET,
    ) -> None:
        self.budget = budget
        self.is_buy = is_buy
        self.owner_group = owner_group
        self.limit = limit
        self.quantity = quantity
        self.cash = cash
        self.rate_e6 = rate_e6
        self.lot = lot
        self.prevention = prevention


class Plan:
    """Fills in the order they would happen, and what they come to.

    `own` are the own orders that the incoming one meets, each with the units it loses
    without a trade: all of its leaves (it is canceled), or fewer (it shrinks in place).
    They give way before the first fill; none of them is among the fills.
    """

    __slots__ = (
        "cash",
        "decremented",
        "decremented_cash",
        "fee",
        "filled",
        "fills",
        "meets_itself",
        "own",
        "stopped",
    )

    def __init__(self) -> None:
        self.fills: list[tuple[BookOrder, int]] = []
        self.filled = 0
        self.cash = 0
        self.fee = 0
        self.own: list[tuple[BookOrder, int]] = []
        self.meets_itself = False  # an own order stands in its way
        self.stopped = False  # the rest of the incoming order is to be canceled
        self.decremented = 0  # what the incoming order lost to own ones without a trade
        self.decremented_cash = 0  # the same, as the most of its budget that could have cost


NO_FILLS: Final = Plan()  # shared, and like every plan never changed once it is made


class Execution:
    """One trade of an incoming order with a resting one."""

    __slots__ = (
        "cash",
        "maker",
        "maker_fee",
        "price",
        "quantity",
        "requeued",
        "taker",
        "taker_fee",
        "taker_requeued",
    )

    def __init__(
        self,
        *,
        maker: BookOrder,
        taker: BookOrder,
        price: int,
        quantity: int,
        cash: int,
        maker_fee: int,
        taker_fee: int,
        requeued: bool,
        taker_requeued: bool,
    ) -> None:
        self.maker = maker
        self.taker = taker
        self.price = price
        self.quantity = quantity
        self.cash = cash
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        # Shows its next slice, at the back: it needs a new priority.
        self.requeued = requeued
        self.taker_requeued = taker_requeued  # in an auction, where both have rested


def plan(book: Book, incoming: Incoming) -> Plan:
    """What the incoming order would fill now. Changes nothing."""
    side = book.asks if incoming.is_buy else book.bids
    worst = -incoming.limit if incoming.is_buy else incoming.limit
    planned = Plan()
    millionths = 0
    for rank in reversed(side.ranks):
        if rank < worst:
            break
        level = side.levels[rank]
        sweep = _sweep_slices if level.icebergs else _sweep
        goes_on, millionths = sweep(level, incoming, planned, millionths)
        if not goes_on:
            break
    planned.fee = -(-millionths // MILLION)
    return planned


def _sweep(level: Level, incoming: Incoming, planned: Plan, millionths: int) -> tuple[bool, int]:
    """Fill from one price; whether the order goes on to the next, and its exact fee by then."""
    price, group = level.price, incoming.owner_group.int
    order = level.head
    while order is not None:
        if (planned.cash if incoming.is_buy else planned.filled) > incoming.budget:
            return False, millionths
        wanted = _wanted(incoming, price, planned, millionths)
        if wanted <= 0:
            return False, millionths
        if order.owner_group.int == group:
            if not _give_way(order, price, wanted, incoming, planned):
                return False, millionths
        elif wanted < order.leaves:
            return False, millionths + _note(order, price, wanted, incoming, planned)
        else:
            millionths += _note(order, price, order.leaves, incoming, planned)
        order = order.next
    return True, millionths


def _sweep_slices(
    level: Level, incoming: Incoming, planned: Plan, millionths: int
) -> tuple[bool, int]:
    """As `_sweep`, slice by slice: an iceberg's next one is met behind all others."""
    price, group = level.price, incoming.owner_group.int
    queue = deque((order, shown(order), order.leaves) for order in level)
    while queue:
        if (planned.cash if incoming.is_buy else planned.filled) > incoming.budget:
            return False, millionths
        order, slice, leaves = queue.popleft()
        wanted = _wanted(incoming, price, planned, millionths)
        if wanted <= 0:
            return False, millionths
        if order.owner_group.int == group:
            if not _give_way(order, price, wanted, incoming, planned):
                return False, millionths
            continue
        if wanted < slice:
            return False, millionths + _note(order, price, wanted, incoming, planned)
        millionths += _note(order, price, slice, incoming, planned)
        if slice < leaves:
            assert order.terms is not None
            assert order.terms.display_units is not None
            queue.append((order, min(leaves - slice, order.terms.display_units), leaves - slice))
    return True, millionths


def _note(order: BookOrder, price: int, units: int, incoming: Incoming, planned: Plan) -> int:
    """Plan one fill and return its exact fee in millionths."""
    cash = price * units // TOKEN
    planned.filled += units
    planned.cash += cash
    planned.fills.append((order, units))
    return cash * incoming.rate_e6


def _wanted(incoming: Incoming, price: int, planned: Plan, millionths: int) -> int:
    """How many units are still wanted at `price`."""
    if incoming.quantity is not None:
        return incoming.quantity - planned.filled - planned.decremented
    assert incoming.cash is not None
    left = incoming.cash - planned.cash - planned.decremented_cash
    if incoming.is_buy:
        left += -millionths // MILLION  # less the fee so far, rounded up
        return quantity_for(left, price, incoming.rate_e6, incoming.lot)
    return quantity_for(left, price, 0, incoming.lot)


def _give_way(order: BookOrder, price: int, wanted: int, incoming: Incoming, planned: Plan) -> bool:
    """Note what self-trade prevention does to an own order; whether the incoming one goes on."""
    planned.meets_itself = True
    prevention = incoming.prevention
    if prevention == DECREMENT:
        units = min(order.leaves, wanted)
        planned.own.append((order, units))
        planned.decremented += units
        rate = incoming.rate_e6 if incoming.is_buy else 0
        planned.decremented_cash += buy_hold(price, units, 0, rate)
        planned.stopped = units == wanted
        return not planned.stopped
    if prevention != CANCEL_NEWEST:
        planned.own.append((order, order.leaves))
    planned.stopped = prevention != CANCEL_OLDEST
    return not planned.stopped


def apply(
    side: BookSide,
    taker: BookOrder,
    fills: list[tuple[BookOrder, int]],
    rate_e6: int,
    undo: UndoLog,
) -> list[Execution]:
    """Carry out planned fills: both orders' sums move, filled makers leave the book."""
    executions: list[Execution] = []
    if not fills:
        return executions
    undo.append((_unfill, _sums(taker)))
    for maker, units in fills:
        undo.append((_unfill, _sums(maker)))
        price = maker.price
        assert price is not None
        cash = price * units // TOKEN
        requeued = side.fill(maker, units, undo)
        executions.append(
            Execution(
                maker=maker,
                taker=taker,
                price=price,
                quantity=units,
                cash=cash,
                maker_fee=_add(maker, units, cash, maker.maker_fee_e6),
                taker_fee=_add(taker, units, cash, rate_e6),
                requeued=requeued,
                taker_requeued=False,
            )
        )
    return executions


def add_fill(order: BookOrder, units: int, cash: int, rate_e6: int, undo: UndoLog) -> int:
    """Add a fill to an order's sums and return the fee that it pays."""
    undo.append((_unfill, _sums(order)))
    return _add(order, units, cash, rate_e6)


def _sums(order: BookOrder) -> tuple[BookOrder, int, int, int, int]:
    return order, order.filled, order.filled_cash, order.fee, order.fee_millionths


def _add(order: BookOrder, units: int, cash: int, rate_e6: int) -> int:
    paid, millionths = order.fee, order.fee_millionths + cash * rate_e6
    order.fee_millionths = millionths
    # All that it has paid is the ceiling of its exact fee; see fees.py.
    order.fee = -(-millionths // MILLION)
    order.filled += units
    order.filled_cash += cash
    return order.fee - paid


def _unfill(order: BookOrder, filled: int, filled_cash: int, fee: int, millionths: int) -> None:
    order.filled, order.filled_cash = filled, filled_cash
    order.fee, order.fee_millionths = fee, millionths


def set_priority(order: BookOrder, priority: int, undo: UndoLog) -> None:
    """Number an order that went to the back of its queue."""
    undo.append((_restore_priority, (order, order.priority)))
    order.priority = priority


def _restore_priority(order: BookOrder, priority: int) -> None:
    order.priority = priority
