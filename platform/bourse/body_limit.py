"""How much one request may send.

Django spools a whole body to disk before any view, permission or limit of its own
looks at it, so without this a visitor fills the disk with one endless request.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Where pictures are uploaded; nothing else that anybody sends is large.
UPLOAD_PATHS = frozenset({"/verification/documents/"})
TOO_LARGE = {"code": "body_too_large", "message": "The request is larger than is allowed here."}


class BodyLimit:
    """Answers 413 to a body that is announced too large, or turns out to be."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        limit = bytes_max(scope["path"])
        if _announced(scope) > limit:
            await _refuse(send)
            return
        counted = _Counted(receive, limit)
        await self.inner(scope, counted.receive, send)
        if counted.is_over:
            # Django took it for a visitor who left, and has sent nothing.
            await _refuse(send)


class _Counted:
    """The body as it comes in; beyond the limit the visitor seems to be gone."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left = receive, limit
        self.is_over = False

    async def receive(self) -> dict[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left >= 0:
            return message
        self.is_over = True
        return {"type": "http.disconnect"}


def bytes_max(path: str) -> int:
    if path in UPLOAD_PATHS:
        return int(settings.FILE_UPLOAD_MAX_MEMORY_SIZE)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _announced(scope: dict[str, Any]) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


async def _refuse(send: Send) -> None:
    body = json.dumps(TOO_LARGE).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what is still to come is not read
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
