"""Telling who waits: answers to the processes that asked, news to every feed.

Packed when the batch has been matched, because the next one may already be
moving the same orders; sent only once it is committed. What is lost on the way
can be asked for: it is in the database.
"""

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from kernel import faults
from trading import batch_news
from trading.batches import Batch
from trading.commands import NEWS_CHANNEL, Answer, Answers
from trading.engine.pool import Pool

logger = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Mail:
    """Packed messages of one batch, by channel."""

    messages: list[tuple[str, bytes]]


def pack(pool_id: int, pool: Pool, batch: Batch) -> Mail:
    """The batch's answers and news, as of now."""
    effects = batch.effects
    moved = effects.events or effects.funds_before or effects.restated
    if not (moved or batch.answers or batch.answered_orders):
        return Mail([])
    views = batch_news.views(pool, effects)
    by_process = batch_news.answers_by_process(batch, views)
    messages = [(channel, _encode(Answers(found))) for channel, found in by_process.items()]
    messages.append((NEWS_CHANNEL, _encode(batch_news.news(pool_id, effects, views))))
    return Mail(messages)


def pack_answer(channel: str, answer: Answer) -> Mail:
    return Mail([(channel, _encode(Answers([answer])))])


def send(valkey: redis.Redis, mail: Mail) -> None:
    """Publish; a Valkey that is away costs the answers, nothing else."""
    if not mail.messages:
        return
    # A plain connection: a client's retries and callbacks cost more than the wire.
    connections: Any = valkey.connection_pool
    try:
        line = connections.get_connection()
    except redis.RedisError as problem:
        logger.warning("answers could not be published: %s", problem)
        return
    try:
        packed = line.pack_commands([("PUBLISH", *message) for message in mail.messages])
        faults.reach("engine.before_publish")
        line.send_packed_command(packed)
        for _ in mail.messages:
            line.read_response()
        faults.reach("engine.after_publish")
    except (redis.RedisError, OSError) as problem:
        logger.warning("answers could not be published: %s", problem)
        line.disconnect()
    finally:
        connections.release(line)
