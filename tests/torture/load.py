"""What a customer does meanwhile, and what the house promised: every answer it gave.

Whatever gets no answer is asked again with the same key until it has one. Orders are
sent at a steady pace, whether or not earlier ones were answered: during a fault there
is always a command at every stage of its way.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from functools import partial
from pathlib import Path

import httpx

from sandbox.partner import Disconnected, Key, Message, Partner, Refused, Socket
from tests.customers import post

LISTINGS = ("AAPLxUSDC", "MSFTxUSDC", "SPYxUSDC")
TRADERS = 3
SECONDS_BETWEEN_ORDERS = 0.1
IN_FLIGHT_MAX = 60  # of one trader
RETRY_SECONDS = 0.1
STOP_SECONDS_MAX = 180
# Nobody was there in time, or two requests with one key overtook each other: asked again.
NOT_EXECUTED = ("deadline_passed", "overloaded", "invalid_nonce")
STOCK_SECONDS_MAX = 60
# More than all orders and redemptions of a long run cost.
OPENING_USDC = "50000"
STOCK_USDC, STOCK_PARTS = "400", 4  # of each listing, to sell and to redeem from
TRADED_USDC = Decimal("1.50")  # the venue takes no order below one
SOLD_PLACES = Decimal("0.0001")
RESTING_TOKENS = "0.05"
CANCELED_SHARE = 0.9
DEPOSIT_USDC = "25"
REDEEMED_TOKENS = "0.01"
# Some deposits, then a pause in which all of them become final and are credited.
DEPOSITS_IN_A_ROW = 6
SECONDS_BETWEEN_TRANSFERS = 2.0


@dataclass
class Promises:
    """What was acknowledged: orders, redemptions and mints by id, deposits by signature."""

    orders: dict[str, Message] = field(default_factory=dict)
    redemptions: dict[str, Message] = field(default_factory=dict)
    deposits: list[str] = field(default_factory=list)
    mints: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    cancels: int = 0
    unanswered: int = 0
    never_answered: int = 0
    # When the youngest order that was answered had been sent, on the monotonic clock.
    newest_answered: float = 0.0

    def note_order(self, placed: Message, sent_at: float) -> None:
        self.orders[placed["id"]] = placed
        self.newest_answered = max(self.newest_answered, sent_at)

    def __str__(self) -> str:
        refused = self.refused.total()
        share = len(self.orders) / max(1, len(self.orders) + refused)
        why = ", ".join(f"{count} {code}" for code, count in self.refused.most_common())
        return (
            f"{len(self.orders)} orders ({share:.1%} accepted), {self.cancels} cancels, "
            f"{len(self.deposits)} deposits, {len(self.redemptions)} redemptions, "
            f"{len(self.mints)} mints acknowledged; "
            f"{refused} refused ({why or 'none'}), "
            f"{self.unanswered} asked again because no answer came"
        )


class Load:
    """Traders on sockets of their own, and one who moves money; until `stop`."""

    def __init__(self, web: str, chain: str, key: Key, seed: int) -> None:
        self.promises = Promises()
        self._web, self._chain, self._key, self._seed = web, chain, key, seed
        self._partner = Partner(web=web, key=key)
        self._stopping = False
        self.mints: Path | None = None  # where the officers write what they have started
        self._tasks: list[asyncio.Task[None]] = []
        self._resting_prices: dict[str, str] = {}
        self._sold_quantities: dict[str, str] = {}
        self._deposit_address = ""

    async def start(self, *, is_short: bool) -> None:
        """Look up what is needed, pay money in, buy a stock of tokens, and begin.

        A short one begins with what she has, pays in a little and redeems nothing.
        """
        for listing in LISTINGS:
            bid = await self._best_bid(listing)
            self._resting_prices[listing] = f"{bid * 9 / 10:.2f}"
            sold = (TRADED_USDC / bid).quantize(SOLD_PLACES, ROUND_UP)
            self._sold_quantities[listing] = str(sold)
        address = await self._partner.get("/api/v1/deposit-address/?asset=USDC", signed=True)
        self._deposit_address = address["address"]
        if not is_short:
            await self._deposit(OPENING_USDC)
            await self._buy_stock()
        work = [self._trade(number) for number in range(TRADERS)]
        work += [self._pay_in_once()] if is_short else [self._pay_in(), self._pay_out()]
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """Let everybody finish what they began: only then each answer is known."""
        self._stopping = True
        _, unfinished = await asyncio.wait(self._tasks, timeout=STOP_SECONDS_MAX)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._partner.close()
        if self.mints is not None:
            self.promises.mints = self.mints.read_text().split()
        self.promises.never_answered = len(unfinished)
        for task in self._tasks:
            if not task.cancelled():
                task.result()  # raises what broke it

    async def abandon(self) -> None:
        """At once, whatever is unanswered: nobody will ask what was promised."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._partner.close()

    async def _best_bid(self, listing: str) -> Decimal:
        """Once the market maker quotes, which takes a moment after the start."""
        while True:
            depth = await self._partner.get(f"/api/v1/listings/{listing}/depth/")
            if depth["bids"]:
                return Decimal(depth["bids"][0][0])
            await asyncio.sleep(RETRY_SECONDS)

    # --- trading ----------------------------------------------------------------

    async def _buy_stock(self) -> None:
        """Buy what is sold and redeemed later, as soon as the money is there."""
        wanted = [listing for listing in LISTINGS for _ in range(STOCK_PARTS)]
        deadline = time.monotonic() + STOCK_SECONDS_MAX
        async with self._partner.socket(lambda update: None) as socket:
            while wanted and time.monotonic() < deadline:
                order = {"side": "buy", "order_type": "market", "cash": STOCK_USDC}
                try:
                    await socket.ask({"type": "place_order", "listing": wanted[-1], **order})
                    wanted.pop()
                except Refused:
                    await asyncio.sleep(1)

    async def _trade(self, number: int) -> None:
        """One trader; what gets no answer waits in front of what is new."""
        orders = self._orders(random.Random(f"{self._seed} trader {number}"), number)
        waiting: deque[Message] = deque()
        while not self._stopping or waiting:
            try:
                async with self._partner.socket(lambda update: None) as socket:
                    await self._trade_on(socket, orders, waiting)
            except (Disconnected, Refused):
                await asyncio.sleep(RETRY_SECONDS)

    async def _trade_on(
        self, socket: Socket, orders: Iterator[Message], waiting: deque[Message]
    ) -> None:
        placing: set[asyncio.Task[None]] = set()
        try:
            while not socket.is_closed and (not self._stopping or waiting or placing):
                if len(placing) < IN_FLIGHT_MAX and (waiting or not self._stopping):
                    order = waiting.popleft() if waiting else next(orders)
                    task = asyncio.create_task(self._place(socket, order, waiting))
                    placing.add(task)
                    task.add_done_callback(placing.discard)
                await asyncio.sleep(SECONDS_BETWEEN_ORDERS)
        finally:
            await asyncio.gather(*placing)

    def _orders(self, chance: random.Random, number: int) -> Iterator[Message]:
        for count in range(10**9):
            listing = chance.choice(LISTINGS)
            wanted = chance.choice(
                [
                    {"side": "buy", "order_type": "market", "cash": str(TRADED_USDC)},
                    {"side": "sell", "order_type": "market"}
                    | {"quantity": self._sold_quantities[listing]},
                    {"side": "buy", "order_type": "limit", "quantity": RESTING_TOKENS}
                    | {"price": self._resting_prices[listing]},
                ]
            )
            identity = f"torture-{self._seed}-{number}-{count}"
            yield {"type": "place_order", "listing": listing, "client_order_id": identity, **wanted}

    async def _place(self, socket: Socket, order: Message, waiting: deque[Message]) -> None:
        sent_at = time.monotonic()
        try:
            answer = await socket.ask(order)
        except (Disconnected, TimeoutError):
            return self._ask_again(order, waiting)
        except Refused as refusal:
            if refusal.code in NOT_EXECUTED:
                return self._ask_again(order, waiting)
            self.promises.refused[refusal.code] += 1
            return
        placed = answer["order"]
        self.promises.note_order(placed, sent_at)
        is_dropped = random.Random(order["client_order_id"]).random() < CANCELED_SHARE
        if placed["status"] == "open" and is_dropped:
            await self._cancel(socket, placed["id"])

    def _ask_again(self, order: Message, waiting: deque[Message]) -> None:
        self.promises.unanswered += 1
        waiting.append(order)

    async def _cancel(self, socket: Socket, order_id: str) -> None:
        """Once: it may lose its answer, since whether it happened breaks no promise."""
        try:
            answer = await socket.ask({"type": "cancel_order", "order_id": order_id})
        except (Refused, Disconnected, TimeoutError):
            return
        self.promises.orders[order_id] = answer["order"]
        self.promises.cancels += 1

    # --- money ------------------------------------------------------------------

    async def _pay_in_once(self) -> None:
        for _ in range(DEPOSITS_IN_A_ROW):
            await self._deposit(DEPOSIT_USDC)
            await self._pause()

    async def _pay_in(self) -> None:
        while not self._stopping:
            await self._pay_in_once()
            for _ in range(DEPOSITS_IN_A_ROW + 1):
                await self._pause()

    async def _pay_out(self) -> None:
        for count in range(10**9):
            if self._stopping:
                return
            identity = f"torture-{self._seed}-{count}"
            await self._until_answered(partial(self._redeem, identity))
            await self._pause()

    async def _pause(self) -> None:
        if not self._stopping:
            await asyncio.sleep(SECONDS_BETWEEN_TRANSFERS)

    async def _deposit(self, usdc: str) -> None:
        async with httpx.AsyncClient() as client:
            body = {"address": self._deposit_address, "usdc": usdc}
            answer = await client.post(f"{self._chain}/faucet", json=body, timeout=30)
        answer.raise_for_status()
        self.promises.deposits.append(answer.json()["signature"])

    async def _redeem(self, identity: str) -> None:
        body = {"asset": "AAPLx", "quantity": REDEEMED_TOKENS, "idempotency_key": identity}
        told = await post(self._web, self._key, "/api/v1/redemptions/", body)
        self.promises.redemptions[told["id"]] = told

    async def _until_answered(self, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await ask()
            except Refused as refusal:
                if refusal.code not in NOT_EXECUTED:
                    self.promises.refused[f"redemption {refusal.code}"] += 1
                    return
            except Disconnected:
                pass
            self.promises.unanswered += 1
            await asyncio.sleep(RETRY_SECONDS)
