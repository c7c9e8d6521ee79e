"""Many readers of one book, in a process of their own: `python -m benchmarks.fanout_client`.

Reads what to do as JSON from stdin and prints what it saw as JSON. It counts frames as they
come, without a WebSocket library, so that it is no bottleneck. With a listing, the sockets
subscribe to its book, trades and ticker, and orders are put into the engine's list: one
rests, the next takes it. Few are in flight, so a batch is hardly more than one of them; and
never so far ahead that a socket would be dropped. At the end every socket must have got
every update.
"""

import asyncio
import base64
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop
from redis.asyncio import Redis

sys.path.append(str(Path(__file__).resolve().parents[1] / "platform"))

AHEAD_MAX = 64  # updates of the book that the slowest socket has not got yet
CHAINS = 2  # orders in flight
CHANNELS = ("book", "trades", "ticker")
KEPT = 100  # messages that the yardstick sends over and over
BOOK_AT, BOOK = 28, ord("b")  # in {"type":"update","channel":"book"
REPLY_TO = "bourse:answers:fanout"
DRAIN_SECONDS = 20.0


class Reader(asyncio.Protocol):
    """One socket: a handshake, then whole text frames are counted."""

    def __init__(self, host: str, path: str, hellos: list[str], kept: int) -> None:
        self._host, self._path, self._hellos = host, path, hellos
        self._buffer = b""
        self._is_open = False
        self.count = self.books = 0
        self.kept: deque[bytes] = deque(maxlen=kept)
        self.is_lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            head, mark, buffer = buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_open = True
            self.transport.write(b"".join(masked(hello) for hello in self._hellos))
        self._buffer = self._count(buffer)

    def _count(self, buffer: bytes) -> bytes:
        at, size = 0, len(buffer)
        while size - at >= 4:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if size - at < head + length:
                break
            if buffer[at] == 0x81:
                self.count += 1
                self.books += buffer[at + head + BOOK_AT] == BOOK
                self.kept.append(buffer[at + head : at + head + length])
            elif buffer[at] == 0x89:
                self.transport.write(b"\x8a\x84\0\0\0\0" + buffer[at + head : at + head + length])
            at += head + length
        return buffer[at:]

    def connection_lost(self, problem: Exception | None) -> None:
        self.is_lost = True


def masked(text: str) -> bytes:
    """A client's frame; a mask of zeros is one."""
    payload = text.encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload


class Mover:
    """Moves the book: an order rests at the best price, and another investor's takes it."""

    def __init__(self, order: dict[str, Any]) -> None:
        from trading.commands import Answers, PlaceOrder, commands_key

        self._valkey = Redis.from_url(order["valkey_url"])
        self._place, self._key = PlaceOrder, commands_key(1)
        self._listing, self._investors = order["listing"], order["investors"]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Answers).decode
        self._waiting: dict[Any, asyncio.Future[None]] = {}
        self.batches = 0  # of which each has moved the book

    async def run(self, readers: list[Reader], until: float) -> None:
        async with self._valkey.pubsub() as answers:
            await answers.subscribe(REPLY_TO)
            await answers.get_message(timeout=5)
            listening = asyncio.create_task(self._listen(answers))
            chains = [self._chain(each, readers, until) for each in range(CHAINS)]
            moving = asyncio.ensure_future(asyncio.gather(*chains))
            await asyncio.wait([moving, listening], return_when=asyncio.FIRST_COMPLETED)
            if not moving.done():
                listening.result()
            listening.cancel()
        await self._valkey.aclose()

    async def _chain(self, number: int, readers: list[Reader], until: float) -> None:
        """Asks rest and are taken on one chain, bids on the other: they never meet."""
        maker, taker = self._investors[2 * number : 2 * number + 2]
        sides, cents = (("buy", "sell"), 9_900) if number else (("sell", "buy"), 10_000)
        while time.perf_counter() < until:
            if self.batches - min(reader.books for reader in readers) >= AHEAD_MAX:
                await asyncio.sleep(0.0005)
                continue
            await self._send(maker, sides[0], cents, "gtc")
            await self._send(taker, sides[1], cents, "ioc")
            maker, taker = taker, maker
            cents = cents // 100 * 100 + (cents + 1) % 40

    async def _send(self, investor: int, side: Any, cents: int, time_in_force: Any) -> None:
        order = self._place(
            listing=self._listing,
            investor_id=investor,
            side=side,
            type="limit",
            quantity_units=10**6 * (100 + cents % 40),
            price_units=10_000 * cents,
            time_in_force=time_in_force,
        )
        answered = self._waiting[order.id] = asyncio.get_running_loop().create_future()
        envelope = (order, time.time() + 30, REPLY_TO)
        await self._valkey.rpush(self._key, self._encode(envelope))
        await answered

    async def _listen(self, answers: Any) -> None:
        async for message in answers.listen():
            self.batches += 1
            for answer in self._decode(message["data"]).answers:
                assert answer.order is not None, answer
                self._waiting.pop(answer.command_id).set_result(None)


async def listen(order: dict[str, Any]) -> dict[str, Any]:
    readers = await _connect(order)
    counts, started = [reader.count for reader in readers], time.perf_counter()
    moving = None
    if "listing" in order:
        mover = Mover(order)
        books = readers[0].books
        moving = asyncio.create_task(mover.run(readers, started + order["seconds"]))
    await asyncio.sleep(order["seconds"])
    took = time.perf_counter() - started
    delivered = sum(reader.count for reader in readers) - sum(counts)
    if moving is not None:
        await moving
        await _drain(readers, books + mover.batches)
    assert not any(reader.is_lost for reader in readers), "a socket was dropped"
    for reader in readers:
        reader.transport.abort()
    messages = [message.decode() for message in readers[0].kept]
    return {"per_second": delivered / took, "messages": messages}


async def _connect(order: dict[str, Any]) -> list[Reader]:
    """Every socket, each with its first messages."""
    url, readers = urlsplit(order["url"]), []
    wanted = [
        json.dumps({"type": "subscribe", "channel": each, "listing": order.get("listing", "")})
        for each in CHANNELS
    ]
    for number in range(order["sockets"]):
        reader = Reader(url.netloc, url.path, wanted, kept=0 if number else KEPT)
        connect = asyncio.get_running_loop().create_connection
        await connect(lambda made=reader: made, url.hostname, url.port)
        readers.append(reader)
    while min(reader.count for reader in readers) < len(CHANNELS):
        await asyncio.sleep(0.01)
    return readers


async def _drain(readers: list[Reader], wanted: int) -> None:
    """:raises AssertionError: a socket did not get every update of the book."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    while any(reader.books < wanted for reader in readers):
        assert time.perf_counter() < deadline, "not every socket got every update"
        await asyncio.sleep(0.01)
    assert {reader.books for reader in readers} == {wanted}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(listen(json.load(sys.stdin)))))
