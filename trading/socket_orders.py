"""Orders over one WebSocket: read, handed on in the order they came, answered when they are.

A message goes the short way where everything is known already: it is decoded right from
its bytes and is with the engine's line before the next one is read. What needs the
database first, and whatever is wrong, goes the long way, which says so in words; while
one is on the long way nothing behind it takes the short one.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol

import msgspec
from asgiref.sync import sync_to_async

from kernel import clock
from kernel.refusals import OutcomeUnknown, Refusal
from trading import order_entry, queries, socket_guard
from trading.commands import Answer, CancelOrder, OrderView, PlaceOrder, Source
from trading.engine.refusals import OrderUnknown
from trading.engine_line import COMMAND_TIMEOUT_SECONDS, EngineLine
from trading.offering import Reader
from trading.order_bodies import (
    CancelMessage,
    PlaceMessage,
    RequestId,
    invalid_body,
    place_command,
    timeout_of,
)
from trading.order_shapes import order_json
from trading.queries import ListingView
from trading.queries.listings import views_by_symbol
from trading.socket_guard import Allowance, TooManyMessages

logger = logging.getLogger(__name__)

MESSAGE_BYTES_MAX = 8_192
COMMANDS_IN_FLIGHT_MAX = 200

Message = PlaceMessage | CancelMessage
_decode = msgspec.json.Decoder(Message).decode


class MalformedMessage(Refusal):
    """The message is not understood."""

    code = "malformed_message"
    http_status = 400


class Socket(Protocol):
    """What of the socket is needed here."""

    def answer(self, message: dict[str, Any], answer: dict[str, Any]) -> None: ...

    def refuse(self, message: dict[str, Any], refusal: Refusal) -> None: ...


class Desk:
    """The orders of one socket."""

    def __init__(self, socket: Socket, allowance: Allowance) -> None:
        self._socket, self._allowance = socket, allowance
        self._line: EngineLine | None = None
        self._in_flight = 0
        self._work: set[asyncio.Task[None]] = set()
        self._offered: dict[str, tuple[float, ListingView]] = {}
        self._views: dict[str, ListingView] = {}
        self.investor_id: int | None = None  # who may trade here; None: nobody
        self.source: Source = "web"

    # Which listings there are.

    async def find_listing(self, symbol: object, reader: Reader) -> ListingView:
        """The listing named, as far as it is offered to this reader.

        :raises MalformedMessage, kernel.refusals.NotFound: as they say.
        """
        if not isinstance(symbol, str):
            raise MalformedMessage("Name the `listing`, such as AAPLxUSDC.")
        view = self._known(symbol)
        if view is None:
            view = await sync_to_async(queries.get_listing)(symbol=symbol, reader=reader)
            # Bounded by the listings that exist: an unknown name has raised.
            self._remember(symbol, view)
        return view

    def _known(self, symbol: str) -> ListingView | None:
        until, view = self._offered.get(symbol, (0.0, None))
        return view if until > time.monotonic() else None

    def _remember(self, symbol: str, view: ListingView) -> None:
        self._offered[symbol] = (time.monotonic() + 2 * socket_guard.RECHECK_SECONDS, view)
        self._views[view.symbol] = view

    def know_offered(self, views: dict[str, ListingView]) -> None:
        """What is offered has been read anew; what is not, is not known any more."""
        self._offered.clear()
        for symbol, view in views.items():
            self._remember(symbol, view)

    # The short way.

    def take_at_once(self, text: bytes) -> bool:
        """Hand an order on, or its cancel; False: it has to go the long way."""
        if self.investor_id is None or self._in_flight >= COMMANDS_IN_FLIGHT_MAX:
            return False
        # Escapes can spell what neither the database nor an answer can hold.
        if len(text) > MESSAGE_BYTES_MAX or b"\\u" in text:
            return False
        try:
            message = _decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        view = None
        if type(message) is PlaceMessage:
            view = self._known(message.listing)
            if view is None:
                return False
        if not self._allowance.has_one():
            return False
        self._allowance.take()
        request = _request(message.request_id)
        try:
            self._hand_on(message, view, request, self.investor_id)
        except Refusal as refusal:
            self._socket.refuse(request, refusal)
        return True

    # The long way.

    async def start(self, message: dict[str, Any], reader: Reader, investor_id: int) -> None:
        """:raises Refusal: it was not handed on."""
        if self._in_flight >= COMMANDS_IN_FLIGHT_MAX:
            raise TooManyMessages("Too many commands are waiting for their answers.")
        try:
            read: Message = msgspec.convert(message, Message)
        except msgspec.ValidationError as error:
            raise MalformedMessage(invalid_body(error).message) from None
        view = None
        if isinstance(read, PlaceMessage):
            view = await self.find_listing(read.listing, reader)
        self._hand_on(read, view, _request(read.request_id), investor_id)

    # Both ways.

    def _hand_on(
        self, message: Message, view: ListingView | None, request: dict[str, Any], investor_id: int
    ) -> None:
        seconds = COMMAND_TIMEOUT_SECONDS
        command: PlaceOrder | CancelOrder
        if isinstance(message, PlaceMessage):
            assert view is not None
            command = place_command(message, view, investor_id=investor_id, source=self.source)
            if message.deadline is not None:
                seconds = timeout_of(message.deadline, now=clock.now(), longest=seconds)
        else:
            if (message.order_id is None) == (message.client_order_id is None):
                raise MalformedMessage("Name either order_id or client_order_id.")
            command = CancelOrder(
                investor_id=investor_id,
                order_id=message.order_id,
                client_order_id=message.client_order_id,
            )
        if self._line is None:  # kept: to ask which loop is running costs a system call
            self._line = order_entry.line()
        self._line.submit(command, seconds, partial(self._finish, request, command))
        self._in_flight += 1

    def _finish(
        self, request: dict[str, Any], command: PlaceOrder | CancelOrder, answer: Answer | None
    ) -> None:
        """Answer the client; what has to be read for it is read aside."""
        self._in_flight -= 1
        if answer is None:
            asked = command.order_id if isinstance(command, CancelOrder) else None
            self._socket.refuse(request, OutcomeUnknown(order_id=asked or command.id))
            return
        try:
            order = order_entry.order_of(answer)
        except OrderUnknown as unknown:
            if isinstance(command, CancelOrder):
                self._aside(request, self._tell_closed(request, command))
            else:
                self._socket.refuse(request, unknown)
        except Refusal as refusal:
            self._socket.refuse(request, refusal)
        else:
            view = self._views.get(order.listing)
            if view is None:
                self._aside(request, self._tell_elsewhere(request, order))
            else:
                self._tell(request, order, view)

    def _tell(self, request: dict[str, Any], order: OrderView, view: ListingView) -> None:
        self._socket.answer(request, {"type": "order", "order": order_json(order, view)})

    async def _tell_closed(self, request: dict[str, Any], command: CancelOrder) -> None:
        await order_entry.raise_closed(command)

    async def _tell_elsewhere(self, request: dict[str, Any], order: OrderView) -> None:
        """A listing's decimals, also when it is no longer offered here."""
        self._views.update(await sync_to_async(views_by_symbol)([order.listing]))
        self._tell(request, order, self._views[order.listing])

    def _aside(self, request: dict[str, Any], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._see_through(request, work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _see_through(self, request: dict[str, Any], work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Refusal as refusal:
            self._socket.refuse(request, refusal)
        except Exception:
            # The task has no caller that could see it: answer, and let the log tell.
            logger.exception("a command failed")
            self._socket.refuse(request, OutcomeUnknown())


def _request(request_id: RequestId) -> dict[str, Any]:
    """What an answer repeats of its message."""
    return {} if request_id is msgspec.UNSET else {"request_id": request_id}
