"""Taking commands out of the pool's list in Valkey.

An engine that is behind, having more before it than one batch takes, takes cancels
first: they make a book safer and cost little. A cancel overtakes other investors'
orders, never anything that its own investor has sent before it.
"""

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from trading.batches import ONLY_CANCEL
from trading.commands import Command, Envelope, PlacePair, commands_key

logger = logging.getLogger(__name__)

BATCH_MAX = 1_024
LOOK_AHEAD_MAX = 4 * BATCH_MAX  # commands held here, among which cancels are looked for
IDLE_POLL_SECONDS = 0.25  # how long an inbox item waits when no command comes


class _Held:
    """A command that waits here, with what is asked of it each time that others overtake."""

    __slots__ = ("envelope", "investor_id", "is_cancel", "packed")

    def __init__(self, envelope: Envelope, packed: bytes) -> None:
        command = envelope.command
        self.envelope = envelope
        self.packed = packed
        self.is_cancel = isinstance(command, ONLY_CANCEL)
        self.investor_id = _investor_of(command)


class Intake:
    """The commands of one pool, in the order in which they were pushed."""

    def __init__(self, valkey: redis.Redis, pool_id: int) -> None:
        # A plain connection: a client's retries and callbacks cost more than the wire.
        self._line: Any = valkey.connection_pool.make_connection()
        self._key = commands_key(pool_id)
        self._decoder = msgspec.msgpack.Decoder(Envelope)
        self._held: list[_Held] = []

    def take(self, *, wait: bool) -> list[Envelope]:
        """At most BATCH_MAX commands; `wait`: for the first, as long as the inbox may wait."""
        try:
            self._fetch(wait=wait and not self._held)
        except (redis.RedisError, OSError) as problem:
            logger.warning("no commands can be taken: %s", problem)
            self._line.disconnect()
            time.sleep(IDLE_POLL_SECONDS)
        if len(self._held) > BATCH_MAX:
            self._held = _cancels_first(self._held)
        taken, self._held = self._held[:BATCH_MAX], self._held[BATCH_MAX:]
        return [each.envelope for each in taken]

    def forget(self) -> None:
        """Drop what is held: it is unknown to who sent it, and asked for by its id."""
        self._held.clear()

    def give_back(self) -> None:
        """Leave what is held to the next engine, at the front of the list again, and close."""
        if self._held:
            packed = [each.packed for each in reversed(self._held)]
            self.forget()
            with contextlib.suppress(redis.RedisError, OSError):
                self._line.send_command("LPUSH", self._key, *packed)
                self._line.read_response()
        self.close()

    def close(self) -> None:
        """Close the line, of which the client's pool knows nothing; it opens when used again."""
        self._line.disconnect()

    def _fetch(self, *, wait: bool) -> None:
        count = LOOK_AHEAD_MAX - len(self._held)
        if wait:
            order: tuple[Any, ...] = ("BLMPOP", IDLE_POLL_SECONDS)
        elif count:
            order = ("LMPOP",)
        else:
            return
        self._line.send_command(*order, 1, self._key, "LEFT", "COUNT", count)
        taken = self._line.read_response()
        if taken:
            self._decode(taken[1])

    def _decode(self, packed: Sequence[bytes]) -> None:
        for one in packed:
            try:
                self._held.append(_Held(self._decoder.decode(one), one))
            except msgspec.MsgspecError as problem:
                logger.error("a command was not understood and is dropped: %s", problem)


def _cancels_first(held: list[_Held]) -> list[_Held]:
    """Cancels to the front, but for those whose investor has something before them."""
    waiting: set[int] = set()
    first: list[_Held] = []
    rest: list[_Held] = []
    for each in held:
        if each.is_cancel and each.investor_id not in waiting:
            first.append(each)
        else:
            waiting.add(each.investor_id)
            rest.append(each)
    return first + rest


def _investor_of(command: Command) -> int:
    return (command.first if isinstance(command, PlacePair) else command).investor_id
