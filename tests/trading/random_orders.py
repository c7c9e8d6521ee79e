"""A seeded flow of commands of every type, most of them sensible, over a few investors."""

import random
from collections.abc import Callable
from typing import Any

from kernel import clock
from trading.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)

USD, TOKEN = 1_000_000, 10**8
MID = 100
PREVENTIONS = ("cancel_newest", "cancel_oldest", "cancel_both", "decrement")


class RandomOrders:
    """Commands for a listing; remembers what it sent, to cancel, amend and replace it."""

    def __init__(self, symbol: str, investors: list[int], seed: int) -> None:
        self._symbol, self._investors = symbol, investors
        self._dice = random.Random(seed)
        self._sent: list[PlaceOrder] = []
        self._makers: list[tuple[Callable[[], Command], int]] = [
            (self._limit, 8),
            (self._market, 3),
            (self._iceberg, 2),
            (self._conditional, 3),
            (self._trailing, 2),
            (self._bracket, 2),
            (self._pair, 1),
            (self._cancel, 3),
            (self._amend, 3),
            (self._replace, 2),
            (self._all, 1),
        ]

    def take(self, count: int) -> list[Command]:
        makers = [maker for maker, weight in self._makers for _ in range(weight)]
        return [self._dice.choice(makers)() for _ in range(count)]

    def _order(self, **fields: Any) -> PlaceOrder:
        dice = self._dice
        base = {
            "listing": self._symbol,
            "investor_id": dice.choice(self._investors),
            "side": dice.choice(["buy", "sell"]),
            "quantity_units": dice.randint(1, 8) * TOKEN // 4,
            "self_trade_prevention": dice.choice(PREVENTIONS),
        }
        order = PlaceOrder(**{**base, **fields})
        self._sent.append(order)
        return order

    def _price(self, spread: int = 4) -> int:
        return (MID + self._dice.randint(-spread, spread)) * USD

    def _limit(self, **fields: Any) -> PlaceOrder:
        dice = self._dice
        force = dice.choice(["gtc"] * 5 + ["ioc", "fok", "day", "gtd"])
        fields |= {"type": "limit", "price_units": self._price(), "time_in_force": force}
        if force == "gtd":
            fields["expires_at"] = clock.now().timestamp() + dice.choice([1, 3_600])
        fields["post_only"] = force == "gtc" and dice.random() < 0.2
        if dice.random() < 0.2:
            fields |= {"quantity_units": None, "cash_units": dice.randint(2, 400) * USD}
        return self._order(**fields)

    def _market(self) -> PlaceOrder:
        if self._dice.random() < 0.5:
            return self._order(type="market")
        cash = self._dice.randint(2, 400) * USD
        return self._order(type="market", quantity_units=None, cash_units=cash)

    def _iceberg(self) -> PlaceOrder:
        quantity = self._dice.randint(4, 12) * TOKEN // 4
        return self._order(
            type="limit", price_units=self._price(), quantity_units=quantity,
            display_units=self._dice.choice([TOKEN // 4, TOKEN // 2]),
        )  # fmt: skip

    def _conditional(self) -> PlaceOrder:
        kind = self._dice.choice(["stop_loss", "take_profit"])
        trigger = self._price(6)
        if self._dice.random() < 0.5:
            return self._order(type=kind, trigger_price_units=trigger)
        return self._order(
            type=f"{kind}_limit", trigger_price_units=trigger, price_units=self._price()
        )

    def _trailing(self) -> PlaceOrder:
        if self._dice.random() < 0.5:
            return self._order(type="trailing_stop", trail_units=self._dice.randint(1, 5) * USD)
        return self._order(
            type="trailing_stop_limit", trail_e6=self._dice.randint(1, 5) * 10_000,
            limit_offset_units=self._dice.randint(-2, 2) * USD,
        )  # fmt: skip

    def _bracket(self) -> PlaceOrder:
        side = self._dice.choice(["buy", "sell"])
        sign = 1 if side == "buy" else -1
        return self._order(
            type="limit", side=side, price_units=self._price(),
            close_take_profit_units=(MID + sign * 5) * USD,
            close_stop_loss_units=(MID - sign * 5) * USD,
        )  # fmt: skip

    def _pair(self) -> PlacePair:
        same = {
            "investor_id": self._dice.choice(self._investors),
            "quantity_units": self._dice.randint(1, 8) * TOKEN // 4,
            "side": "sell",
        }
        first = self._order(type="limit", price_units=(MID + 4) * USD, **same)
        second = self._order(type="stop_loss", trigger_price_units=(MID - 4) * USD, **same)
        return PlacePair(first=first, second=second)

    def _known(self) -> PlaceOrder:
        return self._dice.choice(self._sent[-40:]) if self._sent else self._limit()

    def _cancel(self) -> Command:
        order = self._known()
        return CancelOrder(investor_id=order.investor_id, order_id=order.id)

    def _amend(self) -> Command:
        order, dice = self._known(), self._dice
        changes: dict[str, Any] = {}
        if dice.random() < 0.7:
            changes["quantity_units"] = dice.randint(1, 10) * TOKEN // 4
        if order.price_units is not None and (not changes or dice.random() < 0.4):
            changes["price_units"] = self._price()
        if order.display_units is not None and dice.random() < 0.5:
            changes["display_units"] = TOKEN // 4
        return AmendOrder(investor_id=order.investor_id, order_id=order.id, **changes)

    def _replace(self) -> Command:
        order = self._known()
        new = self._limit(investor_id=order.investor_id, side=order.side)
        return ReplaceOrder(investor_id=order.investor_id, order_id=order.id, order=new)

    def _all(self) -> Command:
        investor = self._dice.choice(self._investors)
        if self._dice.random() < 0.5:
            return CancelAll(investor_id=investor, listing=self._symbol)
        return CancelAllAfter(investor_id=investor, timeout_seconds=self._dice.choice([0, 60]))
