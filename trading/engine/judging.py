"""Judging an admitted order: its size, the fills it would get, what it needs.

Reads the book and decides; changes nothing but the new order itself.
"""

from uuid import UUID

from kernel.refusals import Refusal
from trading.commands import PlaceOrder
from trading.engine import admission
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.fees import buy_hold, cash_floor, quantity_for
from trading.engine.market import Eligibility, Market, Rules
from trading.engine.matching import Incoming, Plan, plan

NOBODY = UUID(int=0)
NO_FILLS = Plan()


class WouldTake(Refusal):
    """A post-only order would have matched at once."""

    code = "post_only_would_take"


def new_order(command: PlaceOrder, market: Market, effects: Effects) -> BookOrder:
    """The order that a command asks for, not yet judged."""
    order = BookOrder(command.id, market.rules.id, command.investor_id, NOBODY)
    order.is_buy = command.side == "buy"
    order.type, order.time_in_force = command.type, command.time_in_force
    order.post_only, order.price = command.post_only, command.price_units
    order.quantity, order.cash = command.quantity_units, command.cash_units
    order.client_order_id, order.user_ref = command.client_order_id, command.user_ref
    order.source = command.source
    order.batch_no, order.accepted_at = effects.batch_no, effects.now
    return order


def make_order(
    command: PlaceOrder,
    market: Market,
    eligibility: Eligibility,
    rates: tuple[int, int],
    effects: Effects,
) -> BookOrder:
    """The order with all that is frozen on it: owner group, snapshot, rates, protection.

    :param rates: what its investor pays now as maker and as taker, in millionths.
    """
    order = new_order(command, market, effects)
    order.owner_group = eligibility.owner_group
    order.snapshot_id = eligibility.snapshot_id
    order.maker_fee_e6, order.taker_fee_e6 = rates
    if command.type == "market":
        order.protection_price = admission.protection_price(market, is_buy=order.is_buy)
    return order


def hold_rate_e6(order: BookOrder) -> int:
    """The dearer of both rates: which one applies is known only when it fills."""
    return max(order.maker_fee_e6, order.taker_fee_e6)


def size(order: BookOrder, market: Market) -> None:
    """Turn a limit order by cash into a quantity, and refuse what is too small.

    :raises admission.OrderTooSmall: worth less than the listing's minimum.
    """
    rules = market.rules
    if order.price is None:
        best = market.book.opposite(order.is_buy).best()
        if order.quantity is not None and best is not None:
            _check_worth(best.price, order.quantity, rules)
    elif order.quantity is not None:
        _check_worth(order.price, order.quantity, rules)
    else:
        assert order.cash is not None
        rate = hold_rate_e6(order) if order.is_buy else 0
        order.quantity = quantity_for(order.cash, order.price, rate, rules.lot)
        if not order.quantity:
            raise admission.too_small(rules)


def _check_worth(price: int, quantity: int, rules: Rules) -> None:
    if cash_floor(price, quantity) < rules.min_cash:
        raise admission.too_small(rules)


def plan_fills(order: BookOrder, market: Market) -> Plan:
    """What the order would fill at once.

    :raises WouldTake: post-only, and it would fill something.
    :raises admission.ListingRestricted: the listing takes only orders that rest now.
    """
    limit = order.price if order.price is not None else order.protection_price
    if limit is None:
        return NO_FILLS  # a market order with nothing on the other side
    rules = market.rules
    by_cash = None if order.quantity is not None else order.cash
    incoming = Incoming(
        order.is_buy,
        order.owner_group,
        limit,
        order.quantity,
        by_cash,
        order.taker_fee_e6,
        rules.lot,
    )
    planned = plan(market.book, incoming)
    if planned.fills or planned.meets_itself:
        if order.post_only:
            raise WouldTake
        if not admission.may_take(market):
            raise admission.ListingRestricted("The listing takes only orders that rest now.")
    return planned


def needed_funds(order: BookOrder, market: Market, planned: Plan) -> tuple[int, int]:
    """(asset, units) that the order may cost in the worst case."""
    rules = market.rules
    if not order.is_buy:
        return rules.base_id, planned.filled if order.quantity is None else order.quantity
    if order.price is not None:
        assert order.quantity is not None
        return rules.quote_id, buy_hold(order.price, order.quantity, 0, hold_rate_e6(order))
    return rules.quote_id, planned.cash + planned.fee if order.cash is None else order.cash


def is_spent(order: BookOrder, market: Market, planned: Plan) -> bool:
    """Whether a market order by cash is spent as far as lots allow."""
    if order.quantity is not None or not planned.fills or planned.meets_itself:
        return False
    assert order.cash is not None
    left = order.cash - planned.cash - (planned.fee if order.is_buy else 0)
    last_price = planned.fills[-1][0].price
    assert last_price is not None
    rate = order.taker_fee_e6 if order.is_buy else 0
    return quantity_for(left, last_price, rate, market.rules.lot) == 0
