"""The line between one event loop and the engine: commands out, answers in.

Commands travel in micro-batches, without retries: a push that is repeated could
be doubled, and the caller's id is there to ask by. One message brings all of a
batch's answers to this process.

Nothing here grows without end. Beyond a number of commands that wait, here or in
the engine's list, orders are refused before they are sent; cancels still go, since
they only take work away, up to a limit further out.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from redis import RedisError
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection

from kernel import clock, faults
from kernel.ids import uuid7
from kernel.refusals import OutcomeUnknown, Refusal
from trading import batches
from trading.commands import Answer, Answers, Command, Envelope, commands_key
from trading.pool_routes import PoolRoutes, merge

logger = logging.getLogger(__name__)

COMMAND_TIMEOUT_SECONDS = 5.0
# An answer may leave the engine just before the deadline and still be on its way.
ANSWER_GRACE_SECONDS = 1.0
PUSH_SECONDS = 2.0
SWEEP_SECONDS = 0.1  # how often it is looked for commands whose time is over
# Commands of this process without an answer yet: beyond it the engine is drowning.
WAITING_MAX = 20_000
# Commands of all processes in the engine's list, some seconds of its work.
BACKLOG_MAX = 20_000
CANCELS_MAX = 2  # cancels are taken up to this many times as many
BACKLOG_KNOWN_SECONDS = 0.1  # after that an order is let through to see
# A list that no engine reads vanishes; every command in it is past its deadline by then.
COMMANDS_EXPIRE_SECONDS = 120
RECONNECT_SECONDS = 0.2

# Called once with the answer, or with None when nobody knows what became of the command.
Settle = Callable[[Answer | None], None]


class Overloaded(Refusal):
    """Too many commands are waiting. Nothing was sent; try again soon."""

    code = "overloaded"
    http_status = 503


class EngineLine:
    """The commands of one event loop that are on their way, and who waits for each."""

    def __init__(self) -> None:
        self._channel = f"bourse:answers:{uuid7()}"
        self._routes = PoolRoutes()
        # Of commands that went to several pools: how many answer, and the answers so far.
        self._spread: dict[UUID, tuple[int, list[Answer]]] = {}
        self._waiting: dict[UUID, tuple[float, Settle]] = {}
        self._outgoing: list[tuple[Command, bytes]] = []
        self._backlog, self._backlog_seen = 0, 0.0
        self._flush: asyncio.Task[None] | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._encode = msgspec.msgpack.Encoder().encode
        self._loop = asyncio.get_running_loop()
        # Plain connections: a client's retries, pools and callbacks cost more than the wire.
        pool = ConnectionPool.from_url(
            settings.REDIS_URL, protocol=2, socket_timeout=None, retry=None
        )
        self._connections = cast("Any", pool)  # its methods have no types
        self._push: Any = self._connections.make_connection()
        self._subscribed = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def send(self, command: Command, order_id: UUID, timeout_seconds: float) -> Answer:
        """Push a command and wait for its answer until its deadline is past.

        :raises OutcomeUnknown, Overloaded: as they say.
        """
        waiter: asyncio.Future[Answer | None] = self._loop.create_future()

        def settle(answer: Answer | None) -> None:
            if not waiter.done():
                waiter.set_result(answer)

        self.submit(command, timeout_seconds, settle)
        try:
            answer = await waiter
        finally:
            self._waiting.pop(command.id, None)
        if answer is None:  # a cancel is asked for by its order's id
            raise OutcomeUnknown(order_id=order_id)
        return answer

    def submit(self, command: Command, timeout_seconds: float, settle: Settle) -> None:
        """Push a command; `settle` is told its answer. They leave in the order they come.

        :raises Overloaded: nothing was sent.
        """
        self._check_room(is_cancel=isinstance(command, batches.ONLY_CANCEL))
        timeout_seconds = min(timeout_seconds, batches.DEADLINE_MAX_SECONDS)
        deadline = clock.now().timestamp() + timeout_seconds
        give_up_at = self._loop.time() + timeout_seconds + ANSWER_GRACE_SECONDS
        self._waiting[command.id] = (give_up_at, settle)
        packed = self._encode(Envelope(command, deadline, self._channel))
        self._outgoing.append((command, packed))
        if self._flush is None:
            self._flush = self._loop.create_task(self._push_outgoing())
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up_late)

    def _check_room(self, *, is_cancel: bool) -> None:
        """Orders are refused before cancels.

        :raises Overloaded: as it says.
        """
        factor = CANCELS_MAX if is_cancel else 1
        if len(self._waiting) >= factor * WAITING_MAX:
            raise Overloaded
        is_known = time.monotonic() - self._backlog_seen < BACKLOG_KNOWN_SECONDS
        if is_known and self._backlog >= factor * BACKLOG_MAX:
            raise Overloaded

    # Out.

    async def _push_outgoing(self) -> None:
        """Push what has gathered until nothing is left; one push is under way at a time."""
        sending: list[tuple[Command, bytes]] = []
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                await self._subscribed.wait()  # or the answers would be missed
            while self._outgoing:
                sending, self._outgoing = self._outgoing, []
                by_pool = await self._split(sending)
                async with asyncio.timeout(PUSH_SECONDS):
                    for pool_id, packed in by_pool.items():
                        await self._push_packed(commands_key(pool_id), packed)
        # A TimeoutError is an OSError; an InterfaceError (a line cut in use) is no DatabaseError.
        except (RedisError, OSError, DatabaseError, InterfaceError) as problem:
            # Whether they arrived is unknown, so nothing is sent again.
            logger.error("commands could not be pushed: %s", problem)
            await self._push.disconnect(nowait=True)
            lost = [command.id for command, _ in [*sending, *self._outgoing]]
            self._outgoing = []
            for id in lost:
                self._settle(id, None)
        finally:
            self._flush = None

    async def _split(self, sending: list[tuple[Command, bytes]]) -> dict[int, list[bytes]]:
        """What goes to which pool, each in the order in which it came."""
        by_pool: dict[int, list[bytes]] = {}
        pools = await self._routes.find_all([command for command, _ in sending])
        for (command, packed), wanted in zip(sending, pools, strict=True):
            for pool_id in wanted:
                by_pool.setdefault(pool_id, []).append(packed)
            if len(wanted) > 1:
                self._spread[command.id] = (len(wanted), [])
        return by_pool

    async def _push_packed(self, key: str, packed: list[bytes]) -> None:
        line = self._push
        commands = [("RPUSH", key, *packed), ("EXPIRE", key, COMMANDS_EXPIRE_SECONDS)]
        faults.reach("web.before_push")
        await line.send_packed_command(line.pack_commands(commands), check_health=False)
        self._backlog = await line.read_response()
        await line.read_response()
        self._backlog_seen = time.monotonic()
        faults.reach("web.after_push")

    # In.

    async def _listen(self) -> None:
        """Receive answers for ever; a lost connection is opened again."""
        while True:
            line: Any = self._connections.make_connection()
            with contextlib.suppress(RedisError, OSError):
                await line.connect()
                await line.send_command("SUBSCRIBE", self._channel)
                await self._receive(line)
            self._subscribed.clear()
            await line.disconnect(nowait=True)
            # What broke this connection has probably broken the other too.
            await self._push.disconnect(nowait=True)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self, line: AbstractConnection) -> None:
        decode = msgspec.msgpack.Decoder(Answers).decode
        while True:
            # No time-out: a quiet subscription is not a dead one.
            kind, _, data = await line.read_response(timeout=math.inf)
            if kind == b"subscribe":
                self._subscribed.set()
            elif kind == b"message":
                for answer in decode(data).answers:
                    self._take(answer)

    def _take(self, answer: Answer) -> None:
        """Give an answer on; that of a command to several pools when all have answered."""
        spread = self._spread.get(answer.command_id)
        if spread is not None:
            count, answers = spread
            answers.append(answer)
            if len(answers) < count:
                return
            answer = merge(answers)
        self._settle(answer.command_id, answer)

    def _settle(self, id: UUID, answer: Answer | None) -> None:
        found = self._waiting.pop(id, None)
        self._spread.pop(id, None)
        if found is None:
            return
        if answer is not None:
            faults.reach("web.before_answer")
        try:
            found[1](answer)
        except Exception:
            # One that cannot take its answer must not cost the others theirs.
            logger.exception("an answer could not be given")

    def _give_up_late(self) -> None:
        """Tell who has waited beyond the deadline; ask by the order's id."""
        now = self._loop.time()
        for id in [id for id, (give_up_at, _) in self._waiting.items() if give_up_at <= now]:
            self._settle(id, None)
        again = bool(self._waiting)
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up_late) if again else None

    async def close(self) -> None:
        """End what is under way, since it would open the lines again, and close them."""
        tasks = [task for task in (self._listening, self._flush) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sweep is not None:
            self._sweep.cancel()
        await self._push.disconnect()
        await self._connections.disconnect()
