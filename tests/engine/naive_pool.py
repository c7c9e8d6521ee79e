"""The obvious pool of one listing: every order in one dict, every sum counted anew.

The oracle for orders' lives. Written for reading: nothing is indexed, no hold is kept
(it is worked out from the orders that need it), and undoing is a copy made before.
Matching itself is `trading.engine.naive.NaiveBook`, the obvious book.
"""

import copy
from dataclasses import dataclass
from uuid import UUID

from tests.engine.naive_judging import Life, NaiveState, Refused
from trading.commands import AmendOrder, PlaceOrder, PlacePair, ReplaceOrder
from trading.engine.matching import Incoming
from trading.engine.naive import NaiveFill, NaiveOrder, Outcome


@dataclass
class NaivePool(NaiveState):
    """Commands, and what follows from them by itself."""

    # Placing.

    def place(self, command: PlaceOrder) -> Life:
        order = self.judge(command, freed=0)
        self.accept(order)
        self.fire_if_met(order)
        self.consequences()
        return order

    def place_pair(self, command: PlacePair) -> tuple[Life, Life]:
        pair = [self.judge(each, freed=0) for each in (command.first, command.second)]
        quantity = min(order.quantity or 0 for order in pair)
        for order in pair:
            order.quantity, order.link = quantity, command.id
        if self.available(pair[0]) < self.pair_need(pair):
            raise Refused("insufficient_funds")
        for order in sorted(pair, key=lambda each: each.status != "untriggered"):
            self.accept(order)
        for order in pair:
            self.fire_if_met(order)
        self.consequences()
        return pair[0], pair[1]

    def replace(self, command: ReplaceOrder) -> Life:
        old = self.orders[command.order_id]
        order = self.judge(command.order, freed=self.hold_of(old))
        self.end(old, "canceled", "replaced")
        self.accept(order)
        self.fire_if_met(order)
        self.consequences()
        return order

    def accept(self, order: Life) -> None:
        self.orders[order.id] = order
        if order.status == "untriggered":
            assert order.quantity is not None
            order.leaves = order.quantity
            order.arrival = self.book._next_arrival()
        else:
            self.come_in(order)

    # Coming in: new, triggered, or amended.

    def come_in(self, order: Life) -> None:
        """Match what can be matched now; the rest waits in the book, or ends."""
        if order.time_in_force == "fok" and not self.can_fill_whole(order):
            self.end(order, "expired", "fok_not_filled")
            return
        wanted = None if order.quantity is None else order.quantity - order.filled
        incoming, outcome = self.incoming(order), Outcome()
        if incoming is not None:
            outcome = self.book.take(incoming, order.fee_millionths)
        self.give_way(order, outcome)
        for fill in outcome.fills:
            self.settle(order, fill)
        if order.quantity is not None:
            order.leaves = order.quantity - order.filled
        if wanted is not None and outcome.filled and not order.leaves:
            self.end(order, "filled", "")
        elif outcome.stopped:
            self.end(order, "canceled", "self_trade")
        elif self.is_spent(order, incoming, outcome):
            self.end(order, "filled", "")
        elif order.price is None:
            self.end(order, "expired", "protection_price" if outcome.fills else "no_liquidity")
        elif order.time_in_force in ("ioc", "fok"):
            self.end(order, "expired", "ioc_rest")
        else:
            self.rest(order)
        if outcome.fills:
            self.after_fill(order, outcome.filled)

    def can_fill_whole(self, order: Life) -> bool:
        incoming, trial = self.incoming(order), self.would_be(order)
        if order.quantity is None:
            return self.is_spent(order, incoming, trial)
        return trial.filled == order.quantity - order.filled

    def is_spent(self, order: Life, incoming: Incoming | None, outcome: Outcome) -> bool:
        """Whether an order by cash has no cash left for another lot."""
        if order.quantity is not None or incoming is None or not outcome.fills:
            return False
        return not outcome.stopped and not outcome.left(incoming, outcome.fills[-1].price)

    def give_way(self, order: Life, outcome: Outcome) -> None:
        """Own orders that were met: gone from the book by now, or smaller."""
        for id, units in outcome.own:
            own = self.orders[id]
            if not own.lives:
                continue
            if units == own.leaves:
                self.end(own, "canceled", "self_trade")
            else:
                self.lessen(own, units)
        if order.quantity is not None:
            order.quantity -= outcome.decremented

    def settle(self, taker: Life, fill: NaiveFill) -> None:
        maker = self.orders[fill.maker_id]
        for order, fee in ((taker, fill.taker_fee), (maker, fill.maker_fee)):
            sign = 1 if order.is_buy else -1
            self.posted[order.investor, False] += sign * fill.quantity
            self.posted[order.investor, True] -= sign * fill.cash + fee
            order.filled += fill.quantity
            order.filled_cash += fill.cash
            order.fee += fee
            rate = self.taker_e6 if order is taker else self.maker_e6
            order.fee_millionths += fill.cash * rate
            self.fees += fee
        maker.leaves -= fill.quantity
        self.last = fill.price
        self._trades.append(fill.price)
        if not maker.leaves:
            self.end(maker, "filled", "")
        self.after_fill(maker, fill.quantity)

    def after_fill(self, order: Life, units: int) -> None:
        if order.lives:
            for other in self.others(order):
                self.lessen(other, units)
        if order.take_profit is not None or order.stop_loss is not None:
            self._to_close.append((order, units))

    def lessen(self, order: Life, units: int) -> None:
        """Take units off without a trade."""
        if units >= order.leaves:
            self.end(order, "canceled", "linked")
            return
        assert order.quantity is not None
        order.quantity -= units
        order.leaves -= units
        for node in self.book.orders:
            if node.id == order.id:
                node.leaves = order.leaves

    def rest(self, order: Life) -> None:
        assert order.price is not None
        order.status = "open"
        node = NaiveOrder(
            order.id,
            UUID(int=order.investor),
            order.is_buy,
            order.price,
            order.leaves,
            order.display,
            order.filled,
            self.maker_e6,
            order.fee_millionths,
        )
        self.book.rest(node)

    def end(self, order: Life, status: str, reason: str) -> None:
        """However an order ends, the one that stands for it ends too."""
        others = self.others(order)
        order.status, order.reason = status, reason
        self.book.orders = [node for node in self.book.orders if node.id != order.id]
        if order in self.fired:
            self.fired.remove(order)
        for other in others:
            self.end(other, "canceled", "linked")

    # What follows by itself.

    def consequences(self) -> None:
        self.pass_on()
        while self.fired:
            self.trigger(self.fired.pop(0))
            self.pass_on()

    def pass_on(self) -> None:
        """Fills to the orders that close them, prices to those that wait."""
        filled: dict[UUID, int] = {}
        for order, units in self._to_close:
            filled[order.id] = filled.get(order.id, 0) + units
        self._to_close = []
        for id, units in filled.items():
            self.close(self.orders[id], units)
        if self._trades:
            prices = [self._trades[0], self._trades[-1]]
            self._trades = []
            for price in prices:
                self.look("last", price)

    def look(self, source: str, price: int) -> None:
        """Let those that watch this price follow it, and fire those that it meets."""
        watching = [order for order in self.waiting() if order.watches == source]
        for order in watching:
            if order.is_trailing:
                assert order.trigger is not None
                nearer = min if order.is_buy else max
                order.trigger = nearer(order.trigger, self.behind(order, price))
        for order in watching:
            if order.is_met_by(price):
                self.fire(order)

    def fire(self, order: Life) -> None:
        order.is_fired = True
        self.fired.append(order)

    def fire_if_met(self, order: Life) -> None:
        price = self.last if order.watches == "last" else self.reference
        waits = order.status == "untriggered" and not order.is_fired
        if waits and price is not None and order.is_met_by(price):
            self.fire(order)

    def trigger(self, order: Life) -> None:
        """It stands alone now, and comes in as the order that it was to become."""
        others, order.status = self.others(order), "triggered"
        for other in others:
            self.end(other, "canceled", "linked")
        order.status = "open"
        held, order.leaves = order.leaves, 0  # it holds nothing while it is judged
        if order.offset is not None:
            assert order.trigger is not None
            order.price, order.cap = max(order.trigger + order.offset, self.least), None
        elif order.price is None:
            limit = self.protection(order.is_buy)
            is_capped = order.is_buy and limit is not None
            order.cap = min(limit or 0, order.cap or 0) if is_capped else limit
        try:
            self.check_funds(order, 0)
        except Refused as refused:
            self.end(order, "canceled", str(refused))
            return
        order.leaves = held
        self.come_in(order)

    def close(self, entry: Life, units: int) -> None:
        """Orders on the other side for what was filled: those that wait grow, else new ones."""
        waiting = [order for order in self.waiting() if order.parent == entry.id]
        if waiting and self.can_hold(waiting, units):
            for order in waiting:
                assert order.quantity is not None
                order.quantity += units
                order.leaves += units
            return
        link = UUID(int=len(self.children) + 1) if entry.take_profit and entry.stop_loss else None
        made = []
        for kind, price in (("take_profit", entry.take_profit), ("stop_loss", entry.stop_loss)):
            if price is not None:
                id = UUID(int=10_000 + len(self.children))
                order = Life(id, entry.investor, not entry.is_buy, kind, quantity=units)
                order.watches, order.trigger, order.status = "last", price, "untriggered"
                order.link, order.parent = link, entry.id
                self.set_cap(order)
                self.children.append(order)
                made.append(order)
        if self.available(made[0]) < self.need_of(made):
            for order in made:
                order.status, order.reason = "refused", "insufficient_funds"
            return
        for order in made:
            self.accept(order)
        for order in made:
            self.fire_if_met(order)

    def can_hold(self, waiting: list[Life], more: int) -> bool:
        available = self.available(waiting[0]) + self.group_hold(waiting[0])
        return available >= self.need_of(waiting, more)

    def need_of(self, orders: list[Life], more: int = 0) -> int:
        if len(orders) > 1:
            return self.pair_need(orders, more)
        rate = max(self.maker_e6, self.taker_e6)
        return self.need(orders[0], (orders[0].quantity or 0) - orders[0].filled + more, rate)

    def set_reference(self, price: int) -> None:
        self.reference = price
        self.look("index", price)
        self.consequences()

    # Time.

    def advance(self, now: float) -> None:
        """All that is due by now, the earliest first."""
        self.now = now
        due: list[tuple[float, int, int]] = [
            (order.expires_at, order.id.int, 0)
            for order in self.live()
            if order.expires_at is not None and order.expires_at <= now
        ]
        due += [(moment, 0, who) for who, moment in self.dead_men.items() if moment <= now]
        for _, order_id, investor in sorted(due):
            if order_id:
                order = self.orders[UUID(int=order_id)]
                if order.lives:
                    kind = "day" if order.time_in_force == "day" else "gtd"
                    self.end(order, "expired", f"expired_{kind}")
            else:
                del self.dead_men[investor]
                self.cancel_all(investor, "dead_man")
        self.consequences()

    # Changing and canceling.

    def cancel(self, id: UUID) -> None:
        self.end(self.orders[id], "canceled", "requested")

    def cancel_all(self, investor: int, reason: str = "requested") -> int:
        own = [order for order in self.live() if order.investor == investor]
        for order in own:
            self.end(order, "canceled", reason)
        return len(own)

    def amend(self, command: AmendOrder) -> Life:
        """The order as it would be is judged first; only then does it change."""
        assert command.order_id is not None
        order = self.orders[command.order_id]
        before, changed = order, copy.copy(order)
        self.write(changed, command)
        self.size(changed)
        if order.status == "open" and self.only_shrinks(before, changed):
            node = self.book.find(order.id)
            node.leaves, node.display = changed.leaves, changed.display
            self.take_over(order, changed)
            return order
        self.check_funds(changed, self.group_hold(order))
        self.take_over(order, changed)
        if order.status == "untriggered":
            self.fire_if_met(order)
        else:
            self.book.cancel(order.id)
            order.leaves = 0
            self.come_in(order)
        self.consequences()
        return order

    def write(self, order: Life, command: AmendOrder) -> None:
        if command.price_units is not None:
            if order.price is None:
                raise Refused("malformed_order")
            order.price = command.price_units
        if command.trigger_price_units is not None:
            if order.status != "untriggered" or order.is_trailing:
                raise Refused("malformed_order")
            order.trigger = command.trigger_price_units
        if command.post_only is not None:
            if order.type != "limit":
                raise Refused("malformed_order")
            order.post_only = command.post_only
        if command.quantity_units is not None:
            if order.link is not None or command.quantity_units <= order.filled:
                raise Refused("malformed_order")
            order.quantity = command.quantity_units
            order.leaves = order.quantity - order.filled
        if command.display_units is not None:
            if order.display is None:
                raise Refused("malformed_order")
            order.display = command.display_units
        if order.display is not None:
            order.display = min(order.display, order.quantity or 0)
            self.check_slices(order)
        if order.status == "untriggered":
            self.set_cap(order)

    def only_shrinks(self, old: Life, new: Life) -> bool:
        """Whether it keeps its place: not another price, not more of anything."""
        is_less = (new.quantity or 0) <= (old.quantity or 0)
        is_less = is_less and new.shown <= old.shown
        return is_less and new.price == old.price and new.post_only == old.post_only

    def take_over(self, order: Life, changed: Life) -> None:
        for name in ("price", "cap", "trigger", "post_only", "quantity", "leaves", "display"):
            setattr(order, name, getattr(changed, name))
