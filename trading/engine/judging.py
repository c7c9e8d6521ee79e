"""Judging an admitted order: its size, the fills it would get, what it needs.

Reads the book and decides; changes nothing but the new order itself.
"""

from dataclasses import replace
from uuid import UUID

from trading.commands import AmendOrder, PlaceOrder
from trading.engine import admission, core, refusals
from trading.engine.book import BookOrder, UndoLog, shown
from trading.engine.conditions import is_trailing
from trading.engine.effects import Effects
from trading.engine.fees import buy_hold, cash_floor, quantity_for, token_text
from trading.engine.living import dearer_rate
from trading.engine.market import Eligibility, Market, Rules
from trading.engine.matching import NO_BUDGET, Plan
from trading.engine.refusals import MalformedOrder, WouldTake
from trading.engine.specials import check_slices, set_cap, terms_for
from trading.engine.terms import TRIGGERED_TYPES
from trading.states import OrderStatus

NOBODY = UUID(int=0)
NO_FILLS = Plan()
UNTRIGGERED = OrderStatus.UNTRIGGERED.value


def new_order(command: PlaceOrder, market: Market, effects: Effects) -> BookOrder:
    """The order that a command asks for, not yet judged."""
    order = BookOrder(
        command.id,
        market.rules.id,
        command.investor_id,
        NOBODY,
        command.side == "buy",
        command.price_units,
        command.quantity_units,
    )
    order.type, order.time_in_force = command.type, command.time_in_force
    order.post_only, order.cash = command.post_only, command.cash_units
    order.client_order_id, order.user_ref = command.client_order_id, command.user_ref
    order.source = command.source
    order.terms = terms_for(command)
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


def size(order: BookOrder, market: Market) -> None:
    """Turn a limit order by cash into a quantity, and refuse what is too small.

    :raises refusals.OrderTooSmall: worth less than the listing's minimum.
    :raises refusals.OrderTooLarge: a market order worth more than one order may be.
    """
    rules = market.rules
    if order.status == UNTRIGGERED:
        price = order.price or (order.terms and order.terms.trigger_price)
        if price and order.quantity is not None:
            _check_worth(price, order.quantity, rules)
            admission.check_value(price, order.quantity, rules)
    elif order.price is None:
        best = market.book.opposite(order.is_buy).best()
        if order.quantity is not None and best is not None:
            _check_worth(best.price, order.quantity, rules)
            admission.check_value(best.price, order.quantity, rules)
    elif order.quantity is not None:
        _check_worth(order.price, order.quantity, rules)
    else:
        assert order.cash is not None
        rate = dearer_rate(order) if order.is_buy else 0
        order.quantity = quantity_for(order.cash, order.price, rate, rules.lot)
        if not order.quantity:
            raise admission.too_small(rules)


def _check_worth(price: int, quantity: int, rules: Rules) -> None:
    if cash_floor(price, quantity) < rules.min_cash:
        raise admission.too_small(rules)


def plan_fills(order: BookOrder, market: Market, budget: int = NO_BUDGET) -> Plan:
    """What the order would fill at once; no further than one fill beyond `budget`.

    :param budget: what its sender has for it, cash of a buy or tokens of a sell.
    :raises WouldTake: post-only, and it would fill something.
    :raises refusals.ListingRestricted: the listing takes only orders that rest now.
    :raises refusals.PriceOutsideBand: it could neither match nor rest.
    """
    limit = order.price if order.price is not None else order.protection_price
    if limit is None:
        return NO_FILLS  # a market order with nothing on the other side
    guard = market.guard
    if guard.allows.gathers:
        return NO_FILLS
    if guard.width:
        planned = _plan_in_band(order, limit, market, budget)
    else:
        planned = core.plan_order(market, order, limit, market.rules.lot, budget)
    if planned.fills or planned.meets_itself:
        if order.post_only:
            raise WouldTake
        if not admission.may_take(market):
            raise refusals.ListingRestricted("The listing takes only orders that rest now.")
    return planned


def _plan_in_band(order: BookOrder, limit: int, market: Market, budget: int) -> Plan:
    clipped = admission.clip_to_band(order.is_buy, limit, market)
    if clipped is None:
        planned = NO_FILLS
    else:
        planned = core.plan_order(market, order, clipped, market.rules.lot, budget)
    price = order.price
    is_stopped = price is not None and admission.is_beyond_band(order.is_buy, price, market)
    if is_stopped and not planned.fills:
        raise admission.outside_band(market)
    return planned


def needed_funds(order: BookOrder, planned: Plan) -> int:
    """What the order may cost in the worst case: tokens of a sell, cash of a buy."""
    if order.quantity is None and not order.is_buy:
        return planned.filled
    if order.is_buy and order.price is None and order.status != UNTRIGGERED:
        return planned.cash + planned.fee if order.cash is None else order.cash
    assert order.quantity is not None
    return need_with(order, order.quantity - order.filled)


def need_with(order: BookOrder, leaves: int) -> int:
    """What an order with a limit, or a cap, may cost with so much left: tokens or cash."""
    if not order.is_buy:
        return leaves
    price = order.price if order.price is not None else order.protection_price
    assert price is not None
    return buy_hold(price, leaves, order.fee_millionths, dearer_rate(order))


def is_spent(order: BookOrder, market: Market, planned: Plan) -> bool:
    """Whether a market order by cash is spent as far as lots allow."""
    if order.quantity is not None or not planned.fills or planned.stopped:
        return False
    assert order.cash is not None
    spent = planned.cash + planned.decremented_cash + (planned.fee if order.is_buy else 0)
    left = order.cash - spent
    last_price = planned.fills[-1][0].price
    assert last_price is not None
    rate = order.taker_fee_e6 if order.is_buy else 0
    return quantity_for(left, last_price, rate, market.rules.lot) == 0


# Drafts: an order as it would be, to be judged before the order itself changes.

# Not its __slots__: a compiled class has none.
_LINKS = ("next", "previous", "level")
_FIELDS = tuple(n for n in dir(BookOrder) if not n.startswith("_") and n not in _LINKS)
_MOVING = (
    "price",
    "protection_price",
    "quantity",
    "leaves",
    "post_only",
    "status",
    "reason",
    "terms",
    "priority",
    "batch_no",
    "taker_fee_e6",
)


def draft_of(order: BookOrder) -> BookOrder:
    """A copy that stands in no book."""
    draft = BookOrder(order.id, order.listing_id, order.investor_id, order.owner_group)
    for name in _FIELDS:
        setattr(draft, name, getattr(order, name))
    if order.terms is not None:
        draft.terms = replace(order.terms)
    return draft


def save(order: BookOrder, undo: UndoLog) -> None:
    """Note an order as it is, before it comes in (again) and may change in many places."""
    undo.append((_put_back, (order, tuple(getattr(order, name) for name in _MOVING))))


def _put_back(order: BookOrder, values: tuple[object, ...]) -> None:
    for name, value in zip(_MOVING, values, strict=True):
        setattr(order, name, value)


def take_over(order: BookOrder, draft: BookOrder) -> None:
    """Make an order what its draft is."""
    order.price, order.protection_price = draft.price, draft.protection_price
    order.quantity, order.leaves = draft.quantity, draft.leaves
    order.post_only, order.terms = draft.post_only, draft.terms
    order.taker_fee_e6 = draft.taker_fee_e6


def amend_draft(draft: BookOrder, command: AmendOrder, market: Market) -> None:
    """Write an amendment into a draft.

    :raises Refusal: the order has no such field, or it does not fit the listing's steps.
    """
    rules, terms = market.rules, draft.terms
    if command.price_units is not None:
        if draft.price is None:
            raise MalformedOrder("The order has no limit price that could change.")
        admission.check_price(command.price_units, rules)
        draft.price = command.price_units
    if command.trigger_price_units is not None:
        if draft.status != UNTRIGGERED or terms is None or is_trailing(draft):
            raise MalformedOrder("The order has no trigger price that could change.")
        admission.check_price(command.trigger_price_units, rules)
        terms.trigger_price = command.trigger_price_units
    if command.post_only is not None:
        if draft.status == UNTRIGGERED or draft.type in TRIGGERED_TYPES:
            raise MalformedOrder("An order with a trigger may take.")
        draft.post_only = command.post_only
    if command.quantity_units is not None:
        _amend_quantity(draft, command.quantity_units, rules)
    if command.display_units is not None:
        _amend_display(draft, command.display_units, rules)
    if terms is not None and terms.display_units is not None:
        assert draft.quantity is not None
        terms.display_units = min(terms.display_units, draft.quantity)
        check_slices(terms.display_units, draft.quantity)
    if draft.status == UNTRIGGERED:
        set_cap(draft, rules)


def _amend_quantity(draft: BookOrder, quantity: int, rules: Rules) -> None:
    if draft.terms is not None and draft.terms.link_id is not None:
        raise MalformedOrder("Both orders of a pair are for the same quantity: cancel it instead.")
    admission.check_quantity(quantity, rules)
    if quantity <= draft.filled:
        raise MalformedOrder("So much is filled already: cancel the order instead.")
    draft.quantity, draft.leaves = quantity, quantity - draft.filled


def _amend_display(draft: BookOrder, display: int, rules: Rules) -> None:
    terms = draft.terms
    if terms is None or terms.display_units is None:
        raise MalformedOrder("The order shows all of itself.")
    if display % rules.lot or display <= 0:
        raise refusals.QuantityNotOnLot(lot=token_text(rules.lot))
    terms.display_units = display


def only_shrinks(order: BookOrder, draft: BookOrder, command: AmendOrder) -> bool:
    """Whether an amendment may keep the order's place: nothing but a smaller size or display."""
    assert order.quantity is not None
    assert draft.quantity is not None
    if draft.price != order.price or draft.quantity > order.quantity:
        return False
    if command.post_only is not None and draft.post_only != order.post_only:
        return False
    # With another display the slice at hand is another one too: it may not grow in its place.
    return shown(draft) <= shown(order)


def child_of(entry: BookOrder, id: UUID, effects: Effects) -> BookOrder:
    """A new order on the other side, of the same investor."""
    order = BookOrder(id, entry.listing_id, entry.investor_id, entry.owner_group)
    order.snapshot_id, order.is_buy = entry.snapshot_id, not entry.is_buy
    order.source, order.user_ref = entry.source, entry.user_ref
    order.batch_no, order.accepted_at = effects.batch_no, effects.now
    return order
