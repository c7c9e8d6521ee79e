"""The obvious book: a list, sorted anew for every question. The oracle of tests.

Same rules as book.py, matching.py and auction.py, written for reading, not for
speed, and sharing none of their data structures or steps: it fills slice by
slice, and tries an auction at every price there is.
"""

import copy
from dataclasses import dataclass, field
from uuid import UUID

from trading.engine.fees import TOKEN, buy_hold, fee_of_fill, quantity_for
from trading.engine.matching import Incoming


@dataclass
class NaiveOrder:
    """A resting order."""

    id: UUID
    owner_group: UUID
    is_buy: bool
    price: int
    leaves: int
    display: int | None = None  # iceberg
    filled: int = 0
    rate_e6: int = 0
    fee_millionths: int = 0
    arrival: int = 0  # its place in its queue

    @property
    def shown(self) -> int:
        if self.display is None:
            return self.leaves
        return min(self.leaves, self.display - self.filled % self.display)

    def fill(self, units: int, cash: int) -> int:
        """Take a fill and return its fee."""
        self.leaves -= units
        self.filled += units
        self.fee_millionths, fee = fee_of_fill(self.fee_millionths, cash, self.rate_e6)
        return fee


@dataclass(frozen=True)
class NaiveFill:
    maker_id: UUID
    price: int
    quantity: int
    cash: int
    maker_fee: int
    taker_fee: int


@dataclass
class Outcome:
    """What an incoming order did, and what self-trade prevention did to whom."""

    fills: list[NaiveFill] = field(default_factory=list)
    own: list[tuple[UUID, int]] = field(default_factory=list)
    stopped: bool = False
    decremented: int = 0
    decremented_cash: int = 0

    @property
    def filled(self) -> int:
        return sum(fill.quantity for fill in self.fills)

    def left(self, incoming: Incoming, price: int) -> int:
        """The units that the incoming order still wants at this price."""
        if incoming.quantity is not None:
            return incoming.quantity - self.filled - self.decremented
        assert incoming.cash is not None
        spent = self.decremented_cash + sum(fill.cash for fill in self.fills)
        if incoming.is_buy:
            spent += sum(fill.taker_fee for fill in self.fills)
        rate = incoming.rate_e6 if incoming.is_buy else 0
        return quantity_for(incoming.cash - spent, price, rate, incoming.lot)


class NaiveBook:
    """Every order in one list."""

    def __init__(self) -> None:
        self.orders: list[NaiveOrder] = []
        self._arrivals = 0

    def rest(self, order: NaiveOrder) -> None:
        """Put an order, new or amended, at the back of its queue."""
        order.arrival = self._next_arrival()
        self.orders.append(order)

    def _next_arrival(self) -> int:
        self._arrivals += 1
        return self._arrivals

    def find(self, id: UUID) -> NaiveOrder:
        (order,) = (order for order in self.orders if order.id == id)
        return order

    def cancel(self, id: UUID) -> NaiveOrder:
        order = self.find(id)
        self.orders.remove(order)
        return order

    def would_meet(self, incoming: Incoming) -> bool:
        """Whether it would fill something or meet an own order: what post-only refuses."""
        best = self._best_for(incoming)
        return best is not None and Outcome().left(incoming, best.price) > 0

    def fill_or_kill(self, incoming: Incoming, fee_millionths: int = 0) -> Outcome:
        """Fill the whole quantity, or change nothing."""
        before = copy.deepcopy(self.orders)
        outcome = self.take(incoming, fee_millionths)
        if outcome.filled != incoming.quantity:
            self.orders = before
            return Outcome()
        return outcome

    def take(self, incoming: Incoming, fee_millionths: int = 0) -> Outcome:
        """Fill what can be filled; an amended order has paid `fee_millionths` before."""
        outcome = Outcome()
        while not outcome.stopped:
            best = self._best_for(incoming)
            wanted = outcome.left(incoming, best.price) if best else 0
            if best is None or wanted <= 0:
                break
            if best.owner_group == incoming.owner_group:
                self._prevent(best, wanted, incoming, outcome)
                continue
            slice = best.shown
            units = min(wanted, slice)
            cash = best.price * units // TOKEN
            fee_millionths, fee = fee_of_fill(fee_millionths, cash, incoming.rate_e6)
            maker_fee = best.fill(units, cash)
            outcome.fills.append(NaiveFill(best.id, best.price, units, cash, maker_fee, fee))
            if not best.leaves:
                self.orders.remove(best)
            elif units == slice:
                best.arrival = self._next_arrival()
        return outcome

    def _prevent(self, own: NaiveOrder, wanted: int, incoming: Incoming, outcome: Outcome) -> None:
        if incoming.prevention == "cancel_newest":
            outcome.stopped = True
            return
        units = own.leaves
        if incoming.prevention == "decrement":
            units = min(own.leaves, wanted)
            rate = incoming.rate_e6 if incoming.is_buy else 0
            outcome.decremented += units
            outcome.decremented_cash += buy_hold(own.price, units, 0, rate)
            outcome.stopped = units == wanted
        if incoming.prevention == "cancel_both":
            outcome.stopped = True
        outcome.own.append((own.id, units))
        own.leaves -= units
        if not own.leaves:
            self.orders.remove(own)

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

    def levels(self, is_buy: bool) -> list[tuple[int, list[UUID], int]]:
        """(price, ids in priority order, what they show) from the best price on."""
        side = [order for order in self.orders if order.is_buy == is_buy]
        found = []
        for price in sorted({order.price for order in side}, reverse=is_buy):
            queue = sorted(
                (order for order in side if order.price == price), key=lambda order: order.arrival
            )
            found.append((price, [order.id for order in queue], sum(o.shown for o in queue)))
        return found

    # The call auction.

    def auction_price(self, prices: range, reference: int | None) -> tuple[int, int, int] | None:
        """(price, executable, surplus of bids): the best of all these prices, tried one by one."""
        found = []
        for price in prices:
            demand = sum(o.leaves for o in self.orders if o.is_buy and o.price >= price)
            supply = sum(o.leaves for o in self.orders if not o.is_buy and o.price <= price)
            found.append((price, min(demand, supply), demand - supply))
        most = max(quantity for _, quantity, _ in found)
        if not most:
            return None
        found = [row for row in found if row[1] == most]
        least = min(abs(row[2]) for row in found)
        found = [row for row in found if abs(row[2]) == least]
        wanted = (found[0][0] + found[-1][0]) // 2 if reference is None else reference
        return min(found, key=lambda row: (abs(row[0] - wanted), row[0]))

    def uncross(
        self, prices: range, reference: int | None
    ) -> tuple[int | None, list[tuple[UUID, UUID, int]], list[UUID]]:
        """(price, (bid, ask, units) one after the other, who was canceled); all is carried out."""
        canceled: list[UUID] = []
        while True:
            best = self.auction_price(prices, reference)
            if best is None:
                return None, [], canceled
            trial = copy.deepcopy(self)
            fills, meeting = trial._uncross_at(best[0])
            if not meeting:
                self.orders, self._arrivals = trial.orders, trial._arrivals
                return best[0], fills, canceled
            canceled += meeting
            self.orders = [order for order in self.orders if order.id not in meeting]

    def _uncross_at(self, price: int) -> tuple[list[tuple[UUID, UUID, int]], list[UUID]]:
        fills: list[tuple[UUID, UUID, int]] = []
        meeting: list[UUID] = []
        willing = [
            order
            for order in self.orders
            if (order.price >= price if order.is_buy else order.price <= price)
        ]
        age = {order.id: order.arrival for order in willing}
        bids = sorted((o for o in willing if o.is_buy), key=lambda o: (-o.price, o.arrival))
        asks = sorted((o for o in willing if not o.is_buy), key=lambda o: (o.price, o.arrival))
        while bids and asks:
            bid, ask = bids[0], asks[0]
            if bid.owner_group == ask.owner_group:
                newer = max(bid, ask, key=lambda order: age[order.id])
                meeting.append(newer.id)
                (bids if newer is bid else asks).remove(newer)
                continue
            units = min(bid.leaves, ask.leaves)
            for order, queue in ((bid, bids), (ask, asks)):
                slice = order.shown
                order.fill(units, price * units // TOKEN)
                if not order.leaves:
                    queue.remove(order)
                    self.orders.remove(order)
                elif units >= slice:
                    order.arrival = self._next_arrival()
            fills.append((bid.id, ask.id, units))
        return fills, meeting
