"""The obvious book: a list, sorted anew for every question. The oracle of tests.

Same rules as book.py and matching.py, written for reading, not for speed, and
sharing none of their data structures.
"""

from dataclasses import dataclass
from uuid import UUID

from trading.engine.fees import TOKEN, fee_of_fill, quantity_for
from trading.engine.matching import Incoming


@dataclass
class NaiveOrder:
    """A resting order."""

    id: UUID
    owner_group: UUID
    is_buy: bool
    price: int
    leaves: int
    arrival: int


@dataclass(frozen=True)
class NaiveFill:
    maker_id: UUID
    price: int
    quantity: int
    cash: int
    taker_fee: int


class NaiveBook:
    """Every order in one list."""

    def __init__(self) -> None:
        self.orders: list[NaiveOrder] = []
        self._arrivals = 0

    def rest(self, id: UUID, owner_group: UUID, is_buy: bool, price: int, leaves: int) -> None:
        self._arrivals += 1
        self.orders.append(NaiveOrder(id, owner_group, is_buy, price, leaves, self._arrivals))

    def cancel(self, id: UUID) -> None:
        self.orders = [order for order in self.orders if order.id != id]

    def take(self, incoming: Incoming) -> tuple[list[NaiveFill], bool]:
        """Fill what can be filled; the second value says whether it met its own order."""
        fills: list[NaiveFill] = []
        millionths = 0
        while True:
            best = self._best_for(incoming)
            units = self._units(incoming, best, fills) if best else 0
            if best is None or units <= 0:
                return fills, False
            if best.owner_group == incoming.owner_group:
                return fills, True
            cash = best.price * units // TOKEN
            millionths, fee = fee_of_fill(millionths, cash, incoming.rate_e6)
            fills.append(NaiveFill(best.id, best.price, units, cash, fee))
            best.leaves -= units
            self.orders = [order for order in self.orders if order.leaves > 0]

    def _best_for(self, incoming: Incoming) -> NaiveOrder | None:
        crossing = [
            order
            for order in self.orders
            if order.is_buy != incoming.is_buy
            and (
                order.price <= incoming.limit if incoming.is_buy else order.price >= incoming.limit
            )
        ]
        sign = 1 if incoming.is_buy else -1
        return min(crossing, key=lambda order: (sign * order.price, order.arrival), default=None)

    def _units(self, incoming: Incoming, best: NaiveOrder, fills: list[NaiveFill]) -> int:
        if incoming.quantity is not None:
            wanted = incoming.quantity - sum(fill.quantity for fill in fills)
        else:
            assert incoming.cash is not None
            rate = incoming.rate_e6 if incoming.is_buy else 0
            spent = sum(fill.cash + (fill.taker_fee if incoming.is_buy else 0) for fill in fills)
            wanted = quantity_for(incoming.cash - spent, best.price, rate, incoming.lot)
        return min(wanted, best.leaves)

    def levels(self, is_buy: bool) -> list[tuple[int, list[UUID], int]]:
        """(price, ids in priority order, total) from the best price on."""
        side = [order for order in self.orders if order.is_buy == is_buy]
        found = []
        for price in sorted({order.price for order in side}, reverse=is_buy):
            queue = sorted(
                (order for order in side if order.price == price), key=lambda order: order.arrival
            )
            found.append((price, [order.id for order in queue], sum(o.leaves for o in queue)))
        return found
