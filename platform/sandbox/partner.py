"""A partner's program: signed requests to /api/v1 and a signed socket on /ws/v1.

What any partner would write against docs/reference/http-api.md and websocket.md;
it imports nothing of the platform.
"""

import asyncio
import base64
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

HTTP_TIMEOUT_SECONDS = 10
ANSWER_TIMEOUT_SECONDS = 15
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
# The platform closes sockets that send more than 200 messages a second for long.
MESSAGES_PER_SECOND = 150.0
MESSAGES_AT_ONCE = 600.0
SOCKET_PATH = "/ws/v1"

Message = dict[str, Any]


class Disconnected(Exception):
    """The platform is not there, or the socket closed."""


class Refused(Exception):
    """The platform said no; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as `manage.py create_api_key` prints it."""

    key: str
    secret: str

    def sign(self, *, method: str, target: str, body: bytes, nonce: int) -> dict[str, str]:
        """Timestamp, nonce and signature of one request."""
        # Real time: the platform judges a signature's age by it, whatever the sandbox's clock says.
        timestamp = str(int(time.time()))
        payload = f"{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
        signature = hmac.digest(base64.b64decode(self.secret), payload, "sha256").hex()
        return {"timestamp": timestamp, "nonce": str(nonce), "signature": signature}


class Pace:
    """Lets a burst through and then no more than MESSAGES_PER_SECOND."""

    def __init__(self) -> None:
        self._left = MESSAGES_AT_ONCE
        self._seen = time.monotonic()

    async def wait(self) -> None:
        """Return when the next message may be sent."""
        at = time.monotonic()
        refilled = self._left + (at - self._seen) * MESSAGES_PER_SECOND
        self._left, self._seen = min(refilled, MESSAGES_AT_ONCE) - 1, at
        if self._left < 0:
            await asyncio.sleep(-self._left / MESSAGES_PER_SECOND)


class Nonces:
    """Strictly increasing, also over restarts of this program: nanoseconds of real time."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, time.time_ns())
        return self._last


class Partner:
    """Reads by HTTP; one key, one nonce counter for HTTP and socket alike."""

    def __init__(self, *, web: str, key: Key) -> None:
        self._web = web.rstrip("/")
        self._key = key
        self._nonces = Nonces()
        self._http = httpx.AsyncClient(base_url=self._web, timeout=HTTP_TIMEOUT_SECONDS)

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, target: str, *, signed: bool = False) -> Any:
        """The JSON of `target` (path and query).

        :raises Disconnected: no answer, or not one of the API's.
        :raises Refused: the platform's refusal.
        """
        headers = self._headers(target) if signed else {}
        try:
            answer = await self._http.get(target, headers=headers)
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Disconnected(str(error)) from error
        if answer.status_code >= 500:
            raise Disconnected(f"{target} answered {answer.status_code}")
        if answer.is_error:
            raise Refused(content.get("code", ""), content.get("message", ""))
        return content

    @asynccontextmanager
    async def socket(self, on_update: Callable[[Message], None]) -> AsyncIterator["Socket"]:
        """An authenticated socket; `on_update` gets snapshots and updates of subscriptions.

        :raises Disconnected: it cannot be opened; also raised out of a waiting call when it closes.
        """
        parts = urlsplit(self._web)
        scheme = "wss" if parts.scheme == "https" else "ws"
        try:
            async with websockets.connect(
                f"{scheme}://{parts.netloc}{SOCKET_PATH}", max_size=MESSAGE_BYTES_MAX, proxy=None
            ) as connection:
                socket = Socket(connection, on_update)
                reading = asyncio.create_task(socket.read())
                try:
                    await socket.authenticate(self._key, self._nonces.next())
                    yield socket
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            raise Disconnected(str(error)) from error

    def _headers(self, target: str) -> dict[str, str]:
        signed = self._key.sign(method="GET", target=target, body=b"", nonce=self._nonces.next())
        return {
            "Bourse-Key": self._key.key,
            "Bourse-Timestamp": signed["timestamp"],
            "Bourse-Nonce": signed["nonce"],
            "Bourse-Signature": signed["signature"],
        }


class Socket:
    """Requests over /ws/v1, each matched to its answer by `request_id`."""

    def __init__(self, connection: ClientConnection, on_update: Callable[[Message], None]) -> None:
        self._connection = connection
        self._on_update = on_update
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._authenticated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count(1)
        self._closed = asyncio.Event()
        self._pace = Pace()

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    async def authenticate(self, key: Key, nonce: int) -> None:
        """The first message; its answer is awaited.

        :raises Refused: the key is not accepted.
        """
        signed = key.sign(method="WS", target=SOCKET_PATH, body=b"", nonce=nonce)
        await self._send({"type": "authenticate", "key": key.key, **signed})
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            await self._authenticated

    async def subscribe(self, channel: str, **named: str) -> None:
        await self._send({"type": "subscribe", "channel": channel, **named})

    async def ask(self, message: Message) -> Message:
        """Send a request and wait for its answer.

        :raises Refused: the platform's refusal.
        :raises Disconnected: the socket closed before the answer, or nobody knows the outcome.
        """
        await self._pace.wait()
        request_id = str(next(self._numbers))
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        try:
            await self._send({**message, "request_id": request_id})
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                answer = await future
        finally:
            self._waiting.pop(request_id, None)
        if answer["type"] == "refused":
            raise Refused(answer.get("code", ""), answer.get("message", ""))
        if answer["type"] == "unknown":
            raise Disconnected(answer.get("message", ""))
        return answer

    async def read(self) -> None:
        """Hand every message to who waits for it, until the socket closes."""
        try:
            async for text in self._connection:
                self._take(json.loads(text))
        except websockets.WebSocketException:
            pass  # closed: told below to everybody who waits
        finally:
            self._closed.set()
            self._fail_waiting(Disconnected("the socket closed"))

    def _take(self, message: Message) -> None:
        waiting = self._waiting.get(str(message.get("request_id", "")))
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(message)
        elif message["type"] == "authenticated":
            self._authenticated.set_result(None)
        elif message["type"] == "refused" and not self._authenticated.done():
            refusal = Refused(message.get("code", ""), message.get("message", ""))
            self._authenticated.set_exception(refusal)
        else:
            self._on_update(message)

    def _fail_waiting(self, error: Exception) -> None:
        futures: list[asyncio.Future[Any]] = [*self._waiting.values(), self._authenticated]
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: nobody may be waiting any more

    async def _send(self, message: Message) -> None:
        try:
            await self._connection.send(json.dumps(message))
        except websockets.WebSocketException as error:
            raise Disconnected(str(error)) from error
