"""A socket's bounded queue: one slow reader is dropped and told, the others never wait."""

import asyncio
from collections import deque

# A few seconds of a busy book. Who is further behind has lost the market anyway.
MESSAGES_MAX = 1_000


class Mailbox:
    """Messages for one socket, ready as text; filled by many, emptied by its pump."""

    def __init__(self, messages_max: int = MESSAGES_MAX) -> None:
        self._messages: deque[str] = deque()
        self._messages_max = messages_max
        self._filled = asyncio.Event()
        self.is_overrun = False

    def put(self, text: str) -> None:
        """Queue a message; when the queue is full, throw it away and remember that."""
        if self.is_overrun:
            return
        if len(self._messages) >= self._messages_max:
            self._messages.clear()
            self.is_overrun = True
        else:
            self._messages.append(text)
        self._filled.set()

    def waiting(self) -> list[str]:
        """What is queued now, oldest first."""
        return list(self._messages)

    async def take(self) -> str | None:
        """The next message; None once the reader has fallen behind."""
        while not self._messages and not self.is_overrun:
            self._filled.clear()
            await self._filled.wait()
        return None if self.is_overrun else self._messages.popleft()
