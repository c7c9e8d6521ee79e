"""Order entry beyond a single order: amend, replace, pairs, batches, cancel all, dead man.

Everything takes the line of trading/order_entry.py. A batch is several commands side
by side, each judged by itself; whatever else is one command is done whole or not at all.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from asgiref.sync import sync_to_async

from kernel.refusals import NotFound, Refusal
from trading import queries
from trading.commands import (
    AmendOrder,
    Answer,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    OrderView,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine.refusals import OrderNotOpen, OrderUnknown
from trading.engine_line import COMMAND_TIMEOUT_SECONDS
from trading.order_entry import in_background, line, order_of

Result = OrderView | Refusal


async def amend(
    command: AmendOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """Change an open order; it is returned as its batch left it.

    :raises NotFound: no such order of this investor.
    :raises trading.engine.refusals.OrderNotOpen: it is closed already.
    :raises Refusal: the engine's; the order stands as it was.
    """
    try:
        return order_of(await _ask(command, command.order_id, timeout_seconds))
    except OrderUnknown:
        raise await sync_to_async(why_not_open)(command) from None


def amend_sync(
    command: AmendOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """`amend` for code without an event loop."""
    try:
        return order_of(in_background(_ask(command, command.order_id, timeout_seconds)))
    except OrderUnknown:
        raise why_not_open(command) from None


async def replace(
    command: ReplaceOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """Cancel an open order and place another in its stead; return the new one.

    :raises Refusal: as `amend`; the old order stands as it was.
    """
    try:
        return order_of(await _ask(command, command.order.id, timeout_seconds))
    except OrderUnknown:
        raise await sync_to_async(why_not_open)(command) from None


def replace_sync(
    command: ReplaceOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """`replace` for code without an event loop."""
    try:
        return order_of(in_background(_ask(command, command.order.id, timeout_seconds)))
    except OrderUnknown:
        raise why_not_open(command) from None


async def place_pair(
    command: PlacePair, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> tuple[OrderView, OrderView]:
    """Place two orders of which one cancels the other, both or none.

    :raises Refusal: the engine's; nothing was placed.
    """
    answer = await _ask(command, command.first.id, timeout_seconds)
    first = order_of(answer)
    return first, answer.others[0]


def place_pair_sync(
    command: PlacePair, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> tuple[OrderView, OrderView]:
    """`place_pair` for code without an event loop."""
    return in_background(place_pair(command, timeout_seconds=timeout_seconds))


async def send_batch(
    commands: Sequence[PlaceOrder | CancelOrder],
    *,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
) -> list[Result]:
    """What became of each, in their order: the order, or why not. They leave together."""
    work = [_ask(command, _order_id(command), timeout_seconds) for command in commands]
    answers = await asyncio.gather(*work, return_exceptions=True)
    return [_result(answer) for answer in answers]


def send_batch_sync(
    commands: Sequence[PlaceOrder | CancelOrder],
    *,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
) -> list[Result]:
    """`send_batch` for code without an event loop."""
    return in_background(send_batch(commands, timeout_seconds=timeout_seconds))


async def cancel_all(command: CancelAll) -> int:
    """Cancel every open order of an investor, or those in one listing; how many there were."""
    answer = await _ask(command, None, COMMAND_TIMEOUT_SECONDS)
    return int(_details(answer)["count"])


def cancel_all_sync(command: CancelAll) -> int:
    """`cancel_all` for code without an event loop."""
    return in_background(cancel_all(command))


async def cancel_all_after(command: CancelAllAfter) -> datetime | None:
    """Set the dead-man switch; when it goes off, or None when it is off now."""
    answer = await _ask(command, None, COMMAND_TIMEOUT_SECONDS)
    seconds = float(_details(answer)["at"])
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def cancel_all_after_sync(command: CancelAllAfter) -> datetime | None:
    """`cancel_all_after` for code without an event loop."""
    return in_background(cancel_all_after(command))


async def _ask(command: Command, order_id: UUID | None, timeout_seconds: float) -> Answer:
    return await line().send(command, order_id or command.id, timeout_seconds)


def _order_id(command: PlaceOrder | CancelOrder) -> UUID | None:
    return command.id if isinstance(command, PlaceOrder) else command.order_id


def _result(answer: Answer | BaseException) -> Result:
    if isinstance(answer, Refusal):
        return answer
    if isinstance(answer, BaseException):
        raise answer
    try:
        return order_of(answer)
    except Refusal as refusal:
        return refusal


def _details(answer: Answer) -> dict[str, str]:
    """:raises Refusal: the command was refused."""
    if answer.code:
        order_of(answer)
    return answer.details


def why_not_open(command: object) -> Refusal:
    """What the engine does not know (any more): closed some time ago, or never there."""
    assert isinstance(command, AmendOrder | ReplaceOrder), "only these name one order"
    client_order_id = command.client_order_id if isinstance(command, AmendOrder) else None
    try:
        if command.order_id is not None:
            found = queries.get_order(investor_id=command.investor_id, order_id=command.order_id)
        else:
            assert client_order_id is not None
            found = queries.find_order(
                investor_id=command.investor_id, client_order_id=client_order_id
            )
    except NotFound as missing:
        return missing
    return OrderNotOpen(status=found.status)
