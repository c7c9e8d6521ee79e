"""Orders of one listing that wait for a price: which of them does a price fire?

Those that fire when a price has risen to their trigger and those that fire when it has
fallen to it stand in two sorted lists for each watched price, nearest first. Trailing
stops, few by rule, are looked at one by one, because their triggers move.
"""

from bisect import bisect_left, insort

from trading.engine.book import BookOrder, UndoLog
from trading.engine.fees import MILLION
from trading.engine.terms import Terms

Key = tuple[int, int]  # (trigger, or minus it where a fall fires; priority)


def terms_of(order: BookOrder) -> Terms:
    """The terms of an order that has some."""
    assert order.terms is not None
    return order.terms


def fires_on_rise(order: BookOrder) -> bool:
    """A stop loss fires on a worse price, a take profit on a better one."""
    return order.is_buy != order.type.startswith("take_profit")


def is_trailing(order: BookOrder) -> bool:
    return order.terms is not None and (
        order.terms.trail_units is not None or order.terms.trail_e6 is not None
    )


def trigger_behind(order: BookOrder, best: int, tick: int) -> int:
    """Where a trailing stop's trigger stands when the best price since was `best`.

    On the tick, rounded away from the price; at least one tick.
    """
    terms = terms_of(order)
    distance = terms.trail_units
    if distance is None:
        assert terms.trail_e6 is not None
        distance = best * terms.trail_e6 // MILLION
    trigger = best + distance if order.is_buy else best - distance
    rest = trigger % tick
    if rest:
        trigger += tick - rest if order.is_buy else -rest
    return max(trigger, tick)


class Conditions:
    """The untriggered orders of one listing."""

    __slots__ = ("_falling", "_orders", "_rising", "trailing")

    def __init__(self) -> None:
        self._rising: dict[str, list[Key]] = {"last": [], "index": []}
        self._falling: dict[str, list[Key]] = {"last": [], "index": []}
        self._orders: dict[int, BookOrder] = {}  # by priority, unique in a listing
        self.trailing: dict[int, BookOrder] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def orders(self) -> list[BookOrder]:
        return list(self._orders.values())

    def add(self, order: BookOrder) -> None:
        if is_trailing(order):
            self.trailing[order.priority] = order
        else:
            keys, key = self._place(order)
            insort(keys, key)
        self._orders[order.priority] = order

    def remove(self, order: BookOrder) -> None:
        del self._orders[order.priority]
        if is_trailing(order):
            del self.trailing[order.priority]
        else:
            keys, key = self._place(order)
            del keys[bisect_left(keys, key)]

    def _place(self, order: BookOrder) -> tuple[list[Key], Key]:
        terms = terms_of(order)
        assert terms.trigger_price is not None
        source = terms.trigger_by or "last"
        if fires_on_rise(order):
            return self._rising[source], (terms.trigger_price, order.priority)
        return self._falling[source], (-terms.trigger_price, order.priority)

    def follow(self, source: str, price: int, tick: int, undo: UndoLog) -> list[BookOrder]:
        """Move trailing triggers after a better price; return those that moved."""
        moved = []
        for order in self.trailing.values():
            terms = terms_of(order)
            if (terms.trigger_by or "last") != source:
                continue
            assert terms.trigger_price is not None
            trigger = trigger_behind(order, price, tick)
            if trigger < terms.trigger_price if order.is_buy else trigger > terms.trigger_price:
                undo.append((setattr, (terms, "trigger_price", terms.trigger_price)))
                terms.trigger_price = trigger
                moved.append(order)
        return moved

    def fired_by(self, source: str, price: int) -> list[BookOrder]:
        """Those whose trigger this price meets, the oldest first. Changes nothing."""
        found = [key[1] for key in _up_to(self._rising[source], price)]
        found += [key[1] for key in _up_to(self._falling[source], -price)]
        for priority, order in self.trailing.items():
            terms = terms_of(order)
            assert terms.trigger_price is not None
            if (terms.trigger_by or "last") == source and is_met(order, price):
                found.append(priority)
        return [self._orders[priority] for priority in sorted(found)]


def _up_to(keys: list[Key], price: int) -> list[Key]:
    return keys[: bisect_left(keys, (price + 1, 0))]


def is_met(order: BookOrder, price: int) -> bool:
    """Whether this price meets the order's trigger."""
    terms = terms_of(order)
    assert terms.trigger_price is not None
    return price >= terms.trigger_price if fires_on_rise(order) else price <= terms.trigger_price
