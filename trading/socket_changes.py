"""Pairs, batches and changes of orders over one WebSocket, in the order they came.

Rarer than single orders and cancels (trading/socket_orders.py), so they may ask the
database what they need to know before they are handed on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async

from kernel import clock
from kernel.refusals import OutcomeUnknown, Refusal
from trading import order_bodies, order_entry, queries
from trading.commands import (
    Answer,
    CancelAll,
    CancelAllAfter,
    Command,
    OrderView,
    PlaceOrder,
    ReplaceOrder,
)
from trading.engine.refusals import OrderUnknown
from trading.engine_line import COMMAND_TIMEOUT_SECONDS
from trading.offering import Reader
from trading.order_bodies import (
    AmendMessage,
    CancelAllAfterMessage,
    CancelAllMessage,
    CancelBatchMessage,
    PairMessage,
    PlaceBatchMessage,
    ReplaceMessage,
)
from trading.order_changes import why_not_open
from trading.order_shapes import order_json
from trading.queries import ListingView
from trading.socket_guard import TooManyMessages
from trading.socket_orders import Desk, MalformedMessage, Socket

logger = logging.getLogger(__name__)

CHANGES_IN_FLIGHT_MAX = 50

Change = (
    AmendMessage
    | ReplaceMessage
    | PairMessage
    | PlaceBatchMessage
    | CancelBatchMessage
    | CancelAllMessage
    | CancelAllAfterMessage
)
TYPES = (
    "amend_order",
    "replace_order",
    "place_pair",
    "place_orders",
    "cancel_orders",
    "cancel_all",
    "cancel_all_after",
)
Asked = Command | Refusal
Told = dict[str, Any]
# What a message asks for, how long it may wait, and how its answers are told.
Plan = tuple[Sequence[Asked], float, Callable[[Sequence[Answer | Refusal]], Awaitable[Told]]]


class Changes:
    """The changes of one socket that wait for their answers."""

    def __init__(self, socket: Socket, desk: Desk) -> None:
        self._socket, self._desk = socket, desk
        self._work: set[asyncio.Task[None]] = set()

    async def start(self, message: dict[str, Any], reader: Reader, investor_id: int) -> None:
        """Hand it on; the answer comes when it comes.

        :raises Refusal: it was not handed on.
        """
        if len(self._work) >= CHANGES_IN_FLIGHT_MAX:
            raise TooManyMessages("Too many commands are waiting for their answers.")
        try:
            read = msgspec.convert(message, Change)
        except msgspec.ValidationError as error:
            raise MalformedMessage(order_bodies.invalid_body(error).message) from None
        asked, seconds, tell = await self._plan(read, reader, investor_id)
        # Submitted here, before the next message is read: only the waiting goes on aside.
        waiting = [_submit(each, seconds) for each in asked]
        task = asyncio.create_task(self._finish(message, asked, waiting, tell))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _plan(self, read: Change, reader: Reader, investor_id: int) -> Plan:
        match read:
            case AmendMessage():
                return await self._plan_amend(read, investor_id)
            case ReplaceMessage():
                order = await self._place(read.order, reader, investor_id)
                replaced = ReplaceOrder(
                    investor_id=investor_id, order_id=read.order_id, order=order
                )
                return [replaced], _seconds(read.order.deadline), self._tell_order
            case PairMessage():
                view = await self._desk.find_listing(read.first.listing, reader)
                pair = order_bodies.pair_command(
                    read, view, investor_id=investor_id, source=self._desk.source
                )
                seconds = min(_seconds(read.first.deadline), _seconds(read.second.deadline))
                return [pair], seconds, self._tell_pair
            case _:
                return await self._plan_many(read, reader, investor_id)

    async def _plan_many(
        self,
        read: PlaceBatchMessage | CancelBatchMessage | CancelAllMessage | CancelAllAfterMessage,
        reader: Reader,
        investor_id: int,
    ) -> Plan:
        match read:
            case PlaceBatchMessage():
                orders = [await self._try_place(each, reader, investor_id) for each in read.orders]
                seconds = min(_seconds(each.deadline) for each in read.orders)
                return orders, seconds, self._tell_results
            case CancelBatchMessage():
                cancels = order_bodies.cancel_commands(read, investor_id=investor_id)
                return cancels, COMMAND_TIMEOUT_SECONDS, self._tell_results
            case CancelAllMessage():
                symbol = read.listing
                if symbol is not None:
                    symbol = (await self._desk.find_listing(symbol, reader)).symbol
                all_of_them = CancelAll(investor_id=investor_id, listing=symbol)
                return [all_of_them], COMMAND_TIMEOUT_SECONDS, _tell_count
            case CancelAllAfterMessage():
                dead_man = CancelAllAfter(
                    investor_id=investor_id, timeout_seconds=read.timeout_seconds
                )
                return [dead_man], COMMAND_TIMEOUT_SECONDS, _tell_dead_man

    async def _plan_amend(self, read: AmendMessage, investor_id: int) -> Plan:
        """The order's listing says how its amounts are read."""
        if (read.order_id is None) == (read.client_order_id is None):
            raise MalformedMessage("Name either order_id or client_order_id.")
        if read.order_id is not None:
            order = await order_entry.get_order(investor_id=investor_id, order_id=read.order_id)
        else:
            assert read.client_order_id is not None
            order = await sync_to_async(queries.find_order)(
                investor_id=investor_id, client_order_id=read.client_order_id
            )
        command = order_bodies.amend_command(
            read, await _to_change(order), investor_id=investor_id, order_id=order.id
        )
        return [command], _seconds(read.deadline), self._tell_order

    async def _place(
        self, body: order_bodies.PlaceBody, reader: Reader, investor_id: int
    ) -> PlaceOrder:
        view = await self._desk.find_listing(body.listing, reader)
        return order_bodies.place_command(
            body, view, investor_id=investor_id, source=self._desk.source
        )

    async def _try_place(
        self, body: order_bodies.PlaceBody, reader: Reader, investor_id: int
    ) -> Asked:
        """One order of a batch; what cannot be read is its own refusal, not the batch's."""
        try:
            return await self._place(body, reader, investor_id)
        except Refusal as refusal:
            return refusal

    async def _finish(
        self,
        message: dict[str, Any],
        asked: Sequence[Asked],
        waiting: Sequence[asyncio.Future[Answer | Refusal]],
        tell: Callable[[Sequence[Answer | Refusal]], Awaitable[Told]],
    ) -> None:
        try:
            told = await tell(await asyncio.gather(*waiting))
        except OrderUnknown:
            self._socket.refuse(message, await sync_to_async(why_not_open)(asked[0]))
        except Refusal as refusal:
            self._socket.refuse(message, refusal)
        except Exception:
            # The task has no caller that could see it: answer, and let the log tell.
            logger.exception("a change of orders failed")
            self._socket.refuse(message, OutcomeUnknown())
        else:
            self._socket.answer(message, told)

    # What is told.

    async def _tell_order(self, answers: Sequence[Answer | Refusal]) -> Told:
        return {"type": "order", "order": await self._shown(_order(answers[0]))}

    async def _tell_pair(self, answers: Sequence[Answer | Refusal]) -> Told:
        first = _order(answers[0])
        assert isinstance(answers[0], Answer)
        second = answers[0].others[0]
        return {
            "type": "pair",
            "first": await self._shown(first),
            "second": await self._shown(second),
        }

    async def _tell_results(self, answers: Sequence[Answer | Refusal]) -> Told:
        return {"type": "results", "results": [await self._result(each) for each in answers]}

    async def _result(self, answer: Answer | Refusal) -> Told:
        try:
            return {"order": await self._shown(_order(answer))}
        except Refusal as refusal:
            return {"code": refusal.code, "message": refusal.message, "details": refusal.details}

    async def _shown(self, order: OrderView) -> Told:
        return order_json(order, await self._view_of(order.listing))

    async def _view_of(self, symbol: str) -> ListingView:
        """A listing's decimals, also when it is no longer offered here."""
        return (await sync_to_async(queries.views_by_symbol)([symbol]))[symbol]


async def _to_change(order: OrderView) -> ListingView:
    return await sync_to_async(queries.listing_to_change)(order)


def _submit(asked: Asked, seconds: float) -> asyncio.Future[Answer | Refusal]:
    """A future of the answer; a refusal to send it is that command's own."""
    waiter: asyncio.Future[Answer | Refusal] = asyncio.get_running_loop().create_future()
    if isinstance(asked, Refusal):
        waiter.set_result(asked)
        return waiter
    command = asked

    def settle(answer: Answer | None) -> None:
        if not waiter.done():
            waiter.set_result(
                OutcomeUnknown(order_id=_asked_by(command)) if answer is None else answer
            )

    try:
        order_entry.line().submit(command, seconds, settle)
    except Refusal as refusal:
        waiter.set_result(refusal)
    return waiter


def _asked_by(command: Command) -> Any:
    """The id of the order to ask for when no answer comes."""
    if isinstance(command, ReplaceOrder):
        return command.order.id
    return getattr(command, "order_id", None) or command.id


def _order(answer: Answer | Refusal) -> OrderView:
    """:raises Refusal: there is none."""
    if isinstance(answer, Refusal):
        raise answer
    return order_entry.order_of(answer)


def _details(answer: Answer | Refusal) -> dict[str, str]:
    """:raises Refusal: it was refused."""
    if isinstance(answer, Refusal) or answer.code:
        _order(answer)
    assert isinstance(answer, Answer)
    return answer.details


async def _tell_count(answers: Sequence[Answer | Refusal]) -> Told:
    return {"type": "canceled", "count": int(_details(answers[0])["count"])}


async def _tell_dead_man(answers: Sequence[Answer | Refusal]) -> Told:
    seconds = float(_details(answers[0])["at"])
    cancel_at = datetime.fromtimestamp(seconds, UTC) if seconds else None
    return {"type": "dead_man", "cancel_at": cancel_at}


def _seconds(deadline: datetime | float | None) -> float:
    return order_bodies.timeout_of(deadline, now=clock.now(), longest=COMMAND_TIMEOUT_SECONDS)
