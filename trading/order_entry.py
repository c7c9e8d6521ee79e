"""Order entry: the one way in, for the portal, the API and the Kraken surface.

A command is pushed to the pool's engine with a deadline and its answer comes
back after the commit of the batch that judged it. When no answer comes in time
the outcome is unknown: ask by the order's id. It never executes after its
deadline, and "not found" is final once the pool has processed beyond it.

How a command travels: trading/engine_line.py.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from kernel import clock
from kernel.refusals import NotFound, Refusal
from trading import batch_refusals, batches, queries
from trading.commands import (
    Answer,
    CancelOrder,
    OrderView,
    PlaceOrder,
)
from trading.engine import refusals as engine_refusals
from trading.engine_line import COMMAND_TIMEOUT_SECONDS, EngineLine

T = TypeVar("T")


class OrderRefused(Refusal):
    """The engine refused the command."""

    code = "order_refused"


def _refusals() -> dict[str, type[Refusal]]:
    kinds = [kind for module in (engine_refusals, batch_refusals) for kind in vars(module).values()]
    return {
        kind.code: kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }


REFUSALS = _refusals()


async def place(
    command: PlaceOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """Place an order and return it as its batch left it.

    :raises Refusal: the engine's refusal, by its own class.
    :raises OutcomeUnknown: no answer came in time; `details["order_id"]`.
    """
    return order_of(await line().send(command, command.id, timeout_seconds))


async def cancel(
    command: CancelOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """Cancel an open order and return it as its batch left it.

    :raises NotFound: no such order of this investor.
    :raises trading.engine.refusals.OrderNotOpen: it is closed already.
    :raises OutcomeUnknown: no answer came in time.
    """
    try:
        return await _send_cancel(command, timeout_seconds)
    except engine_refusals.OrderUnknown:
        await raise_closed(command)
        raise


async def raise_closed(command: CancelOrder) -> None:
    """Say why the engine does not know what is to be canceled.

    :raises NotFound: no such order of this investor.
    :raises trading.engine.refusals.OrderNotOpen: it is closed already.
    """
    status = await sync_to_async(_find_status)(command)
    raise engine_refusals.OrderNotOpen(status=status) from None


async def get_order(*, investor_id: int, order_id: UUID) -> OrderView:
    """One order of this investor, from the database.

    :raises NotFound: not there; `details["final"]` says whether it may still come.
    """
    return await sync_to_async(_get_order)(investor_id, order_id)


def place_sync(
    command: PlaceOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """`place` for code without an event loop."""
    return in_background(place(command, timeout_seconds=timeout_seconds))


def cancel_sync(command: CancelOrder) -> OrderView:
    """`cancel` for code without an event loop."""
    try:
        return in_background(_send_cancel(command, COMMAND_TIMEOUT_SECONDS))
    except engine_refusals.OrderUnknown:
        # Read here: the background loop would ask for this very thread, which waits for it.
        raise engine_refusals.OrderNotOpen(status=_find_status(command)) from None


def get_order_sync(*, investor_id: int, order_id: UUID) -> OrderView:
    """`get_order` for code without an event loop."""
    return _get_order(investor_id, order_id)


async def _send_cancel(command: CancelOrder, timeout_seconds: float) -> OrderView:
    order_id = command.order_id or command.id
    return order_of(await line().send(command, order_id, timeout_seconds))


def _get_order(investor_id: int, order_id: UUID) -> OrderView:
    try:
        return queries.get_order(investor_id=investor_id, order_id=order_id)
    except NotFound as missing:
        processed_until = missing.details.get("processed_until")
        assert processed_until is None or isinstance(processed_until, datetime)
        final = processed_until is not None and _deadline_of(order_id) < processed_until.timestamp()
        raise NotFound(missing.message, final=final) from None


def _deadline_of(order_id: UUID) -> float:
    """The latest deadline that a command with this UUIDv7 can have had, in kernel time."""
    # Ids carry real time. The sandbox's clock only moves forward, so its offset of
    # now is at least the offset of then: the answer errs towards "not final yet".
    offset = clock.now().timestamp() - time.time()
    return (order_id.int >> 80) / 1_000 + offset + batches.DEADLINE_MAX_SECONDS


def _find_status(command: CancelOrder) -> str:
    if command.order_id is not None:
        return queries.get_status(investor_id=command.investor_id, order_id=command.order_id)
    assert command.client_order_id is not None
    return queries.find_order(
        investor_id=command.investor_id, client_order_id=command.client_order_id
    ).status


def order_of(answer: Answer) -> OrderView:
    """The order that an answer is about.

    :raises Refusal: the engine's refusal, by its own class.
    """
    if answer.order is not None:
        return answer.order
    kind = REFUSALS.get(answer.code)
    if kind is not None:
        raise kind(answer.message, **answer.details)
    refusal = OrderRefused(answer.message, **answer.details)
    refusal.code = answer.code  # type: ignore[misc]
    raise refusal


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, EngineLine] = WeakKeyDictionary()


def line() -> EngineLine:
    """The running event loop's line to the engine, opened on first use."""
    loop = asyncio.get_running_loop()
    found = _lines.get(loop)
    if found is None:
        found = _lines[loop] = EngineLine()
    return found


async def close() -> None:
    """Close this event loop's line; for tests and orderly ends."""
    found = _lines.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


class _Background:
    """One thread with an event loop, for all callers of this process that have none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._running_loop()).result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # A forked worker inherits the loop but not the thread that ran it.
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="order-entry", daemon=True
                )
                self._thread.start()
            return self._loop


_background = _Background()


def in_background(work: Coroutine[Any, Any, T]) -> T:
    return _background.run(work)
