"""What a customer does meanwhile, and what the house promised: every answer it gave.

Whatever gets no answer is asked again with the same key until it has one.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import httpx

from sandbox.partner import Disconnected, Key, Message, Partner, Refused, Socket
from tests.customers import post

LISTINGS = ("AAPLxUSDC", "MSFTxUSDC", "SPYxUSDC")
TRADERS = 4
RETRY_SECONDS = 0.5
STOP_SECONDS_MAX = 180
SECONDS_BETWEEN_TRANSFERS = 1.0
DEPOSIT_USDC = "25"
REDEEMED_TOKENS = "0.01"
RESTING_TOKENS = "0.05"


@dataclass
class Promises:
    """What was acknowledged: orders and redemptions by id, deposits by signature."""

    orders: dict[str, Message] = field(default_factory=dict)
    redemptions: dict[str, Message] = field(default_factory=dict)
    deposits: set[str] = field(default_factory=set)
    cancels: int = 0
    refused: int = 0
    unanswered: int = 0
    never_answered: int = 0

    def __str__(self) -> str:
        return (
            f"{len(self.orders)} orders, {self.cancels} cancels, {len(self.deposits)} deposits, "
            f"{len(self.redemptions)} redemptions acknowledged; {self.refused} refused, "
            f"{self.unanswered} asked again because no answer came"
        )


class Load:
    """Traders on sockets of their own, and one who moves money; until `stop`."""

    def __init__(self, web: str, chain: str, key: Key, seed: int) -> None:
        self.promises = Promises()
        self._web, self._chain, self._key, self._seed = web, chain, key, seed
        self._partner = Partner(web=web, key=key)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._resting_prices: dict[str, str] = {}
        self._deposit_address = ""

    async def start(self) -> None:
        """Look up what is needed, pay money in, and begin."""
        for listing in LISTINGS:
            far_below = await self._best_bid(listing) * 9 / 10
            self._resting_prices[listing] = f"{far_below:.2f}"
        address = await self._partner.get("/api/v1/deposit-address/?asset=USDC", signed=True)
        self._deposit_address = address["address"]
        await self._deposit("500")
        self._tasks = [asyncio.create_task(self._trade(number)) for number in range(TRADERS)]
        self._tasks.append(asyncio.create_task(self._move_money()))

    async def stop(self) -> None:
        """Let everybody finish what they began: only then each answer is known."""
        self._stopping = True
        _, unfinished = await asyncio.wait(self._tasks, timeout=STOP_SECONDS_MAX)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._partner.close()
        self.promises.never_answered = len(unfinished)
        for task in self._tasks:
            if not task.cancelled():
                task.result()  # raises what broke it

    async def _best_bid(self, listing: str) -> Decimal:
        """Once the market maker quotes, which takes a moment after the start."""
        while True:
            depth = await self._partner.get(f"/api/v1/listings/{listing}/depth/")
            if depth["bids"]:
                return Decimal(depth["bids"][0][0])
            await asyncio.sleep(RETRY_SECONDS)

    # --- trading ----------------------------------------------------------------

    async def _trade(self, number: int) -> None:
        chance = random.Random(f"{self._seed} trader {number}")
        orders = self._orders(chance, number)
        waiting: list[Message] = []
        while not self._stopping or waiting:
            try:
                async with self._partner.socket(lambda update: None) as socket:
                    while not self._stopping or waiting:
                        if not waiting:
                            waiting.append(next(orders))
                        await self._place(socket, waiting[0], chance)
                        waiting.clear()
            except (Disconnected, Refused):
                self.promises.unanswered += len(waiting)
                await asyncio.sleep(RETRY_SECONDS)

    def _orders(self, chance: random.Random, number: int) -> Any:
        for count in range(10**9):
            listing = chance.choice(LISTINGS)
            wanted = chance.choice(
                [
                    {"side": "buy", "order_type": "market", "cash": "1.10"},
                    {"side": "sell", "order_type": "market", "quantity": "0.004"},
                    {"side": "buy", "order_type": "limit", "quantity": RESTING_TOKENS}
                    | {"price": self._resting_prices[listing]},
                ]
            )
            identity = f"torture-{self._seed}-{number}-{count}"
            yield {"type": "place_order", "listing": listing, "client_order_id": identity, **wanted}

    async def _place(self, socket: Socket, order: Message, chance: random.Random) -> None:
        try:
            answer = await socket.ask(order)
        except Refused:
            self.promises.refused += 1
            return
        placed = answer["order"]
        self.promises.orders[placed["id"]] = placed
        if placed["status"] == "open" and chance.random() < 0.9:
            await self._cancel(socket, placed["id"])

    async def _cancel(self, socket: Socket, order_id: str) -> None:
        """Once: it may lose its answer, since whether it happened breaks no promise."""
        try:
            answer = await socket.ask({"type": "cancel_order", "order_id": order_id})
        except (Refused, Disconnected, TimeoutError):
            return
        self.promises.orders[order_id] = answer["order"]
        self.promises.cancels += 1

    # --- money ------------------------------------------------------------------

    async def _move_money(self) -> None:
        chance = random.Random(f"{self._seed} money")
        for count in range(10**9):
            if self._stopping:
                return
            if chance.random() < 0.5:
                await self._deposit(DEPOSIT_USDC)
            else:
                identity = f"torture-{self._seed}-{count}"
                await self._until_answered(partial(self._redeem, identity))
            await asyncio.sleep(SECONDS_BETWEEN_TRANSFERS)

    async def _deposit(self, usdc: str) -> None:
        async with httpx.AsyncClient() as client:
            body = {"address": self._deposit_address, "usdc": usdc}
            answer = await client.post(f"{self._chain}/faucet", json=body, timeout=30)
        answer.raise_for_status()
        self.promises.deposits.add(answer.json()["signature"])

    async def _redeem(self, identity: str) -> None:
        body = {"asset": "AAPLx", "quantity": REDEEMED_TOKENS, "idempotency_key": identity}
        told = await post(self._web, self._key, "/api/v1/redemptions/", body)
        self.promises.redemptions[told["id"]] = told

    async def _until_answered(self, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await ask()
            except Refused:
                self.promises.refused += 1
                return
            except Disconnected:
                self.promises.unanswered += 1
                await asyncio.sleep(RETRY_SECONDS)
