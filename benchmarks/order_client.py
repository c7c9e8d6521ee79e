"""A trading program of many sockets, in a process of its own: `python -m benchmarks.order_client`.

Reads what to do as JSON from stdin and prints what it saw as JSON. Each socket signs in
with its own key and keeps some orders in flight; a fifth of what it sends cancels its
newest open order. With `per_second` the sockets together send at that rate instead, and
an answer's time counts from when its command was due.
"""

import asyncio
import base64
import gc
import hashlib
import hmac
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

CANCELS, CROSSING = 0.2, 0.5
SENT_AT_ONCE = 32
OPEN_MAX = 200  # of one socket; beyond it, it cancels
MID_TICKS, BAND_TICKS = 10_000, 40  # as benchmarks.workload's; a tick is a cent

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A


class Line(asyncio.Protocol):
    """A WebSocket's client side and no more: it must leave the processor to what is measured.

    Its mask is zero, which is a mask like any other: programs need not hide what they send.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._transport: Any = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.take: Callable[[bytes], None] = lambda message: None

    @classmethod
    async def open(cls, url: str) -> "Line":
        parts = urlsplit(url)
        _, line = await asyncio.get_running_loop().create_connection(
            cls, parts.hostname or "", parts.port or 80
        )
        key = base64.b64encode(os.urandom(16)).decode()
        line._transport.write(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await line._opened
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not self._opened.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._opened.set_result(None)
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > size:
                break
            self._take_frame(data[at], data[start : start + length])
            at = start + length
        self._rest = data[at:]

    def _take_frame(self, kind: int, payload: bytes) -> None:
        if kind == _TEXT:
            self.take(payload)
        elif kind == _PING:
            self.send(payload, _PONG)

    def send(self, payload: bytes, kind: int = _TEXT) -> None:
        size = len(payload)
        head = bytes((kind, 0x80 | size)) if size < 126 else bytes((kind, 0xFE, *divmod(size, 256)))
        self._transport.write(head + b"\0\0\0\0" + payload)

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.take = answered.set_result
        self.send(_encode(message))
        answer: dict[str, Any] = _decode(await answered)
        return answer

    def close(self) -> None:
        self.send(b"\x03\xe8", _CLOSE)
        self._transport.close()


class Trader:
    """One socket, and what it knows of its own orders."""

    def __init__(self, line: Line, listings: list[str], seed: int) -> None:
        self._line, self._listings = line, listings
        self._random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self._numbers = itertools.count(1)
        self._open: list[str] = []
        self._due: dict[int, float] = {}
        self.seconds: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.answered = asyncio.Event()
        self.goes_on_until = 0.0  # until then it sends a new command for each answer

    @property
    def in_flight(self) -> int:
        return len(self._due)

    async def sign_in(self, key: str, secret: str) -> None:
        timestamp, nonce = str(int(time.time())), str(time.time_ns())
        payload = f"{timestamp}\n{nonce}\nWS\n/ws/v1\n".encode()
        signature = hmac.new(base64.b64decode(secret), payload, hashlib.sha256).hexdigest()
        signed = {"key": key, "timestamp": timestamp, "nonce": nonce, "signature": signature}
        answer = await self._line.ask({"type": "authenticate", **signed})
        assert answer["type"] == "authenticated", answer
        self._line.take = self._take

    def send(self, due: float) -> None:
        number = next(self._numbers)
        self._due[number] = due
        wants_cancel = self._random.random() < CANCELS or len(self._open) > OPEN_MAX
        message = self._cancel() if wants_cancel and self._open else self._order()
        message["request_id"] = number
        self._line.send(_encode(message))

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

    def _take(self, message: bytes) -> None:
        answer, now = _decode(message), time.perf_counter()
        self.seconds.append(now - self._due.pop(answer["request_id"]))
        order = answer.get("order")
        self.outcomes[order["status"] if order else answer["code"]] += 1
        if order and order["status"] == "open":
            self._open.append(order["id"])
        if now < self.goes_on_until:
            self.send(now)
        else:
            self.answered.set()


async def keep_in_flight(trader: Trader, count: int, until: float) -> None:
    """As many as allowed, a new one for each answer; all are answered at the end."""
    trader.goes_on_until = until
    for _ in range(count):
        trader.send(time.perf_counter())
    while trader.in_flight:
        trader.answered.clear()
        await trader.answered.wait()


async def send_at(traders: list[Trader], per_second: float, until: float) -> None:
    """One after the other, each when it is due, however many wait for their answers.

    It wakes once in a millisecond: so much later a command may leave, and that counts too.
    """
    started = time.perf_counter()
    for number, trader in enumerate(itertools.cycle(traders)):
        due = started + number / per_second
        if due >= until:
            break
        while due > time.perf_counter():
            await asyncio.sleep(0.001)
        if number % SENT_AT_ONCE == 0:
            await asyncio.sleep(0)  # one that is behind reads its answers too
        trader.send(due)
    deadline = time.perf_counter() + 10
    while any(trader.in_flight for trader in traders):
        assert time.perf_counter() < deadline, "not all is answered"
        await asyncio.sleep(0.01)


async def one_by_one(traders: list[Trader], until: float) -> None:
    """One command in flight among all; in turn, so that no socket sends too fast."""
    for trader in itertools.cycle(traders):
        if time.perf_counter() >= until:
            return
        trader.answered.clear()
        trader.send(time.perf_counter())
        await trader.answered.wait()


async def trade(order: dict[str, Any]) -> dict[str, Any]:
    lines = [await Line.open(order["url"]) for _ in order["keys"]]
    traders = []
    for number, (line, key) in enumerate(zip(lines, order["keys"], strict=True)):
        trader = Trader(line, order["listings"], order["seed"] + number)
        await trader.sign_in(*key)
        traders.append(trader)
    gc.collect()
    gc.disable()  # a moment of its own would be counted as the venue's
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
    for line in lines:
        line.close()
    seconds = sorted(second for trader in traders for second in trader.seconds)
    return {
        "per_second": len(seconds) / took,
        "median_ms": seconds[len(seconds) // 2] * 1_000,
        "p99_ms": seconds[len(seconds) * 99 // 100] * 1_000,
        "outcomes": dict(sum((trader.outcomes for trader in traders), Counter[str]())),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(trade(json.load(sys.stdin)))))
