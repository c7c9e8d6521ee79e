"""Becoming the one engine of a pool.

A session's advisory lock says who may try, the pool's epoch who owns it: each
batch passes the fence with its epoch, so an engine that slept through a
take-over can change nothing. A stand-by ends the owner's backend when it hears
nothing of the owner any more (heartbeat.py).
"""

import contextlib
import gc
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from custody.ledger_core import claim_pool
from trading import loading
from trading.engine.pool import Pool
from trading.engine.throttle import Throttle
from trading.fence import NotOwner
from trading.heartbeat import LOCK_SPACE, POLL_SECONDS, Beat, Watch, end_silent_owner
from trading.recent import REMEMBER_SECONDS, Recent
from trading.records import HouseAccounts

logger = logging.getLogger(__name__)

Connection = psycopg.Connection[Any]

# Neither side waits long for the other's packets.
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 3_000,
}
TAKE_OVER = """
    UPDATE trading_pool
       SET epoch = epoch + 1, owner = %s, backend_pid = pg_backend_pid(),
           heartbeat_at = clock_timestamp()
     WHERE id = %s
    RETURNING epoch, coalesce(extract(epoch FROM processed_until), 0)::float8
"""
SEND_BYTES = 2 * 1024 * 1024  # more than a batch of statements
SESSION = """
    SET lock_timeout = '5s'; SET statement_timeout = '30s';
    SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning';
    SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = '3s'; SET client_connection_check_interval = '1s';
    SET jit = off; SET TimeZone = 'UTC'
"""


@dataclass(slots=True)
class Owned:
    """A pool as its new owner has read it."""

    epoch: int
    now: float  # the kernel's time up to which the pool was processed
    pool: Pool
    house: HouseAccounts
    recent: Recent
    throttle: Throttle | None = None  # without one, everybody may send as much as they like


def connect(database: dict[str, Any]) -> Connection:
    """A connection of the engine's own: unpooled, soon aware of a dead peer, with a heartbeat."""
    options = {**database, **PATIENCE, "autocommit": True}
    connection = psycopg.connect(**{**options, "application_name": "bourse-engine"})
    connection.execute(SESSION)
    _widen(connection)
    Beat(connection, options)
    return connection


def _widen(connection: Connection) -> None:
    """Let a whole batch lie before PostgreSQL, as far as the system allows.

    Else it waits for the writer's thread, and that one for the interpreter, which
    matching ahead holds for milliseconds. TCP's buffers grow by themselves.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as wire, contextlib.suppress(OSError):
        if wire.family == socket.AF_UNIX:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)


def win(connection: Connection, pool_id: int, is_stopping: Callable[[], bool]) -> Owned | None:
    """Stand by until the pool is ours, then read all of it; None when told to stop."""
    gc.unfreeze()
    gc.collect()  # what it owned before: books are full of cycles, and large
    watch = Watch()
    while not is_stopping():
        lock = [LOCK_SPACE, pool_id]
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", lock).fetchone()
        if row is not None and row[0]:
            return _take_over(connection, pool_id)
        was_silent = end_silent_owner(connection, pool_id, watch)
        time.sleep(POLL_SECONDS / 10 if was_silent else POLL_SECONDS)
    return None


def _take_over(connection: Connection, pool_id: int) -> Owned:
    """Raise the epoch, which waits for a batch of the old owner still under way, and read.

    :raises NotOwner: there is no such pool.
    """
    claim_pool(connection.cursor(), pool_id, for_session=True)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    row = connection.execute(TAKE_OVER, [owner, pool_id]).fetchone()
    if row is None:
        raise NotOwner(f"there is no pool {pool_id}")
    recent = Recent()
    since = time.time() - REMEMBER_SECONDS
    recent.update(loading.load_recent_ids(connection, _first_id(since)), row[1])
    owned = Owned(
        epoch=row[0],
        now=row[1],
        house=loading.load_house_accounts(connection, pool_id),
        pool=loading.load_pool(connection, pool_id, row[1]),
        recent=recent,
    )
    if not gc.isenabled():  # an engine's own process (bourse.engine_process)
        gc.freeze()  # what was read stays, and need not be looked through
    logger.info("pool %s: owned by %s, epoch %s", pool_id, owner, owned.epoch)
    return owned


def _first_id(since: float) -> UUID:
    """The smallest UUIDv7 that can have been made at that time."""
    return UUID(int=int(since * 1_000) << 80)
