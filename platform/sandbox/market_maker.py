"""A market maker: quotes both sides of every listing around its reference price.

    python -m sandbox.market_maker --web http://localhost:8000 --key-file var/keys/maker.json

It is a partner like any other: it reads /api/v1, trades over /ws/v1 with an API
key, and its orders take the same way as everybody's. It cancels what an earlier
run left, requotes a listing only when the reference moved enough or a quote was
taken, and withdraws where the listing is halted or the reference is not good.

With `--taker-key-file` a second, separate investor trades now and then at
market, so that a demo has trades; its orders call themselves "simulated-…".
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kernel.money import format_units, parse_units
from sandbox.partner import Disconnected, Key, Message, Partner, Refused, Socket
from sandbox.quoting import Manner, Quote, Rules, has_moved, wanted_quotes

CASH = "USDC"
CASH_DECIMALS = 6
TOKEN_DECIMALS = 8
PAGE = 200
RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX = 1.0, 30.0
LISTINGS_AT_ONCE = 8
# More than this share of an even split of everything owned, and no more bids are shown.
INVENTORY_SHARE_MAX = 3
QUOTED_STATES = ("online", "limit_only", "post_only", "reduce_only")
# Outside regular hours the reference says less, so the quotes stand further away.
WIDER_OUTSIDE_REGULAR_HOURS = 2
TAKER_CASH_MIN, TAKER_CASH_MAX = 5, 150


@dataclass(slots=True)
class Book:
    """Our own orders in one listing."""

    orders: set[str] = field(default_factory=set)
    quoted_units: int = 0  # the reference that the orders stand for
    is_touched: bool = True  # an order ended or was refused: look again


@dataclass(frozen=True, slots=True)
class Funds:
    """What we have, in base units: available and in orders together, by asset."""

    total: dict[str, int]

    def share_of_cash(self, listings: int) -> int:
        return self.total.get(CASH, 0) // max(listings, 1)


class MarketMaker:
    """One session after another; all state is rebuilt at each connection."""

    def __init__(self, partner: Partner, *, manner: Manner, poll_seconds: float, seed: int) -> None:
        self._partner = partner
        self._manner = manner
        self._poll_seconds = poll_seconds
        self._seed = seed
        self._books: dict[str, Book] = {}
        self._listing_of: dict[str, str] = {}
        self._refusals: Counter[str] = Counter()

    async def session(self) -> None:
        """Quote until the connection is lost.

        :raises Disconnected: and Refused: what ended it.
        """
        self._books.clear()
        self._listing_of.clear()
        async with self._partner.socket(self._on_update) as socket:
            await self._cancel_leftovers(socket)
            await socket.subscribe("orders")
            say("connected")
            while not socket.is_closed:
                await self._round(socket)
                await asyncio.sleep(self._poll_seconds)
        raise Disconnected("the socket closed")

    async def _round(self, socket: Socket) -> None:
        """Look at every listing once."""
        listings: list[Message] = await self._partner.get("/api/v1/listings/")
        funds = await self._funds()
        due = [each for each in listings if self._is_due(each)]
        for start in range(0, len(due), LISTINGS_AT_ONCE):
            some = due[start : start + LISTINGS_AT_ONCE]
            await asyncio.gather(*(self._requote(socket, each, funds, listings) for each in some))
        if due:
            refused = dict(self._refusals)
            open_orders = sum(len(book.orders) for book in self._books.values())
            say(f"requoted {len(due)} of {len(listings)}, {open_orders} orders open, {refused=}")
            self._refusals.clear()

    def _is_due(self, listing: Message) -> bool:
        book = self._books.setdefault(listing["symbol"], Book())
        reference = reference_units(listing)
        if reference is None:
            return bool(book.orders)
        return book.is_touched or has_moved(
            quoted_units=book.quoted_units, reference_units=reference, manner=self._manner
        )

    async def _requote(
        self, socket: Socket, listing: Message, funds: Funds, listings: list[Message]
    ) -> None:
        """Take the old quotes away and put the new ones up."""
        symbol = listing["symbol"]
        book = self._books[symbol]
        await asyncio.gather(*(self._cancel(socket, order_id) for order_id in list(book.orders)))
        reference = reference_units(listing)
        if reference is None:
            book.is_touched = True  # quote again as soon as there is one
            return
        book.quoted_units, book.is_touched = reference, False
        quotes = self._quotes(listing, reference, funds, listings)
        await asyncio.gather(*(self._place(socket, symbol, book, quote) for quote in quotes))

    def _quotes(
        self, listing: Message, reference: int, funds: Funds, listings: list[Message]
    ) -> list[Quote]:
        tokens = funds.total.get(listing["base"], 0)
        may_buy = listing["state"] != "reduce_only" and not is_overweight(listing, funds, listings)
        is_regular = listing["reference"]["session"] == "regular"
        wider = 1 if is_regular else WIDER_OUTSIDE_REGULAR_HOURS
        return wanted_quotes(
            reference_units=reference,
            cash_budget_units=funds.share_of_cash(len(listings)) if may_buy else 0,
            token_budget_units=tokens,
            rules=rules_of(listing),
            manner=replace(self._manner, half_spread_e6=self._manner.half_spread_e6 * wider),
            seed=f"{self._seed}:{listing['symbol']}",
        )

    async def _place(self, socket: Socket, symbol: str, book: Book, quote: Quote) -> None:
        message = {
            "type": "place_order",
            "listing": symbol,
            "side": quote.side,
            "order_type": "limit",
            "quantity": format_units(quote.quantity_units, TOKEN_DECIMALS),
            "price": format_units(quote.price_units, CASH_DECIMALS),
            "time_in_force": "gtc",
            "post_only": True,
        }
        try:
            order = (await socket.ask(message))["order"]
        except (Refused, TimeoutError) as error:
            book.is_touched = True
            self._refusals[getattr(error, "code", "timeout")] += 1
            return
        if order["status"] == "open":
            book.orders.add(order["id"])
            self._listing_of[order["id"]] = symbol
        else:
            book.is_touched = True

    async def _cancel(self, socket: Socket, order_id: str) -> None:
        """A refusal means that it is gone already."""
        try:
            await socket.ask({"type": "cancel_order", "order_id": order_id})
        except (Refused, TimeoutError) as error:
            self._refusals[f"cancel:{getattr(error, 'code', 'timeout')}"] += 1
        self._forget(order_id)

    async def _cancel_leftovers(self, socket: Socket) -> None:
        """Orders that an earlier run left would stand at old prices."""
        while True:
            target = f"/api/v1/orders/?open=true&limit={PAGE}"
            left = (await self._partner.get(target, signed=True))["results"]
            if not left:
                return
            await asyncio.gather(*(self._cancel(socket, order["id"]) for order in left))

    async def _funds(self) -> Funds:
        rows = await self._partner.get("/api/v1/balances/", signed=True)
        total: dict[str, int] = {}
        for row in rows:
            decimals = CASH_DECIMALS if row["asset"] == CASH else TOKEN_DECIMALS
            parts = (parse_units(row[name], decimals) for name in ("available", "in_orders"))
            total[row["asset"]] = sum(parts)
        return Funds(total)

    def _on_update(self, message: Message) -> None:
        """An order that ended without us asking was taken: quote again."""
        if message.get("channel") != "orders":
            return
        for order in message["orders"]:
            symbol = self._listing_of.get(order["id"])
            if symbol is not None and order["status"] != "open":
                self._forget(order["id"])
                self._books[symbol].is_touched = True

    def _forget(self, order_id: str) -> None:
        symbol = self._listing_of.pop(order_id, None)
        if symbol is not None:
            self._books[symbol].orders.discard(order_id)


class Taker:
    """Now and then one small market order somewhere, as an investor of its own."""

    def __init__(self, partner: Partner, *, trades_per_minute: float, seed: int) -> None:
        self._partner = partner
        self._mean_seconds = 60 / trades_per_minute
        self._random = random.Random(seed)  # noqa: S311 - a demo's dice

    async def session(self) -> None:
        """Trade until the connection is lost."""
        async with self._partner.socket(lambda message: None) as socket:
            while not socket.is_closed:
                await asyncio.sleep(self._random.expovariate(1 / self._mean_seconds))
                await self._trade(socket)
        raise Disconnected("the socket closed")

    async def _trade(self, socket: Socket) -> None:
        listings = await self._partner.get("/api/v1/listings/")
        quoted = [each for each in listings if each["bid"] and each["ask"]]
        if not quoted:
            return
        message = self._order(self._random.choice(quoted))
        try:
            await socket.ask(message)
        except (Refused, TimeoutError) as error:
            say(f"simulated order not taken: {error}")

    def _order(self, listing: Message) -> Message:
        cash = self._random.randint(TAKER_CASH_MIN, TAKER_CASH_MAX)
        side = self._random.choice(["buy", "buy", "sell"])
        order: Message = {
            "type": "place_order",
            "listing": listing["symbol"],
            "side": side,
            "order_type": "market",
            "time_in_force": "ioc",
            "client_order_id": f"simulated-{secrets.token_hex(8)}",
        }
        if side == "buy":
            return order | {"cash": str(cash)}
        rules = rules_of(listing)
        bid = parse_units(listing["bid"], CASH_DECIMALS)
        tokens = cash * 10 ** (CASH_DECIMALS + TOKEN_DECIMALS) // bid
        lots = tokens // rules.lot_units * rules.lot_units
        return order | {"quantity": format_units(lots, TOKEN_DECIMALS)}


def reference_units(listing: Message) -> int | None:
    """The reference per token when it is good enough to quote around, else None."""
    reference = listing["reference"]
    if listing["state"] not in QUOTED_STATES or reference is None or reference["price"] is None:
        return None
    if reference["is_stale"] or reference["is_halted"]:
        return None
    return parse_units(reference["price"], CASH_DECIMALS)


def rules_of(listing: Message) -> Rules:
    return Rules(
        tick_units=parse_units(listing["tick"], CASH_DECIMALS),
        lot_units=parse_units(listing["lot"], TOKEN_DECIMALS),
        cash_min_units=parse_units(listing["cash_min"], CASH_DECIMALS),
        fee_e6=parse_units(listing["taker_fee"], 6),
    )


def is_overweight(listing: Message, funds: Funds, listings: Iterable[Message]) -> bool:
    """Whether we hold so much of this token that we buy no more of it."""
    values = {each["symbol"]: _value(each, funds) for each in listings}
    everything = funds.total.get(CASH, 0) + sum(values.values())
    return bool(values[listing["symbol"]] * len(values) > everything * INVENTORY_SHARE_MAX)


def _value(listing: Message, funds: Funds) -> int:
    price = reference_units(listing) or 0
    return int(funds.total.get(listing["base"], 0) * price // 10**TOKEN_DECIMALS)


async def keep_running(name: str, actor: MarketMaker | Taker) -> None:
    """Sessions one after another, with a growing pause while nobody is there."""
    pause = RECONNECT_SECONDS_FIRST
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await actor.session()
        except (Disconnected, Refused, TimeoutError) as error:
            say(f"{name}: {error or 'timed out'}; again in {pause:.0f} s")
        if asyncio.get_running_loop().time() - started > RECONNECT_SECONDS_MAX:
            pause = RECONNECT_SECONDS_FIRST
        await asyncio.sleep(pause)
        pause = min(pause * 2, RECONNECT_SECONDS_MAX)


async def run(options: argparse.Namespace) -> None:
    """Until SIGINT or SIGTERM."""
    maker = Partner(web=options.web, key=read_key(options.key_file))
    manner = Manner(levels=options.levels)
    actors: list[tuple[str, MarketMaker | Taker]] = [
        (
            "market maker",
            MarketMaker(maker, manner=manner, poll_seconds=options.poll_seconds, seed=options.seed),
        )
    ]
    if options.taker_key_file is not None and options.trades_per_minute > 0:
        taker = Partner(web=options.web, key=read_key(options.taker_key_file))
        rate = options.trades_per_minute
        actors.append(("taker", Taker(taker, trades_per_minute=rate, seed=options.seed)))
    tasks = [asyncio.create_task(keep_running(*actor)) for actor in actors]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: [task.cancel() for task in tasks])
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]


def read_key(path: Path) -> Key:
    """What `manage.py create_api_key` printed, kept in a file. Exits 2 when it is not there."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return Key(key=content["key"], secret=content["secret"])
    except (OSError, ValueError, KeyError):
        sys.exit(_stop(f"{path} does not hold a key as `manage.py create_api_key` prints it."))


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.market_maker")
    parser.add_argument("--web", required=True, help="address of the platform")
    parser.add_argument("--key-file", type=Path, required=True, help='{"key", "secret"}')
    parser.add_argument("--taker-key-file", type=Path, help="of another investor: simulated trades")
    parser.add_argument("--trades-per-minute", type=float, default=2.0)
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--poll-seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def say(sentence: str) -> None:
    print(sentence, flush=True)


def _stop(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def main() -> None:
    if os.environ.get("BOURSE_ENV") == "production":
        sys.exit(_stop("The sandbox does not run in production."))
    asyncio.run(run(parse()))


if __name__ == "__main__":
    main()
