"""What waits for one socket: a slow reader is dropped and told, the others never wait.

Where the server takes frames as they are (trading/frames.py) and nothing waits,
a message is written at once. What a socket has no room for waits here, bounded
in number and in size, until its pump sends it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from trading.frames import Message, Wire

# A few seconds of a busy book. Who is further behind has lost the market anyway.
MESSAGES_MAX = 1_000
CHARS_MAX = 8 * 1024 * 1024
CHARS_AT_ONCE = 64 * 1024

SLOW_CONSUMER_CODE = 4408
SLOW_CONSUMER = Message(
    '{"type":"error","code":"slow_consumer","message":"You read too slowly and were dropped."}'
)


class Mailbox:
    """Messages for one socket; filled by many, emptied by its pump."""

    def __init__(self, wire: Wire | None = None, messages_max: int = MESSAGES_MAX) -> None:
        self._wire = wire
        self._messages: deque[Message] = deque()
        self._messages_max = messages_max
        self._chars = 0
        self._filled = asyncio.Event()
        self.is_overrun = False

    def put(self, text: str) -> None:
        """Send a message to this socket alone."""
        self.deliver(Message(text))

    def deliver(self, message: Message) -> None:
        """Write a message, or queue it; a queue that is full is thrown away, and its reader."""
        if self.is_overrun:
            return
        if self._wire is not None and not self._messages and self._wire.has_room:
            self._wire.write_frames(message.frame)
            return
        self._messages.append(message)
        self._chars += len(message.text)
        if len(self._messages) > self._messages_max or self._chars > CHARS_MAX:
            self._overrun()
        self._filled.set()

    def _overrun(self) -> None:
        self._messages.clear()
        self.is_overrun = True
        if self._wire is not None:
            self._wire.expel(SLOW_CONSUMER.frame, code=SLOW_CONSUMER_CODE)

    def waiting(self) -> list[Message]:
        """What is queued now, oldest first."""
        return list(self._messages)

    async def pump(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send what is queued, until the reader has fallen behind.

        `send` is the way for a server that takes no frames.
        """
        while not self.is_overrun:
            await self._filled.wait()
            self._filled.clear()
            while self._messages:
                if self._wire is None:
                    await send(self._take().text)
                else:
                    await self._wire.wait_for_room()
                    self._write_some(self._wire)
        if self._wire is None:
            await send(SLOW_CONSUMER.text)

    def _write_some(self, wire: Wire) -> None:
        frames, chars = [], 0
        while self._messages and chars < CHARS_AT_ONCE:
            message = self._take()
            frames.append(message.frame)
            chars += len(message.text)
        wire.write_frames(b"".join(frames))

    def _take(self) -> Message:
        message = self._messages.popleft()
        self._chars -= len(message.text)
        return message
