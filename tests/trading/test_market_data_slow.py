"""Who does not read is dropped and told, by the real server, and nobody waits for them."""

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from bourse import socket_protocol
from trading import mailbox, market_data, order_entry
from trading.frames import Message, text_frame

SYMBOL = "AAPLxUSDC"
FILLER = "x" * 2_000
MESSAGES = 4_000  # far more than a socket's buffers and a mailbox hold


@pytest.fixture
async def server(venue: Any, valkey_url: str) -> AsyncIterator[uvicorn.Server]:
    """The product's application, as it is served."""
    from bourse.asgi import application

    config = uvicorn.Config(
        application,
        port=0,
        lifespan="off",
        log_level="critical",
        ws="bourse.socket_protocol:SocketProtocol",
        timeout_graceful_shutdown=1,
    )
    made = uvicorn.Server(config)
    made.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(made.serve())
    while not made.started:
        await asyncio.sleep(0.01)
    yield made
    made.should_exit = True
    await serving
    await order_entry.close()
    await market_data.close()


class Client:
    """A WebSocket that reads when it is told to, through small buffers."""

    async def open(self, server: uvicorn.Server) -> "Client":
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (host, port))
        self.reader, self.writer = await asyncio.open_connection(sock=raw, limit=8_192)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET /ws/v1 HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        ask = f'{{"type":"subscribe","channel":"book","listing":"{SYMBOL}"}}'.encode()
        self.writer.write(bytes((0x81, 0x80 | len(ask), 0, 0, 0, 0)) + ask)
        assert b"snapshot" in (await self.receive())[1]
        return self

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and what it says."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)

    def close(self) -> None:
        self.writer.transport.abort()


async def flood(reader: Client) -> int:
    """Tell the book's readers more than anybody can leave lying; what `reader` got of it."""
    feed = market_data.get_feed()
    for number in range(MESSAGES):
        feed._tell("book", SYMBOL, f"{number} {FILLER}")
        opcode, said = await asyncio.wait_for(reader.receive(), timeout=5)
        assert (opcode, said) == (1, f"{number} {FILLER}".encode())
    return MESSAGES


async def test_who_does_not_read_is_told_why_and_the_others_get_everything(
    server: uvicorn.Server,
) -> None:
    sleeper, reader = await Client().open(server), await Client().open(server)

    assert await flood(reader) == MESSAGES  # each at once, while the other sleeps

    said = []
    while True:
        opcode, payload = await asyncio.wait_for(sleeper.receive(), timeout=5)
        if opcode == 8:
            break
        said.append(payload.decode())
    assert struct.unpack("!H", payload[:2])[0] == mailbox.SLOW_CONSUMER_CODE == 4408
    assert said[-1] == mailbox.SLOW_CONSUMER.text
    assert said[0].startswith("0 "), "what was on its way comes first, in its order"
    assert [int(each.split()[0]) for each in said[:-1]] == list(range(len(said) - 1))
    assert len(said) < MESSAGES - mailbox.MESSAGES_MAX / 2
    sleeper.close()
    reader.close()


async def test_who_never_reads_at_all_is_cut_off(
    server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_protocol, "GRACE_SECONDS", 0.2)
    sleeper, reader = await Client().open(server), await Client().open(server)
    assert len(server.server_state.connections) == 2

    await flood(reader)

    async def wait_until_gone() -> None:
        while len(server.server_state.connections) > 1:
            await asyncio.sleep(0.05)

    await asyncio.wait_for(wait_until_gone(), timeout=30)
    assert not sleeper.writer.is_closing()
    sleeper.close()
    reader.close()


async def test_a_mailbox_keeps_the_order_when_a_socket_has_room_again() -> None:
    wire = Wire()
    box = mailbox.Mailbox(wire)
    sending = asyncio.create_task(box.pump(wire.never))
    box.put("1")
    wire.room.clear()
    for number in (2, 3):
        box.put(str(number))
    assert wire.written == [text_frame("1")]

    wire.room.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    box.put("4")
    await asyncio.sleep(0.01)

    assert b"".join(wire.written) == b"".join(text_frame(str(number)) for number in (1, 2, 3, 4))
    sending.cancel()


async def test_too_much_text_is_as_slow_as_too_many_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailbox, "CHARS_MAX", 1_000)
    wire = Wire()
    wire.room.clear()
    box = mailbox.Mailbox(wire)
    for _ in range(3):
        box.put("x" * 400)

    assert box.is_overrun
    assert wire.expelled == [(mailbox.SLOW_CONSUMER.frame, 4408)]
    box.put("nothing more")
    assert wire.written == []


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
async def test_a_frame_is_what_the_protocol_itself_would_write(size: int) -> None:
    from websockets.frames import Frame, Opcode

    text = "ü" * (size // 2) + "x" * (size % 2)
    frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)

    assert Message(text).frame == text_frame(text) == frame


class Wire:
    """A socket that has room when it is said to."""

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self.written: list[bytes] = []
        self.expelled: list[tuple[bytes, int]] = []

    @property
    def has_room(self) -> bool:
        return self.room.is_set()

    async def wait_for_room(self) -> None:
        await self.room.wait()

    def write_frames(self, frames: bytes) -> None:
        self.written.append(frames)

    def expel(self, last: bytes, *, code: int) -> None:
        self.expelled.append((last, code))

    async def never(self, text: str) -> None:
        raise AssertionError("a wire takes frames")
