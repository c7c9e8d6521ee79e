"""The WebSocket at /ws/v1: market data, own orders and balances, order entry.

A browser is known by its session cookie, a program by an `authenticate`
message. Each message is translated, handed on in one call, and answered;
docs/reference/websocket.md is the protocol. Where a socket may be opened from
is judged before it comes here (bourse.same_site).
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from accounts import api_keys
from accounts.models.api_keys import SCOPES
from accounts.queries import get_investor_for
from kernel import clock, faults
from kernel.refusals import NotFound, OutcomeUnknown, Refusal
from trading import feed_shapes, market_data, queries, socket_changes, socket_guard
from trading.frames import find_wire
from trading.mailbox import SLOW_CONSUMER_CODE, Mailbox
from trading.market_data import PRIVATE_CHANNELS, PUBLIC_CHANNELS
from trading.offering import ANYONE
from trading.queries.charts import INTERVALS_SECONDS
from trading.socket_guard import Allowance, TooManyMessages
from trading.socket_orders import Desk, MalformedMessage

logger = logging.getLogger(__name__)

MESSAGE_CHARS_MAX = 8_192
SUBSCRIPTIONS_MAX = 300
ALL_SCOPES = frozenset(SCOPES)
TOO_FAST_CODE = 4429


class MessageTooLarge(Refusal):
    """The message is too large."""

    code = "message_too_large"
    http_status = 413


class TooManySubscriptions(Refusal):
    """One socket has a limited number of subscriptions."""

    code = "too_many_subscriptions"


class NotAuthenticated(Refusal):
    """Sign in, or send an authenticate message first."""

    code = "not_authenticated"
    http_status = 401


class MarketConsumer(AsyncWebsocketConsumer):
    """One socket."""

    async def connect(self) -> None:
        self._wire = find_wire(self.scope)
        self._mailbox = Mailbox(self._wire)
        self._allowance = Allowance()
        self._desk = Desk(self, self._allowance)
        self._changes = socket_changes.Changes(self, self._desk)
        self._subscriptions: set[tuple[str, str]] = set()
        self._sent: set[tuple[str, str]] = set()  # of what there has been a snapshot
        self._has_subscribed = False
        self._investor_id: int | None = None
        self._scopes: frozenset[str] = frozenset()
        self._key_id: str | None = None
        self._reader = ANYONE
        await self._know_by_session()
        await self.accept()
        self._pump = asyncio.create_task(self._send_mail())
        self._watch = asyncio.create_task(self._look_again())
        if self._wire is not None:
            self._wire.on_text = self._desk.take_at_once

    async def disconnect(self, code: int) -> None:
        if not hasattr(self, "_pump"):
            return
        if self._wire is not None:
            self._wire.on_text = None
        if self._has_subscribed:  # else there may be no feed, and none is wanted
            market_data.get_feed().forget(self._mailbox)
        # Commands go on: what was sent is executed, and asked for by its id.
        self._pump.cancel()
        self._watch.cancel()
        await asyncio.gather(self._pump, self._watch, return_exceptions=True)

    async def _send_mail(self) -> None:
        await self._mailbox.pump(self.send)
        await self.close(code=SLOW_CONSUMER_CODE)

    # Receiving.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message: dict[str, Any] = {}
        try:
            self._allowance.take()
            message = _parse(text_data)
            await self._handle(message)
        except TooManyMessages as refusal:
            self.refuse(message, refusal)
            await asyncio.sleep(0)  # let the pump tell before the socket closes
            await self.close(code=TOO_FAST_CODE)
        except Refusal as refusal:
            self.refuse(message, refusal)
        finally:
            if self._wire is not None:
                self._wire.message_done()

    async def _handle(self, message: dict[str, Any]) -> None:
        handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "authenticate": self._authenticate,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "place_order": self._start_command,
            "cancel_order": self._start_command,
            **dict.fromkeys(socket_changes.TYPES, self._start_change),
            "ping": self._pong,
        }
        handle = handlers.get(str(message.get("type")))
        if handle is None:
            raise MalformedMessage(f"`type` is one of: {', '.join(handlers)}.")
        await handle(message)

    async def _pong(self, message: dict[str, Any]) -> None:
        self.answer(message, {"type": "pong"})

    def answer(self, message: dict[str, Any], answer: dict[str, Any]) -> None:
        if "request_id" in message:
            answer = {**answer, "request_id": message["request_id"]}
        self._mailbox.put(feed_shapes.encode(answer))
        faults.reach("web.after_answer")

    def refuse(self, message: dict[str, Any], refusal: Refusal) -> None:
        kind = "unknown" if isinstance(refusal, OutcomeUnknown) else "refused"
        answer: dict[str, Any] = {
            "type": kind,
            "code": refusal.code,
            "message": refusal.message,
        }
        named = {key: message.get(key) for key in ("channel", "listing")}
        answer |= {key: text for key, text in named.items() if isinstance(text, str)}
        if "order_id" in refusal.details:
            answer["order_id"] = refusal.details["order_id"]
        elif refusal.details:
            answer["details"] = refusal.details
        self.answer(message, answer)

    # Who it is.

    async def _know_by_session(self) -> None:
        user: Any = self.scope["user"]
        investor = await sync_to_async(get_investor_for)(user)
        if investor is not None:
            await self._know(investor.pk, ALL_SCOPES)

    async def _authenticate(self, message: dict[str, Any]) -> None:
        principal = await sync_to_async(api_keys.authenticate_websocket)(
            message=message, wall_seconds=time.time(), now=clock.now()
        )
        self._key_id = principal.key_id
        await self._know(principal.investor_id, principal.scopes)
        self.answer(message, {"type": "authenticated", "scopes": sorted(principal.scopes)})

    async def _know(self, investor_id: int, scopes: frozenset[str]) -> None:
        # Whoever was known before is not the one who listens from now on.
        self._forget_own()
        self._investor_id, self._scopes = investor_id, scopes
        self._desk.investor_id = None
        # All at once: one by one they would hold up the first orders.
        self._reader, offered = await sync_to_async(socket_guard.get_to_know)(investor_id)
        self._desk.know_offered(offered)
        self._desk.source = "web" if self._key_id is None else "api"
        self._desk.investor_id = investor_id if "trade" in scopes else None

    def _require(self, scope: str) -> int:
        """The investor, if signed in and with this scope.

        :raises NotAuthenticated, ScopeMissing: as they say.
        """
        if self._investor_id is None:
            raise NotAuthenticated
        if scope not in self._scopes:
            raise api_keys.ScopeMissing(f"This API key lacks the scope {scope}.")
        return self._investor_id

    async def _look_again(self) -> None:
        """Take back what no longer holds, also from a socket that only listens."""
        while True:
            await asyncio.sleep(socket_guard.seconds_to_next_look())
            who = (self._investor_id, self._key_id)
            if who[0] is None:
                continue
            try:
                standing = await sync_to_async(socket_guard.look_again)(
                    self.scope, investor_id=who[0], key_id=who[1], reader=self._reader
                )
            except Exception:
                # A watch that died of an outage would leave the socket unwatched for ever.
                logger.exception("a socket could not be looked at again")
                continue
            if who == (self._investor_id, self._key_id):  # no other key came meanwhile
                self._stand(standing)

    def _stand(self, standing: socket_guard.Standing) -> None:
        self._reader = standing.reader
        self._desk.know_offered(standing.offered)
        for channel, symbol in sorted(self._subscriptions):
            if symbol and symbol not in standing.offered:
                self._drop(channel, symbol)
                self.refuse({"channel": channel.split(" ")[0], "listing": symbol}, NotFound())
        if not standing.is_signed_in:
            self._forget_own()
            self._investor_id = self._desk.investor_id = None
            self.refuse({}, NotAuthenticated())

    def _forget_own(self) -> None:
        for channel, symbol in list(self._subscriptions):
            if not symbol:
                self._drop(channel, symbol)

    def _drop(self, channel: str, symbol: str) -> None:
        self._subscriptions.discard((channel, symbol))
        key: str | int = symbol or self._investor_id or 0
        market_data.get_feed().unsubscribe(self._mailbox, channel, key)

    # Subscriptions.

    async def _subscribe(self, message: dict[str, Any]) -> None:
        channel = message.get("channel")
        if channel in PRIVATE_CHANNELS:
            investor_id = self._require("read")
            self._note(channel, "")
            feed = market_data.get_feed()
            await feed.subscribe_own(self._mailbox, channel, investor_id)
            return self._end_if_dropped(channel, "", investor_id)
        if channel not in PUBLIC_CHANNELS:
            names = ", ".join([*PUBLIC_CHANNELS, *PRIVATE_CHANNELS])
            raise MalformedMessage(f"`channel` is one of: {names}.")
        if channel == "ticker" and message.get("listing") == "*":
            return await self._subscribe_all_tickers()
        topic, from_seq = _read_topic(message), _read_from_seq(message)
        view = await self._desk.find_listing(message.get("listing"), self._reader)
        self._note(topic, view.symbol)
        await market_data.get_feed().subscribe(self._mailbox, topic, view, from_seq)
        self._end_if_dropped(topic, view.symbol, view.symbol)

    def _end_if_dropped(self, channel: str, symbol: str, key: str | int) -> None:
        """It may have been taken back (`_look_again`) while its snapshot was read."""
        if (channel, symbol) not in self._subscriptions:
            market_data.get_feed().unsubscribe(self._mailbox, channel, key)

    async def _subscribe_all_tickers(self) -> None:
        views = await sync_to_async(queries.list_listings)(reader=self._reader, now=clock.now())
        for view in views:
            self._note("ticker", view.symbol)
            await market_data.get_feed().subscribe(self._mailbox, "ticker", view)
            self._end_if_dropped("ticker", view.symbol, view.symbol)

    def _note(self, channel: str, key: str) -> None:
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise TooManySubscriptions
        if (channel, key) in self._sent and channel != "ticker":
            self._allowance.take(socket_guard.AGAIN_COSTS)
        self._sent.add((channel, key))
        self._has_subscribed = True
        self._subscriptions.add((channel, key))

    async def _unsubscribe(self, message: dict[str, Any]) -> None:
        channel, listing = str(message.get("channel")), str(message.get("listing", ""))
        topic = _read_topic(message) if "interval_seconds" in message else channel
        found = [each for each in self._subscriptions if topic in (each[0], each[0].split(" ")[0])]
        if channel in PUBLIC_CHANNELS and listing != "*":
            found = [each for each in found if each[1] == listing]
        for each in found:
            self._drop(*each)

    # Commands.

    async def _start_command(self, message: dict[str, Any]) -> None:
        investor_id = self._require("trade")
        await self._desk.start(message, self._reader, investor_id)

    async def _start_change(self, message: dict[str, Any]) -> None:
        investor_id = self._require("trade")
        await self._changes.start(message, self._reader, investor_id)


def _read_topic(message: dict[str, Any]) -> str:
    """The feed's channel; candles have one for each interval."""
    if message.get("channel") != "candles":
        return str(message.get("channel"))
    interval = message.get("interval_seconds", INTERVALS_SECONDS[0])
    if not isinstance(interval, int) or interval not in INTERVALS_SECONDS:
        known = ", ".join(map(str, INTERVALS_SECONDS))
        raise MalformedMessage(f"`interval_seconds` is one of: {known}.")
    return market_data.candle_channel(interval)


def _read_from_seq(message: dict[str, Any]) -> int | None:
    seq = message.get("from_seq")
    if seq is None:
        return None
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**62:
        raise MalformedMessage("`from_seq` is a number of the feed's.")
    return seq


def _parse(text: str | None) -> dict[str, Any]:
    """A JSON object within the size limit.

    :raises MalformedMessage, MessageTooLarge: anything else.
    """
    if text is None:
        raise MalformedMessage("Send text, not binary.")
    if len(text) > MESSAGE_CHARS_MAX:
        raise MessageTooLarge(f"At most {MESSAGE_CHARS_MAX} characters.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedMessage("Send a JSON object.") from None
    if not isinstance(message, dict):
        raise MalformedMessage("Send a JSON object.")
    if "\\u" in text and not _is_storable(message):
        raise MalformedMessage("Text must not hold NUL or half of a surrogate pair.")
    if not isinstance(message.get("request_id", ""), (str, int)):
        raise MalformedMessage("request_id is a text or a number.")
    return message


def _is_storable(message: dict[str, Any]) -> bool:
    """Escapes can spell what neither the database nor an answer in UTF-8 can hold."""
    try:
        return b"\\u0000" not in json.dumps(message, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False


_application: Any = MarketConsumer.as_asgi()  # Channels routes what Django calls a view
websocket_urlpatterns = [path("ws/v1", _application)]
