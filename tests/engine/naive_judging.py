"""What the obvious pool knows, and how it judges an order. See naive_pool.py."""

import copy
from dataclasses import dataclass, field
from uuid import UUID

from trading.commands import PlaceOrder
from trading.engine.fees import MILLION, TOKEN, buy_hold, cash_floor, quantity_for
from trading.engine.matching import Incoming
from trading.engine.naive import NaiveBook, Outcome

LIVE = ("open", "untriggered")


class Refused(Exception):
    """The command is refused, with this code."""


@dataclass
class Life:
    """An order from its beginning to its end."""

    id: UUID
    investor: int
    is_buy: bool
    type: str
    time_in_force: str = "gtc"
    post_only: bool = False
    price: int | None = None
    cap: int | None = None  # how far a market order, or a triggered buy, may run
    quantity: int | None = None
    cash: int | None = None
    display: int | None = None
    prevention: str = "cancel_newest"
    reduce_only: bool = False
    watches: str | None = None
    trigger: int | None = None
    trail: int | None = None
    trail_e6: int | None = None
    offset: int | None = None
    link: UUID | None = None
    parent: UUID | None = None
    take_profit: int | None = None
    stop_loss: int | None = None
    expires_at: float | None = None
    filled: int = 0
    filled_cash: int = 0
    fee: int = 0
    fee_millionths: int = 0
    leaves: int = 0
    status: str = "open"
    reason: str = ""
    arrival: int = 0
    is_fired: bool = False

    @property
    def lives(self) -> bool:
        return self.status in LIVE

    @property
    def is_trailing(self) -> bool:
        return self.trail is not None or self.trail_e6 is not None

    @property
    def fires_on_rise(self) -> bool:
        return self.is_buy != self.type.startswith("take_profit")

    def is_met_by(self, price: int) -> bool:
        assert self.trigger is not None
        return price >= self.trigger if self.fires_on_rise else price <= self.trigger

    @property
    def shown(self) -> int:
        if self.display is None:
            return self.leaves
        return min(self.leaves, self.display - self.filled % self.display)

    @property
    def worst(self) -> int:
        price = self.price if self.price is not None else self.cap
        assert price is not None
        return price


@dataclass
class NaiveState:
    """`posted` is what there is, by (investor, is it cash)."""

    posted: dict[tuple[int, bool], int]
    tick: int
    lot: int
    min_cash: int
    maker_e6: int
    taker_e6: int
    protection_e6: int
    now: float = 0.0
    day: float = 100.0  # how long a trading day is; the first one began at 0
    last: int | None = None
    reference: int | None = None
    fees: int = 0
    book: NaiveBook = field(default_factory=NaiveBook)
    orders: dict[UUID, Life] = field(default_factory=dict)  # every one there ever was
    children: list[Life] = field(default_factory=list)  # those the pool made itself, refused too
    fired: list[Life] = field(default_factory=list)
    dead_men: dict[int, float] = field(default_factory=dict)
    _trades: list[int] = field(default_factory=list)  # prices since the last look
    _to_close: list[tuple[Life, int]] = field(default_factory=list)

    @property
    def least(self) -> int:
        """The lowest price at which a lot is worth something."""
        return -self.on_tick(-TOKEN // self.lot)

    # What is there, and what is held.

    def live(self) -> list[Life]:
        return [order for order in self.orders.values() if order.lives]

    def waiting(self) -> list[Life]:
        """Those that wait for a price, the oldest first."""
        found = [o for o in self.live() if o.status == "untriggered" and not o.is_fired]
        return sorted(found, key=lambda order: order.arrival)

    def need(self, order: Life, leaves: int, rate_e6: int) -> int:
        if not order.is_buy or not leaves:
            return leaves
        return buy_hold(order.worst, leaves, order.fee_millionths, rate_e6)

    def hold_of(self, order: Life) -> int:
        rate = self.maker_e6
        if order.status == "untriggered":
            rate = max(self.maker_e6, self.taker_e6)
        return self.need(order, order.leaves, rate)

    def legs(self, order: Life) -> list[Life]:
        return [o for o in self.live() if o is order or (o.link and o.link == order.link)]

    def others(self, order: Life) -> list[Life]:
        return [leg for leg in self.legs(order) if leg is not order]

    def held(self, investor: int, is_cash: bool) -> int:
        """A pair's need once, every other order's need by itself."""
        groups: dict[UUID, list[Life]] = {}
        for order in self.live():
            if order.investor == investor and order.is_buy == is_cash:
                groups.setdefault(order.link or order.id, []).append(order)
        return sum(map(self.hold_of_legs, groups.values()))

    def hold_of_legs(self, legs: list[Life]) -> int:
        return self.hold_of(legs[0]) if len(legs) == 1 else self.pair_need(legs)

    def pair_need(self, legs: list[Life], more: int = 0) -> int:
        """The worst of both: any of them may come first, and rounds up a fee of its own."""
        left = max((leg.quantity or 0) - leg.filled for leg in legs) + more
        if not legs[0].is_buy:
            return left
        rate, paid = max(self.maker_e6, self.taker_e6), max(leg.fee_millionths for leg in legs)
        return buy_hold(max(leg.worst for leg in legs), left, paid, rate) + 1

    def available(self, order: Life) -> int:
        key = (order.investor, order.is_buy)
        return self.posted[key] - self.held(*key)

    def group_hold(self, order: Life) -> int:
        return self.hold_of_legs(self.legs(order))

    # Judging: nothing changes.

    def judge(self, command: PlaceOrder, *, freed: int) -> Life:
        """The order as it would come in; what it needs must be available, or `freed`."""
        order = self.order_for(command)
        self.check_slices(order)
        if order.reduce_only:
            units = self.available(order) + freed
            order.quantity = min(order.quantity or 0, units - units % self.lot)
            if order.quantity <= 0:
                raise Refused("nothing_to_reduce")
            order.display = min(order.display, order.quantity) if order.display else None
        if order.status == "untriggered":
            self.set_trigger(order)
        self.size(order)
        self.check_funds(order, freed)
        return order

    def check_slices(self, order: Life) -> None:
        if order.display and (order.quantity or 0) > 20 * order.display:
            raise Refused("malformed_order")

    def order_for(self, command: PlaceOrder) -> Life:
        is_waiting = command.type not in ("limit", "market")
        order = Life(
            command.id,
            command.investor_id,
            command.side == "buy",
            command.type,
            command.time_in_force,
            command.post_only,
            command.price_units,
            None,
            command.quantity_units,
            command.cash_units,
            command.display_units,
            command.self_trade_prevention,
            command.reduce_only,
            (command.trigger_by or "last") if is_waiting else None,
            command.trigger_price_units,
            command.trail_units,
            command.trail_e6,
            command.limit_offset_units,
            take_profit=command.close_take_profit_units,
            stop_loss=command.close_stop_loss_units,
            expires_at=command.expires_at,
            status="untriggered" if is_waiting else "open",
        )
        if order.time_in_force == "day":
            order.expires_at = (self.now // self.day + 1) * self.day
        if order.type == "market":
            order.cap = self.protection(order.is_buy)
        return order

    def protection(self, is_buy: bool) -> int | None:
        """A share of the best price on the other side, on the tick."""
        best = self.best(not is_buy)
        if best is None:
            return None
        if is_buy:
            return self.on_tick(best * (MILLION + self.protection_e6) // MILLION)
        limit = -(-best * (MILLION - self.protection_e6) // MILLION)
        return limit + -limit % self.tick

    def on_tick(self, price: int) -> int:
        return price - price % self.tick

    def best(self, is_bids: bool) -> int | None:
        levels = self.book.levels(is_bids)
        return levels[0][0] if levels else None

    def set_trigger(self, order: Life) -> None:
        if order.is_trailing:
            price = self.last if order.watches == "last" else self.reference
            price = self.reference if price is None else price
            if price is None:
                raise Refused("reference_missing")
            order.trigger = self.behind(order, price)
        self.set_cap(order)

    def behind(self, order: Life, price: int) -> int:
        """Where a trailing stop's trigger stands behind a price."""
        distance = order.trail
        if distance is None:
            distance = price * (order.trail_e6 or 0) // MILLION
        if order.is_buy:
            return -self.on_tick(-price - distance)
        return max(self.on_tick(price - distance), self.tick)

    def set_cap(self, order: Life) -> None:
        assert order.trigger is not None
        if order.is_buy and order.price is None:
            if order.offset is not None:
                order.cap = max(order.trigger + order.offset, self.least)
            else:
                order.cap = self.on_tick(order.trigger * (MILLION + self.protection_e6) // MILLION)

    def size(self, order: Life) -> None:
        if order.status == "untriggered":
            price = order.price or order.trigger
        else:
            price = order.price or self.best(not order.is_buy)
        if order.price is not None and order.quantity is None:
            assert order.cash is not None
            rate = max(self.maker_e6, self.taker_e6) if order.is_buy else 0
            order.quantity = quantity_for(order.cash, order.price, rate, self.lot)
            if not order.quantity:
                raise Refused("order_too_small")
        elif (
            price is not None
            and order.quantity is not None
            and cash_floor(price, order.quantity) < self.min_cash
        ):
            raise Refused("order_too_small")

    def check_funds(self, order: Life, freed: int) -> None:
        left = None if order.quantity is None else order.quantity - order.filled
        if order.status == "untriggered":
            assert left is not None
            needed = self.need(order, left, max(self.maker_e6, self.taker_e6))
        else:
            outcome = self.would_be(order)
            if order.post_only and self.meets(order):
                raise Refused("post_only_would_take")
            if not order.is_buy:
                needed = outcome.filled if left is None else left
            elif order.price is not None:
                assert left is not None
                needed = self.need(order, left, max(self.maker_e6, self.taker_e6))
            elif order.cash is not None:
                needed = order.cash
            else:
                needed = sum(fill.cash + fill.taker_fee for fill in outcome.fills)
        others = [o for o in self.live() if o.link and o.link == order.link and o.id != order.id]
        if others:
            needed = max(needed, self.pair_need([order, *others]))
        if self.available(order) + freed < needed:
            raise Refused("insufficient_funds")

    def incoming(self, order: Life) -> Incoming | None:
        limit = order.price if order.price is not None else order.cap
        if limit is None:
            return None
        quantity = None if order.quantity is None else order.quantity - order.filled
        cash = order.cash if quantity is None else None
        group = UUID(int=order.investor)
        return Incoming(
            order.is_buy, group, limit, quantity, cash, self.taker_e6, self.lot, order.prevention
        )

    def meets(self, order: Life) -> bool:
        incoming = self.incoming(order)
        return incoming is not None and self.book.would_meet(incoming)

    def would_be(self, order: Life) -> Outcome:
        """What it would fill, tried on a copy."""
        incoming = self.incoming(order)
        if incoming is None:
            return Outcome()
        return copy.deepcopy(self.book).take(incoming, order.fee_millionths)
