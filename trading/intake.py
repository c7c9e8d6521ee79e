"""Taking commands out of the pool's list in Valkey."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from trading.commands import Envelope, commands_key

logger = logging.getLogger(__name__)

BATCH_MAX = 1_024
IDLE_POLL_SECONDS = 0.25  # how long an inbox item waits when no command comes


class Intake:
    """The commands of one pool, in the order in which they were pushed."""

    def __init__(self, valkey: redis.Redis, pool_id: int) -> None:
        self._valkey = valkey
        self._key = commands_key(pool_id)
        self._decoder = msgspec.msgpack.Decoder(Envelope)

    def take(self, *, wait: bool) -> list[Envelope]:
        """At most BATCH_MAX commands; `wait`: for the first, as long as the inbox may wait."""
        try:
            taken: Any
            if wait:
                taken = self._valkey.blmpop(
                    IDLE_POLL_SECONDS, 1, self._key, direction="LEFT", count=BATCH_MAX
                )
            else:
                taken = self._valkey.lmpop(1, self._key, direction="LEFT", count=BATCH_MAX)
        except redis.RedisError as problem:
            logger.warning("no commands can be taken: %s", problem)
            time.sleep(IDLE_POLL_SECONDS)
            return []
        return self._decode(taken[1]) if taken else []

    def _decode(self, packed: Sequence[bytes]) -> list[Envelope]:
        envelopes = []
        for one in packed:
            try:
                envelopes.append(self._decoder.decode(one))
            except msgspec.MsgspecError as problem:
                logger.error("a command was not understood and is dropped: %s", problem)
        return envelopes
