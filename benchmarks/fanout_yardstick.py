"""The yardstick of market_data_fanout: uvicorn, and an application that does nothing but send.

Every socket that says anything is sent the same messages, over and over, one socket after
the other, as fast as uvicorn takes them.
"""

import asyncio
import itertools
import json
import os
from typing import Any

MESSAGES = json.loads(os.environ["FANOUT_MESSAGES"])
EVENTS = [{"type": "websocket.send", "text": message} for message in MESSAGES]

_sends: dict[Any, None] = {}
_tasks: list[asyncio.Task[None]] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    """One socket."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        assert message["type"] == "websocket.receive"
        _sends[send] = None
        if not _tasks:
            _tasks.append(asyncio.create_task(_broadcast()))
    _sends.pop(send, None)


async def _broadcast() -> None:
    for event in itertools.cycle(EVENTS):
        for send in list(_sends):
            try:
                await send(event)
            except Exception:
                _sends.pop(send, None)
        await asyncio.sleep(0 if _sends else 0.01)
