"""The engine of a pool: a single writer for which a batch is a transaction.

    take commands -> BEGIN, fence, inbox -> match in memory -> write -> COMMIT -> answer

The fence is the first statement and its result is read: no row means that
another engine owns the pool now, and this one stops. Nothing is answered
before the commit. When it is not known whether a commit came through, all
memory is dropped, the advisory lock is won again (so the old backend is gone)
and everything is read anew. See docs/matching.md, "The engine".
"""

import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import redis

from custody.ledger_core import IdBlock, claim_pool
from kernel import clock
from trading import batches, loading, records
from trading.batches import Batch, CommandFailed, RecentIds
from trading.commands import (
    NEWS_CHANNEL,
    Answer,
    Answers,
    Envelope,
    OrderView,
    commands_key,
)
from trading.engine.effects import Effects
from trading.engine.pool import Pool
from trading.inbox import apply_inbox

logger = logging.getLogger(__name__)

BATCH_MAX = 1_024
INBOX_MAX = 500  # items taken in one batch; the next batch takes on
IDLE_POLL_SECONDS = 0.25  # how long an inbox item waits when no command comes
HEARTBEAT_SECONDS = 1.0
TAKE_OVER_POLL_SECONDS = 0.25
OWNER_STALE_SECONDS = 3.0
RETRIES_MAX = 5
# What a command's content can cause, unlike a lost server or a full disk.
DATA_ERRORS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.InternalError,
    psycopg.ProgrammingError,
)
LOCK_SPACE = 0x626F7572  # "bour": the first half of the advisory lock's key

FENCE = """
    UPDATE trading_pool
       SET batch_no = batch_no + 1, processed_until = to_timestamp(%s),
           heartbeat_at = clock_timestamp()
     WHERE id = %s AND epoch = %s
    RETURNING batch_no
"""
READ_INBOX = """
    SELECT id, kind, payload FROM trading_inboxitem
     WHERE pool_id = %s AND consumed_batch IS NULL ORDER BY id LIMIT %s
"""
CONSUME_INBOX = "UPDATE trading_inboxitem SET consumed_batch = %s WHERE id = ANY (%s)"
INBOX_WAITS = """
    SELECT EXISTS (
        SELECT FROM trading_inboxitem WHERE pool_id = %s AND consumed_batch IS NULL)
"""
VIEW_COLUMNS = (
    "orders.id, symbol, side, type, time_in_force, post_only, price_units, "
    "protection_price_units, quantity_units, cash_units, filled_units, filled_cash_units, "
    "fee_units, held_units, status, reason, user_ref, source, batch_no, accepted_at, updated_at"
)
# Column names of this module alone, nobody's input.
CLIENT_IDS = f"""
    SELECT orders.investor_id, orders.client_order_id, body_hash, {VIEW_COLUMNS}
      FROM unnest(%s::bigint[], %s::text[]) AS want (investor, client_id)
      JOIN trading_order AS orders
        ON investor_id = want.investor AND client_order_id = want.client_id
      JOIN trading_listing AS listing ON listing.id = listing_id
     WHERE status <> 'refused'
       AND (status = 'open' OR accepted_at > to_timestamp(%s) - '24h'::interval)
"""  # noqa: S608
TAKE_OVER = """
    UPDATE trading_pool
       SET epoch = epoch + 1, owner = %s, backend_pid = pg_backend_pid(),
           heartbeat_at = clock_timestamp()
     WHERE id = %s
    RETURNING epoch, coalesce(extract(epoch FROM processed_until), 0)::float8
"""
END_STALE_OWNER = """
    SELECT pg_terminate_backend(backend_pid) FROM trading_pool
     WHERE id = %s AND heartbeat_at < clock_timestamp() - make_interval(secs => %s)
       AND backend_pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)
"""
SESSION = """
    SET lock_timeout = '5s'; SET statement_timeout = '30s';
    SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning';
    SET jit = off; SET TimeZone = 'UTC'
"""


class NotOwner(Exception):
    """Another engine owns the pool."""


class OutcomeOfCommitUnknown(Exception):
    """The connection went away: the batch may have been committed, or not."""


class Sequencer:
    """Owns a pool while it lives; `run` returns when it is told to stop."""

    def __init__(self, *, pool_id: int, database: dict[str, Any], valkey_url: str) -> None:
        self.pool_id = pool_id
        self._database = database
        self._valkey = redis.Redis.from_url(
            valkey_url, socket_timeout=10, socket_connect_timeout=2, retry=None
        )
        self._decoder = msgspec.msgpack.Decoder(Envelope)
        self._encode = msgspec.msgpack.Encoder().encode
        self._stopping = False
        self._connection: psycopg.Connection[Any]

    def stop(self) -> None:
        """Finish the batch at hand, then return from `run`."""
        self._stopping = True

    def run(self) -> None:
        """Own the pool, or stand by until its owner is gone, until `stop`."""
        while not self._stopping:
            try:
                if self._own():
                    self._serve()
            except (NotOwner, OutcomeOfCommitUnknown, psycopg.OperationalError) as problem:
                logger.warning("pool %s: %s: %s", self.pool_id, type(problem).__name__, problem)
                self._wait(TAKE_OVER_POLL_SECONDS)
            finally:
                self._close()

    def _wait(self, seconds: float) -> None:
        if not self._stopping:
            time.sleep(seconds)

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    # Becoming the owner.

    def _own(self) -> bool:
        """Connect, win the advisory lock and raise the epoch; False when told to stop."""
        self._connection = connect(self._database)
        connection = self._connection
        lock = [LOCK_SPACE, self.pool_id]
        while not self._stopping:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", lock).fetchone()
            if row is not None and row[0]:
                self._take_over()
                return True
            connection.execute(END_STALE_OWNER, [self.pool_id, OWNER_STALE_SECONDS])
            self._wait(TAKE_OVER_POLL_SECONDS)
        return False

    def _take_over(self) -> None:
        """Read everything anew, as the only engine of the pool."""
        connection = self._connection
        claim_pool(connection.cursor(), self.pool_id, for_session=True)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        row = connection.execute(TAKE_OVER, [owner, self.pool_id]).fetchone()
        if row is None:
            raise NotOwner(f"there is no pool {self.pool_id}")
        self.epoch, self._now = row
        self.house = loading.load_house_accounts(connection, self.pool_id)
        self.pool: Pool = loading.load_pool(connection, self.pool_id)
        self._block = IdBlock()
        self._recent = RecentIds()
        since = time.time() - 2 * batches.DEADLINE_MAX_SECONDS
        self._recent.update(loading.load_recent_ids(connection, _first_id(since)), self._now)
        self._beat_at = 0.0
        logger.info("pool %s: owned by %s, epoch %s", self.pool_id, owner, self.epoch)

    # Serving.

    def _serve(self) -> None:
        while not self._stopping:
            envelopes = self._take_commands()
            if envelopes or self._is_due():
                self.process(envelopes)

    def _is_due(self) -> bool:
        """Whether a batch without commands is: for the inbox, or as a sign of life."""
        if time.monotonic() - self._beat_at >= HEARTBEAT_SECONDS:
            return True
        row = self._connection.execute(INBOX_WAITS, [self.pool_id]).fetchone()
        return row is not None and bool(row[0])

    def _take_commands(self) -> list[Envelope]:
        key = commands_key(self.pool_id)
        try:
            taken: Any = self._valkey.blmpop(
                IDLE_POLL_SECONDS, 1, key, direction="LEFT", count=BATCH_MAX
            )
        except redis.RedisError as problem:
            logger.warning("no commands can be taken: %s", problem)
            self._wait(IDLE_POLL_SECONDS)
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

    def process(self, envelopes: Sequence[Envelope]) -> None:
        """Run commands as one batch; on a data error, find the one that causes it.

        :raises NotOwner, OutcomeOfCommitUnknown: memory is no longer to be trusted.
        """
        try:
            self._run_batch(envelopes)
        except DATA_ERRORS as problem:
            if not envelopes:
                raise  # the inbox itself: nothing to refuse, so stop loudly
            logger.error("batch of %s failed: %s", len(envelopes), problem)
            self._bisect(envelopes, problem)

    def _bisect(self, envelopes: Sequence[Envelope], problem: psycopg.Error) -> None:
        self._run_batch([])  # the inbox alone first, so that it cannot be blamed on a command
        if len(envelopes) == 1:
            envelope = envelopes[0]
            logger.error("poison: %s refused: %s", envelope.command, problem)
            refused = CommandFailed()
            answer = Answer(envelope.command.id, None, refused.code, refused.message)
            self._publish({envelope.reply_to: [answer]}, None)
            return
        middle = len(envelopes) // 2
        self.process(envelopes[:middle])
        self.process(envelopes[middle:])

    def _run_batch(self, envelopes: Sequence[Envelope]) -> None:
        for attempt in range(RETRIES_MAX):
            try:
                return self._try_batch(envelopes)
            except (psycopg.errors.TransactionRollback, psycopg.errors.LockNotAvailable):
                if attempt == RETRIES_MAX - 1:
                    raise
        return None

    def _try_batch(self, envelopes: Sequence[Envelope]) -> None:
        effects: Effects | None = None
        try:
            with self._connection.pipeline():
                batch_no, inbox, known = self._begin(envelopes)
                effects = Effects(batch_no, self._now)
                batch = Batch(effects, envelopes, known)
                if inbox:
                    apply_inbox(self._connection, self.pool, inbox, effects, self.pool_id)
                    self._know_new_assets()
                batches.run(self.pool, batch, self._recent)
                effects.close_books()
                self._write(effects, inbox)
        except Exception as problem:
            if effects is not None:
                effects.roll_back()
            self._abandon(problem)
            raise
        self._recent.update(batch.taken, self._now)
        self._beat_at = time.monotonic()
        self._announce(batch)

    def _know_new_assets(self) -> None:
        """Open the house's accounts of assets that came after this engine."""
        rules = (market.rules for market in self.pool.markets.values())
        wanted = {asset for each in rules for asset in (each.base_id, each.quote_id)}
        wanted |= {asset_id for _, asset_id in self.pool.funds}
        if not wanted <= self.house.transit.keys():
            self.house = loading.load_house_accounts(self._connection, self.pool_id)

    def _begin(
        self, envelopes: Sequence[Envelope]
    ) -> tuple[int, list[tuple[int, str, Any]], batches.KnownIds]:
        """Open the transaction behind the fence, and read what came in beside the commands."""
        self._now = max(self._now, clock.now().timestamp())
        connection = self._connection
        connection.execute("BEGIN")
        fence = connection.execute(FENCE, [self._now, self.pool_id, self.epoch])
        inbox = connection.execute(READ_INBOX, [self.pool_id, INBOX_MAX])
        wanted = batches.client_ids(envelopes)
        known = {}
        if wanted:
            investors, ids = zip(*wanted, strict=True)
            rows = connection.execute(CLIENT_IDS, [list(investors), list(ids), self._now])
            known = {(row[0], row[1]): (row[2], _known_view(row)) for row in rows.fetchall()}
        row = fence.fetchone()
        if row is None:
            raise NotOwner("the fence is closed")
        return row[0], inbox.fetchall(), known

    def _write(self, effects: Effects, inbox: list[tuple[int, str, Any]]) -> None:
        cursor = self._connection.cursor()
        records.open_accounts(cursor, self.pool_id, effects.new_funds)
        count = len(effects.trades) + len(effects.transfers)
        if count:
            self._block.reserve(cursor, count)
        records.write_batch(cursor, effects, self.house, self._block)
        if inbox:
            cursor.execute(CONSUME_INBOX, [effects.batch_no, [item[0] for item in inbox]])
        cursor.execute("COMMIT", prepare=False)  # by name, for whoever reads the wire

    def _abandon(self, problem: Exception) -> None:
        """Leave the failed transaction, or find that nobody knows how it ended."""
        connection = self._connection
        if connection.closed or connection.broken:
            raise OutcomeOfCommitUnknown(str(problem)) from problem
        try:
            # Not execute("ROLLBACK"): psycopg would go on believing in prepared statements
            # whose parsing the failed pipeline skipped.
            connection.rollback()
        except psycopg.OperationalError as lost:
            raise OutcomeOfCommitUnknown(str(lost)) from lost

    def _announce(self, batch: Batch) -> None:
        effects = batch.effects
        if not (effects.events or effects.funds_before or batch.answers or batch.answered_orders):
            return
        views = batches.views(self.pool, effects)
        news = self._encode(batches.news(self.pool_id, effects, views))
        self._publish(batches.answers_by_process(batch, views), news)

    def _publish(self, answers: dict[str, list[Answer]], news: bytes | None) -> None:
        """Tell who waits. What is lost here can be asked for: it is committed."""
        try:
            with self._valkey.pipeline(transaction=False) as pipeline:
                for reply_to, of_process in answers.items():
                    pipeline.publish(reply_to, self._encode(Answers(of_process)))
                if news is not None:
                    pipeline.publish(NEWS_CHANNEL, news)
                pipeline.execute()
        except redis.RedisError as problem:
            logger.warning("answers could not be published: %s", problem)


def connect(database: dict[str, Any]) -> psycopg.Connection[Any]:
    """A connection of the engine's own: unpooled, and soon aware of a dead peer."""
    connection = psycopg.connect(
        **database,
        autocommit=True,
        application_name="bourse-engine",
        connect_timeout=5,
        keepalives_idle=1,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=3_000,
    )
    connection.execute(SESSION)
    return connection


def _first_id(since: float) -> UUID:
    """The smallest UUIDv7 that can have been made at that time."""
    return UUID(int=int(since * 1_000) << 80)


def _known_view(row: tuple[Any, ...]) -> OrderView:
    names = [name.split(".")[-1] for name in VIEW_COLUMNS.replace("symbol", "listing").split(", ")]
    return OrderView(
        investor_id=row[0], client_order_id=row[1], **dict(zip(names, row[3:], strict=True))
    )
