"""A trading program of many sockets, in a process of its own: `python -m benchmarks.order_client`.

Reads what to do as JSON from stdin and prints what it saw as JSON. Each socket signs in
with its own key and keeps some orders in flight; a fifth of what it sends cancels its
newest open order. With `per_second` the sockets together send at that rate instead, and
an answer's time counts from when its command was due.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import random
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

CANCELS, CROSSING = 0.2, 0.5
OPEN_MAX = 200  # of one socket; beyond it, it cancels
MID_TICKS, BAND_TICKS = 10_000, 40  # as benchmarks.workload's; a tick is a cent

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Trader:
    """One socket, and what it knows of its own orders."""

    def __init__(self, socket: ClientConnection, listings: list[str], seed: int) -> None:
        self._socket, self._listings = socket, listings
        self._random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self._numbers = itertools.count(1)
        self._open: list[str] = []
        self._due: dict[int, float] = {}
        self.seconds: list[float] = []
        self.outcomes: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        return len(self._due)

    async def sign_in(self, key: str, secret: str) -> None:
        timestamp, nonce = str(int(time.time())), str(time.time_ns())
        payload = f"{timestamp}\n{nonce}\nWS\n/ws/v1\n".encode()
        signature = hmac.new(base64.b64decode(secret), payload, hashlib.sha256).hexdigest()
        signed = {"key": key, "timestamp": timestamp, "nonce": nonce, "signature": signature}
        await self._socket.send(json.dumps({"type": "authenticate", **signed}))
        answer = json.loads(await self._socket.recv())
        assert answer["type"] == "authenticated", answer

    async def send(self, due: float) -> None:
        number = next(self._numbers)
        self._due[number] = due
        wants_cancel = self._random.random() < CANCELS or len(self._open) > OPEN_MAX
        message = self._cancel() if wants_cancel and self._open else self._order()
        await self._socket.send(_encode({**message, "request_id": number}).decode())

    def _cancel(self) -> dict[str, Any]:
        return {"type": "cancel_order", "order_id": self._open.pop()}

    def _order(self) -> dict[str, Any]:
        is_buy, crosses = self._random.random() < 0.5, self._random.random() < CROSSING
        away = -BAND_TICKS if crosses else self._random.randint(1, BAND_TICKS)
        ticks = MID_TICKS - away if is_buy else MID_TICKS + away
        lots = self._random.randint(10, 100) if crosses else self._random.randint(50, 250)
        return {
            "type": "place_order",
            "listing": self._random.choice(self._listings),
            "side": "buy" if is_buy else "sell",
            "order_type": "limit",
            "quantity": f"{lots / 100:.2f}",
            "price": f"{ticks / 100:.2f}",
            "time_in_force": "ioc" if crosses else "gtc",
        }

    async def receive(self) -> None:
        answer = _decode(await self._socket.recv())
        self.seconds.append(time.perf_counter() - self._due.pop(answer["request_id"]))
        order = answer.get("order")
        self.outcomes[order["status"] if order else answer["code"]] += 1
        if order and order["status"] == "open":
            self._open.append(order["id"])


async def keep_in_flight(trader: Trader, count: int, until: float) -> None:
    """As many as allowed, a new one for each answer; all are answered at the end."""
    for _ in range(count):
        await trader.send(time.perf_counter())
    while trader.in_flight:
        await trader.receive()
        if time.perf_counter() < until:
            await trader.send(time.perf_counter())


async def send_at(traders: list[Trader], per_second: float, until: float) -> None:
    """One after the other, each when it is due, however many wait for their answers."""
    started = time.perf_counter()
    readers = [asyncio.create_task(_read(trader)) for trader in traders]
    for number, trader in enumerate(itertools.cycle(traders)):
        due = started + number / per_second
        if due >= until:
            break
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await trader.send(due)
    deadline = time.perf_counter() + 10
    while any(trader.in_flight for trader in traders):
        assert time.perf_counter() < deadline, "not all is answered"
        await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()


async def _read(trader: Trader) -> None:
    while True:
        await trader.receive()


async def one_by_one(traders: list[Trader], until: float) -> None:
    """One command in flight among all; in turn, so that no socket sends too fast."""
    for trader in itertools.cycle(traders):
        if time.perf_counter() >= until:
            return
        await trader.send(time.perf_counter())
        await trader.receive()


async def trade(order: dict[str, Any]) -> dict[str, Any]:
    sockets = [await connect(order["url"]) for _ in order["keys"]]
    traders = []
    for number, (socket, key) in enumerate(zip(sockets, order["keys"], strict=True)):
        trader = Trader(socket, order["listings"], order["seed"] + number)
        await trader.sign_in(*key)
        traders.append(trader)
    started = time.perf_counter()
    until = started + order["seconds"]
    if order.get("per_second"):
        await send_at(traders, order["per_second"], until)
    elif order["in_flight"]:
        await asyncio.gather(
            *[keep_in_flight(trader, order["in_flight"], until) for trader in traders]
        )
    else:
        await one_by_one(traders, until)
    took = time.perf_counter() - started
    for socket in sockets:
        await socket.close()
    seconds = sorted(second for trader in traders for second in trader.seconds)
    return {
        "per_second": len(seconds) / took,
        "median_ms": seconds[len(seconds) // 2] * 1_000,
        "p99_ms": seconds[len(seconds) * 99 // 100] * 1_000,
        "outcomes": dict(sum((trader.outcomes for trader in traders), Counter[str]())),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(trade(json.load(sys.stdin)))))
