"""Two groups of investors that trade with each other until they are stopped."""

import asyncio
import random
import time
from typing import Any, Self

from asgiref.sync import sync_to_async

from kernel import clock
from kernel.refusals import OutcomeUnknown, Refusal
from trading import order_entry
from trading.commands import CancelOrder, OrderView
from trading.models import Order, Pool, Trade

TRADERS = 10


class Load:
    """Orders and cancels one after the other from each trader, and what was acknowledged."""

    def __init__(self, venue: Any, buyer: int, seller: int, seed: int) -> None:
        self.acknowledged: list[OrderView] = []
        self._venue, self._dice = venue, random.Random(seed)
        sides = [(buyer, "buy"), (seller, "sell")] * (TRADERS // 2)
        self._work = [asyncio.create_task(self._trade(*side)) for side in sides]

    @classmethod
    async def start(cls, venue: Any, seed: int = 1) -> Self:
        buyer = await sync_to_async(venue.investor)("Alice", usd=100_000)
        seller = await sync_to_async(venue.investor)("Bob", tokens=1_000)
        return cls(venue, buyer, seller, seed)

    async def _trade(self, investor: int, side: str) -> None:
        dice = self._dice
        while True:
            quantity, price = dice.randint(1, 5) / 100, 100 + dice.randint(-2, 2)
            order = self._venue.order(investor, side, quantity=quantity, price=price)
            try:
                answer = await order_entry.place(order, timeout_seconds=1.0)
                self.acknowledged.append(answer)
                if answer.status == "open" and dice.random() < 0.3:
                    cancel = CancelOrder(investor_id=investor, order_id=answer.id)
                    canceled = await order_entry.cancel(cancel, timeout_seconds=1.0)
                    self.acknowledged.append(canceled)
            except (OutcomeUnknown, Refusal):
                await asyncio.sleep(0.01)

    async def until_more(self, more: int) -> None:
        """Wait for so many more acknowledgements."""
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + 30
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, "nothing is acknowledged"
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End, and wait for a batch that began after now: no command of before is left then."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        now, deadline = clock.now(), time.monotonic() + 30
        while True:
            pool = await sync_to_async(Pool.objects.get)(id=1)
            if pool.processed_until is not None and pool.processed_until > now:
                return
            assert time.monotonic() < deadline, "the engine does not move"
            await asyncio.sleep(0.05)

    def assert_kept(self) -> None:
        """Every acknowledged order is stored, at least as far as it was acknowledged."""
        stored = {order.id: order for order in Order.objects.all()}
        for view in self.acknowledged:
            order = stored[view.id]
            assert order.filled_units >= view.filled_units
            if view.status != "open":
                assert (order.status, order.filled_units) == (view.status, view.filled_units)
        assert Trade.objects.exists()


async def owner_epoch() -> int:
    return (await sync_to_async(Pool.objects.get)(id=1)).epoch


async def until_epoch(epoch: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while await owner_epoch() < epoch:
        assert time.monotonic() < deadline, "no engine takes the pool over"
        await asyncio.sleep(0.05)
