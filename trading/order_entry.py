"""Order entry: the one way in, for the portal, the API and the Kraken surface.

A command is pushed to the pool's engine with a deadline and its answer comes
back after the commit of the batch that judged it. When no answer comes in time
the outcome is unknown: ask by the order's id. It never executes after its
deadline, and "not found" is final once the pool has processed beyond it.

Commands of one event loop travel in micro-batches, without retries: a push
that is repeated could be doubled, and the caller's id is there to ask by.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from redis import RedisError
from redis.asyncio import Redis

from kernel import clock, faults
from kernel.ids import uuid7
from kernel.refusals import NotFound, OutcomeUnknown, Refusal
from trading import batches, queries
from trading.commands import (
    Answer,
    Answers,
    CancelOrder,
    Command,
    Envelope,
    OrderView,
    PlaceOrder,
    commands_key,
)
from trading.engine import admission, judging, stops, throttle
from trading.engine import pool as engine_pool

logger = logging.getLogger(__name__)

# First there is one pool; with more, a listing's pool decides where its orders go.
POOL_ID = 1
COMMAND_TIMEOUT_SECONDS = 5.0
# An answer may leave the engine just before the deadline and still be on its way.
ANSWER_GRACE_SECONDS = 1.0
# Commands of this process without an answer yet: beyond it the engine is drowning.
WAITING_MAX = 20_000
# A list that no engine reads vanishes; every command in it is past its deadline by then.
COMMANDS_EXPIRE_SECONDS = 120
RECONNECT_SECONDS = 0.2

T = TypeVar("T")


class Overloaded(Refusal):
    """Too many commands are waiting. Nothing was sent; try again soon."""

    code = "overloaded"
    http_status = 503


class OrderRefused(Refusal):
    """The engine refused the command."""

    code = "order_refused"


def _refusals() -> dict[str, type[Refusal]]:
    modules = (admission, judging, engine_pool, batches, stops, throttle)
    kinds = [kind for module in modules for kind in vars(module).values()]
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
    return await _client().send(command, command.id, timeout_seconds)


async def cancel(
    command: CancelOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """Cancel an open order and return it as its batch left it.

    :raises NotFound: no such order of this investor.
    :raises trading.engine.pool.OrderNotOpen: it is closed already.
    :raises OutcomeUnknown: no answer came in time.
    """
    try:
        return await _send_cancel(command, timeout_seconds)
    except engine_pool.OrderUnknown:
        closed = await sync_to_async(_find_closed)(command)
        raise engine_pool.OrderNotOpen(status=closed.status) from None


async def get_order(*, investor_id: int, order_id: UUID) -> OrderView:
    """One order of this investor, from the database.

    :raises NotFound: not there; `details["final"]` says whether it may still come.
    """
    return await sync_to_async(_get_order)(investor_id, order_id)


def place_sync(
    command: PlaceOrder, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> OrderView:
    """`place` for code without an event loop."""
    return _in_background(place(command, timeout_seconds=timeout_seconds))


def cancel_sync(command: CancelOrder) -> OrderView:
    """`cancel` for code without an event loop."""
    try:
        return _in_background(_send_cancel(command, COMMAND_TIMEOUT_SECONDS))
    except engine_pool.OrderUnknown:
        # Read here: the background loop would ask for this very thread, which waits for it.
        closed = _find_closed(command)
        raise engine_pool.OrderNotOpen(status=closed.status) from None


def cancel_all_sync(*, investor_id: int) -> int:
    """Cancel every open order of this investor; return how many were open until then.

    :raises OutcomeUnknown: for some no answer came in time; ask again, it does no harm.
    """
    ids = queries.list_open_ids(investor_id=investor_id)
    return _in_background(_cancel_each(investor_id, ids))


def get_order_sync(*, investor_id: int, order_id: UUID) -> OrderView:
    """`get_order` for code without an event loop."""
    return _get_order(investor_id, order_id)


async def _send_cancel(command: CancelOrder, timeout_seconds: float) -> OrderView:
    return await _client().send(command, command.order_id or command.id, timeout_seconds)


async def _cancel_each(investor_id: int, ids: Sequence[UUID]) -> int:
    """Side by side, in a few batches of the engine; what closed meanwhile does not count."""
    commands = [CancelOrder(investor_id=investor_id, order_id=each) for each in ids]
    work = (_send_cancel(each, COMMAND_TIMEOUT_SECONDS) for each in commands)
    answers = await asyncio.gather(*work, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, engine_pool.OrderUnknown):
            raise answer
    return sum(isinstance(answer, OrderView) for answer in answers)


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


def _find_closed(command: CancelOrder) -> OrderView:
    if command.order_id is not None:
        return queries.get_order(investor_id=command.investor_id, order_id=command.order_id)
    assert command.client_order_id is not None
    return queries.find_order(
        investor_id=command.investor_id, client_order_id=command.client_order_id
    )


class _Client:
    """The commands of one event loop that are on their way, and who waits for each."""

    def __init__(self) -> None:
        self._channel = f"bourse:answers:{uuid7()}"
        self._waiting: dict[UUID, asyncio.Future[Answer]] = {}
        self._outgoing: list[tuple[UUID, bytes]] = []
        self._flush: asyncio.Task[None] | None = None
        self._encode = msgspec.msgpack.Encoder().encode
        self._push = Redis.from_url(settings.REDIS_URL, socket_timeout=2, retry=None)
        # No socket time-out: a quiet subscription is not a dead one.
        self._answers = Redis.from_url(settings.REDIS_URL, socket_timeout=None, retry=None)
        self._subscribed = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def send(self, command: Command, order_id: UUID, timeout_seconds: float) -> OrderView:
        """Push a command and wait for its answer until its deadline is past."""
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded
        timeout_seconds = min(timeout_seconds, batches.DEADLINE_MAX_SECONDS)
        deadline = clock.now().timestamp() + timeout_seconds
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = answer
        try:
            # Before any await: commands leave in the order in which they came.
            packed = self._encode(Envelope(command, deadline, self._channel))
            self._outgoing.append((command.id, packed))
            if self._flush is None:
                self._flush = asyncio.create_task(self._push_outgoing())
            async with asyncio.timeout(timeout_seconds + ANSWER_GRACE_SECONDS):
                answered = await answer
                faults.reach("web.before_answer")
                return _order_of(answered)
        except (TimeoutError, OutcomeUnknown):  # a cancel is asked for by its order's id
            raise OutcomeUnknown(order_id=order_id) from None
        finally:
            del self._waiting[command.id]

    async def _push_outgoing(self) -> None:
        """Push what has gathered until nothing is left; one push is under way at a time."""
        sending: list[tuple[UUID, bytes]] = []
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                await self._subscribed.wait()  # or the answers would be missed
            while self._outgoing:
                sending, self._outgoing = self._outgoing, []
                await self._push_packed([packed for _, packed in sending])
        except (RedisError, OSError) as problem:  # a TimeoutError is an OSError
            # Whether they arrived is unknown, so nothing is sent again.
            logger.error("commands could not be pushed: %s", problem)
            lost = {id for id, _ in [*sending, *self._outgoing]}
            self._outgoing = []
            self._give_up(lost)
        finally:
            self._flush = None

    async def _push_packed(self, packed: list[bytes]) -> None:
        key = commands_key(POOL_ID)
        async with self._push.pipeline(transaction=False) as pipeline:
            pipeline.rpush(key, *packed)
            pipeline.expire(key, COMMANDS_EXPIRE_SECONDS)
            faults.reach("web.before_push")
            await pipeline.execute()
            faults.reach("web.after_push")

    def _give_up(self, ids: set[UUID]) -> None:
        """Tell who waits at once, rather than at the deadline, that nobody knows."""
        for id in ids & self._waiting.keys():
            if not self._waiting[id].done():
                self._waiting[id].set_exception(OutcomeUnknown(order_id=id))

    async def _listen(self) -> None:
        """Receive answers for ever; a lost connection is opened again."""
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._answers.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    await self._receive(subscription)
            self._subscribed.clear()
            # What broke this connection has probably broken the idle ones too.
            await self._push.connection_pool.disconnect()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self, subscription: Any) -> None:
        decode = msgspec.msgpack.Decoder(Answers).decode
        async for message in subscription.listen():
            if message["type"] == "subscribe":
                self._subscribed.set()
            elif message["type"] == "message":
                for answer in decode(message["data"]).answers:
                    waiter = self._waiting.get(answer.command_id)
                    if waiter is not None and not waiter.done():
                        waiter.set_result(answer)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._push.aclose()
        await self._answers.aclose()


def _order_of(answer: Answer) -> OrderView:
    if answer.order is not None:
        return answer.order
    kind = REFUSALS.get(answer.code)
    if kind is not None:
        raise kind(answer.message, **answer.details)
    refusal = OrderRefused(answer.message, **answer.details)
    refusal.code = answer.code  # type: ignore[misc]
    raise refusal


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()


def _client() -> _Client:
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = _Client()
    return client


async def close() -> None:
    """Close this event loop's client; for tests and orderly ends."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()


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


def _in_background(work: Coroutine[Any, Any, T]) -> T:
    return _background.run(work)
