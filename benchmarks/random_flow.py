"""A seeded flow of limit orders and cancels for one book, as plain numbers.

The middle drifts: every few commands it steps a tick up or down. An order's price lies
around it on its own side, now and then beyond it, so that it takes. Buyers and sellers
are different people: no order meets its own owner, about whom the yardsticks know
nothing. A cancel names an order that is open at that moment; that is known because a
pool of the product's pure engine runs beside.
"""

import random
from typing import NamedTuple
from uuid import UUID

from trading.commands import CancelOrder, Command, PlaceOrder
from trading.engine.effects import Effects
from trading.engine.market import Eligibility, Funds, Rules
from trading.engine.pool import Pool

CANCELS = 0.3
BUYERS = SELLERS = 200
MID_TICKS = 10_000  # 100 USDC
DRIFT_EVERY = 50
AHEAD_TICKS, BEHIND_TICKS = 10, 40  # of the middle; ahead of it an order takes
LOTS_MIN, LOTS_MAX = 10, 100
TICK, LOT = 10_000, 1_000_000
TOKENS, CASH = 1, 2
RULES = Rules(
    id=1,
    symbol="B000xUSDC",
    base_id=TOKENS,
    base_code="B000x",
    quote_id=CASH,
    instrument_id=None,
    tick=TICK,
    lot=LOT,
    min_cash=1_000_000,
    maker_fee_e6=1_000,
    taker_fee_e6=2_500,
    protection_e6=50_000,
    collar_e6=200_000,
    state="online",
)


class Step(NamedTuple):
    """A limit order, or the cancel of the order that step `cancels` has placed."""

    is_buy: bool = False
    ticks: int = 0
    lots: int = 0
    cancels: int | None = None


def new_pool() -> Pool:
    """The listing, with everybody rich enough for all that comes."""
    pool = Pool()
    pool.add_market(RULES)
    for investor in range(1, BUYERS + SELLERS + 1):
        accepted = frozenset({RULES.base_code})
        group = UUID(int=investor)
        pool.eligibility[investor] = Eligibility(1, group, True, True, "DE", accepted)
        for asset in (TOKENS, CASH):
            pool.funds[investor, asset] = Funds(investor, asset, 10**17)
    return pool


class Flow:
    """The steps, and the same as the engine's commands."""

    def __init__(self, count: int, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self._pool = new_pool()
        self._mid = MID_TICKS
        self._open: list[int] = []  # steps; some of them have been filled since
        self.steps: list[Step] = []
        self.commands: list[Command] = []
        self.senders: list[tuple[UUID, int, UUID]] = []  # order id, investor, owner group
        for number in range(count):
            self._add(number)

    def _add(self, number: int) -> None:
        if number % DRIFT_EVERY == 0:
            self._mid += self._random.choice((-1, 1))
        victim = self._victim() if self._random.random() < CANCELS else None
        effects = Effects(0, 0.0)
        if victim is not None:
            placed = self.commands[victim]
            cancel = CancelOrder(investor_id=placed.investor_id, order_id=placed.id)
            self._pool.cancel(cancel, effects)
            self._keep(Step(cancels=victim), cancel)
            return
        step = self._order()
        place = self._place(step)
        if self._pool.place(place, effects).status == "open":
            self._open.append(number)
        self._keep(step, place)

    def _keep(self, step: Step, command: Command) -> None:
        self.steps.append(step)
        self.commands.append(command)
        investor_id = command.investor_id
        self.senders.append((command.id, investor_id, UUID(int=investor_id)))

    def _victim(self) -> int | None:
        """A random order that is still open, found by trying."""
        while self._open:
            index = self._random.randrange(len(self._open))
            self._open[index], self._open[-1] = self._open[-1], self._open[index]
            number = self._open.pop()
            if self.commands[number].id in self._pool.orders:
                return number
        return None

    def _order(self) -> Step:
        is_buy = self._random.random() < 0.5
        ahead = self._random.randint(-BEHIND_TICKS, AHEAD_TICKS)
        ticks = self._mid + (ahead if is_buy else -ahead)
        return Step(is_buy, ticks, self._random.randint(LOTS_MIN, LOTS_MAX))

    def _place(self, step: Step) -> PlaceOrder:
        person = self._random.randint(1, BUYERS)
        return PlaceOrder(
            listing=RULES.symbol,
            investor_id=person if step.is_buy else BUYERS + person,
            side="buy" if step.is_buy else "sell",
            type="limit",
            price_units=step.ticks * TICK,
            quantity_units=step.lots * LOT,
            source="api",
        )
