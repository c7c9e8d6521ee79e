"""Orders while they live: what they hold, which other they stand for, how they end.

A plain order holds for itself. Two orders of which one cancels the other share a hold,
which covers the worse of them: one of them carries it, the other holds nothing.
"""

from collections.abc import Iterable, Sequence

from trading.engine import core
from trading.engine.book import BookOrder
from trading.engine.conditions import terms_of
from trading.engine.effects import Effects
from trading.engine.fees import buy_hold
from trading.engine.market import Market
from trading.engine.state import CANCELED, OPEN, PoolState

LINKED = "linked"  # the reason of an order that ends because the other one did


def worst_price(order: BookOrder) -> int:
    """The most that a buy may pay per token: its limit, or its protection."""
    price = order.price if order.price is not None else order.protection_price
    assert price is not None
    return price


def dearer_rate(order: BookOrder) -> int:
    """Which of both applies is known only when it fills."""
    return max(order.maker_fee_e6, order.taker_fee_e6)


def own_need(order: BookOrder) -> int:
    """What a live order may still cost at worst: tokens of a sell, cash of a buy.

    What rests pays as a maker; what still waits for its trigger may pay either rate.
    """
    if not order.leaves:
        return 0
    if not order.is_buy:
        return order.leaves
    rate = order.maker_fee_e6 if order.status == OPEN else dearer_rate(order)
    return buy_hold(worst_price(order), order.leaves, order.fee_millionths, rate)


def pair_need(legs: Sequence[BookOrder], more: int = 0) -> int:
    """What two orders of one side may still cost, whichever comes first, with `more` units.

    The worst of both in everything, so that each fill frees at least what it costs. The one
    unit more is for the fee: each of them rounds up its own.
    """
    leaves = max((leg.quantity or 0) - leg.filled for leg in legs) + more
    if not leaves or not legs[0].is_buy:
        return leaves
    price, rate = max(map(worst_price, legs)), max(map(dearer_rate, legs))
    return buy_hold(price, leaves, max(leg.fee_millionths for leg in legs), rate) + 1


class Living(PoolState):
    """Moves holds and statuses, each change noted for undoing it."""

    def rehold(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """Hold for a live order, or the pair it belongs to, what it may still need."""
        terms = order.terms
        if terms is None or terms.link_id is None:
            self.set_hold(order, market, own_need(order), effects)
            return
        legs = self.legs.get(terms.link_id, [])
        if order not in legs:
            self.set_hold(order, market, own_need(order), effects)
        if legs:
            needed = pair_need(legs) if len(legs) > 1 else own_need(legs[0])
            carrier = next((leg for leg in legs if leg.held), legs[0])
            for leg in legs:
                self.set_hold(leg, market, needed if leg is carrier else 0, effects)

    def set_hold(self, order: BookOrder, market: Market, held: int, effects: Effects) -> None:
        effects.touch_order(order)
        if held == order.held:
            return
        rules = market.rules
        asset_id = rules.quote_id if order.is_buy else rules.base_id
        funds = self.funds_of(order.investor_id, asset_id, effects)
        funds.held += held - order.held
        effects.undo.append((_restore_hold, (order, order.held)))
        order.held = held

    def set_status(self, order: BookOrder, status: str, reason: str, effects: Effects) -> None:
        effects.undo.append((_restore_status, (order, order.status, order.reason)))
        order.status, order.reason = status, reason

    def close(
        self, order: BookOrder, market: Market, status: str, reason: str, effects: Effects
    ) -> None:
        """Close an order that is nowhere (any more)."""
        self.set_status(order, status, reason, effects)
        effects.add_closed(market, order, status, reason)

    def pull(
        self,
        order: BookOrder,
        reason: str,
        effects: Effects,
        *,
        status: str = CANCELED,
        reason_of_other: str = LINKED,
    ) -> None:
        """End a live order, whoever wants it gone, and the one that stands for it."""
        market = self.markets_by_id[order.listing_id]
        self.set_status(order, status, reason, effects)
        if order.level is not None:
            core.take_out(market, order, status, reason, effects)
        else:
            effects.add_closed(market, order, status, reason)
            self.take_away(order, market, effects)
        self.unindex(order, effects)
        self.set_hold(order, market, 0, effects)
        self.end_other(order, effects, reason_of_other)

    def take_away(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """Out of the book, or from among those that wait."""
        if order.level is not None:
            effects.add_level(market, order.is_buy, worst_price(order))
            market.book.side_of(order).remove(order, effects.undo)
        elif terms_of(order).triggered_at is None:
            waiting = market.conditions()
            waiting.remove(order)
            effects.undo.append((waiting.add, (order,)))
        else:
            place = self.fired.index(order)
            del self.fired[place]
            effects.undo.append((self.fired.insert, (place, order)))

    # Orders that stand for each other.

    def other_leg(self, order: BookOrder) -> BookOrder | None:
        """The live order that ends when this one does."""
        if order.terms is None or order.terms.link_id is None:
            return None
        legs = self.legs.get(order.terms.link_id, ())
        return next((leg for leg in legs if leg is not order), None)

    def end_other(self, order: BookOrder, effects: Effects, reason: str = LINKED) -> None:
        other = self.other_leg(order)
        if other is not None:
            self.pull(other, reason, effects)

    def pull_own(self, orders: Iterable[BookOrder], reason: str, effects: Effects) -> None:
        """End orders of one investor, the oldest first; of a pair both for this reason."""
        for order in sorted(orders, key=age):
            if order.id in self.orders:  # not gone with its other leg
                self.pull(order, reason, effects, reason_of_other=reason)

    def shrink(self, order: BookOrder, units: int, market: Market, effects: Effects) -> None:
        """Take units off a live order's quantity without a trade; all of them end it."""
        assert order.quantity is not None
        if units >= order.leaves:
            self.pull(order, LINKED, effects)
            return
        if order.level is not None:
            effects.add_level(market, order.is_buy, worst_price(order))
            side = market.book.side_of(order)
            side.reshape(order, order.leaves - units, order.terms, effects.undo)
        else:
            effects.undo.append((setattr, (order, "leaves", order.leaves)))
            order.leaves -= units
        self.set_quantity(order, order.quantity - units, effects)
        self.rehold(order, market, effects)
        self.tell_amended(order, market, effects, keeps_place=True)

    def set_quantity(self, order: BookOrder, quantity: int, effects: Effects) -> None:
        effects.undo.append((setattr, (order, "quantity", order.quantity)))
        order.quantity = quantity
        effects.amend(order)

    def tell_amended(
        self, order: BookOrder, market: Market, effects: Effects, *, keeps_place: bool
    ) -> int:
        """Events tell what the book holds now, so that a replay needs no rule."""
        display = None if order.terms is None else order.terms.display_units
        return effects.add_event(
            market, "amended", order.id, order.price, order.leaves, display, keeps_place
        )

    def group_hold(self, order: BookOrder) -> int:
        """What is held for an order, or for the pair it belongs to."""
        if order.terms is None or order.terms.link_id is None:
            return order.held
        return sum(leg.held for leg in self.legs.get(order.terms.link_id, ()))


def age(order: BookOrder) -> tuple[int, int]:
    """To take orders up the oldest first.

    Not in the order of a dict: that is another one after a restart, or once a batch was undone.
    """
    return order.listing_id, order.priority


def _restore_hold(order: BookOrder, held: int) -> None:
    order.held = held


def _restore_status(order: BookOrder, status: str, reason: str) -> None:
    order.status, order.reason = status, reason
