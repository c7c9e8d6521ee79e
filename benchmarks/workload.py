"""Who trades what in a benchmark, and an endless, seeded stream of their commands.

Of the commands 20 % are cancels of orders that are open at that moment, and of
the orders 50 % cross the book. The stream knows what is open because it runs
beside a pool of its own: the same pure engine, fed with the same commands.
"""

import random
from itertools import cycle
from typing import Literal
from uuid import UUID

from trading.commands import CancelOrder, Command, PlaceOrder
from trading.engine.effects import Effects
from trading.engine.market import Eligibility, Funds, Rules
from trading.engine.pool import Pool

INVESTORS, LISTINGS = 200, 10
CANCELS, CROSSING = 0.2, 0.5
MID_TICKS = 10_000  # 100 USDC
TICK, LOT = 10_000, 1_000_000  # a cent, a hundredth of a token
BAND_TICKS = 40
CASH_UNITS = 10**13  # 10 million USDC each, so that nobody runs out
TOKEN_UNITS = 10**12  # 10,000 of each token


class Stream:
    """Commands for listings that exist in the database, each with the investors who trade it."""

    def __init__(self, *, traders: list[tuple[Rules, list[int]]], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self._traders = traders
        self._pool = Pool()
        self._open: list[UUID] = []
        for rules, investors in traders:
            self._pool.add_market(rules)
            codes = frozenset([rules.base_code])
            for investor in investors:
                eligibility = Eligibility(1, UUID(int=investor), True, True, "DE", codes)
                self._pool.eligibility[investor] = eligibility
                for asset in (rules.base_id, rules.quote_id):
                    self._pool.funds[investor, asset] = Funds(investor, asset, 10**17)

    def take(self, count: int) -> list[Command]:
        """The next commands, in the order in which the engine must see them."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Command:
        effects = Effects(0, 0.0)
        cancel = self._cancel() if self._random.random() < CANCELS else None
        if cancel is not None:
            self._pool.cancel(cancel, effects)
            return cancel
        place = self._place()
        order = self._pool.place(place, effects)
        if order.status == "open":
            self._open.append(order.id)
        return place

    def _cancel(self) -> CancelOrder | None:
        """Of a random order that is still open, found by trying."""
        while self._open:
            index = self._random.randrange(len(self._open))
            self._open[index], self._open[-1] = self._open[-1], self._open[index]
            order = self._pool.orders.get(self._open.pop())
            if order is not None:
                return CancelOrder(investor_id=order.investor_id, order_id=order.id)
        return None

    def _place(self) -> PlaceOrder:
        crosses = self._random.random() < CROSSING
        is_buy = self._random.random() < 0.5
        away = self._random.randint(1, BAND_TICKS)
        side = 1 if is_buy else -1
        # Resting orders lie away from the middle; crossing ones reach across it.
        ticks = MID_TICKS + side * (BAND_TICKS if crosses else -away)
        lots = self._random.randint(10, 100) if crosses else self._random.randint(50, 250)
        rules, investors = self._random.choice(self._traders)
        return PlaceOrder(
            listing=rules.symbol,
            investor_id=self._random.choice(investors),
            side="buy" if is_buy else "sell",
            type="limit",
            price_units=ticks * TICK,
            quantity_units=lots * LOT,
            time_in_force="ioc" if crosses else "gtc",
            source="api",
        )


class Resting:
    """Orders that rest, over all listings and investors in turn."""

    def __init__(self, *, investors: list[int], listings: list[Rules], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self._investors, self._listings = cycle(investors), cycle(listings)

    def take(self, count: int) -> list[Command]:
        return [self.next() for _ in range(count)]

    def next(self, time_in_force: Literal["gtc", "ioc"] = "gtc") -> PlaceOrder:
        """An order some ticks away from the middle; IOC, it expires at once."""
        is_buy = self._random.random() < 0.5
        away = self._random.randint(1, BAND_TICKS)
        return PlaceOrder(
            listing=next(self._listings).symbol,
            investor_id=next(self._investors),
            side="buy" if is_buy else "sell",
            type="limit",
            price_units=(MID_TICKS - away if is_buy else MID_TICKS + away) * TICK,
            quantity_units=self._random.randint(50, 250) * LOT,
            time_in_force=time_in_force,
            source="api",
        )
