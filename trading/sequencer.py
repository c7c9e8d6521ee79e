"""The engine of a pool: a single writer for which a batch is a transaction.

    take commands -> BEGIN, fence, inbox -> match in memory -> write -> COMMIT -> answer

The fence is the first statement and its result is read: no row means that
another engine owns the pool now, and this one stops. Nothing is answered
before the commit. When it is not known whether a commit came through, all
memory is dropped, the advisory lock is won again (so the old backend is gone)
and everything is read anew.

Under load the next batch is matched ahead while PostgreSQL writes this one. It
is kept only if this one commits and the next fence finds no news in the inbox;
otherwise it is rolled back in memory and matched again. Nothing of it is written
before its own fence. See docs/engine.md.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import redis

from custody.ledger_core import IdBlock
from kernel import clock
from trading import batch_work, batches, fence, heartbeat, ownership, publishing, records
from trading.batch_refusals import CommandFailed
from trading.batch_work import CommandBroke, Work
from trading.commands import Answer, Envelope
from trading.engine.throttle import Throttle
from trading.fence import NotOwner, Passed
from trading.intake import BATCH_MAX, Intake
from trading.ownership import Owned

logger = logging.getLogger(__name__)

# A batch this large means that more are waiting: worth matching ahead for. A smaller one is
# answered sooner when it is matched in its turn, with all that has come by then.
AHEAD_MIN = 320
HEARTBEAT_SECONDS = 1.0
RETRIES_MAX = 5
IDS_AHEAD = 4 * BATCH_MAX  # ids of entries for what is matched and for what is matched ahead
# What a command's content can cause, unlike a lost server or a full disk.
DATA_ERRORS = (
    psycopg.DataError, psycopg.IntegrityError, psycopg.InternalError, psycopg.ProgrammingError
)  # fmt: skip
POISON_ERRORS = (*DATA_ERRORS, CommandBroke)
PASSING_ERRORS = (psycopg.errors.TransactionRollback, psycopg.errors.LockNotAvailable)


class OutcomeOfCommitUnknown(Exception):
    """The connection went away: the batch may have been committed, or not."""


class Sequencer:
    """Owns a pool while it lives; `run` returns when it is told to stop."""

    def __init__(
        self,
        *,
        pool_id: int,
        database: dict[str, Any],
        valkey_url: str,
        messages_per_second: int = 0,
        between_batches: Callable[[bool], None] = lambda is_idle: None,
    ) -> None:
        self.pool_id = pool_id
        self._messages_per_second = messages_per_second  # of each investor; 0: any number
        self._database, self._between_batches = database, between_batches
        self._valkey = redis.Redis.from_url(
            valkey_url, socket_timeout=10, socket_connect_timeout=2, retry=None
        )
        self._intake = Intake(self._valkey, pool_id)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine-writer")
        self._teller = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine-teller")
        self._stopping = False
        self._connection: psycopg.Connection[Any] | None = None
        self._owned: Owned | None = None
        self._forget()

    @property
    def is_owner(self) -> bool:
        return self._owned is not None

    def stop(self) -> None:
        """Finish the batch at hand, then return from `run`."""
        self._stopping = True

    def run(self) -> None:
        """Own the pool, or stand by until its owner is gone, until `stop`."""
        while not self._stopping:
            try:
                if self.own():
                    self._serve()
            except (NotOwner, OutcomeOfCommitUnknown, psycopg.OperationalError) as problem:
                logger.warning("pool %s: %s: %s", self.pool_id, type(problem).__name__, problem)
                if not self._stopping:
                    time.sleep(heartbeat.POLL_SECONDS)
            finally:
                self.drop()
        self._intake.give_back()
        self._writer.shutdown()
        self._teller.shutdown()

    def own(self) -> bool:
        """Connect and become the owner; False when told to stop before."""
        self._forget()
        self._intake.forget()
        self._connection = ownership.connect(self._database)
        self._owned = ownership.win(self._connection, self.pool_id, lambda: self._stopping)
        if self._owned is not None and self._messages_per_second:
            self._owned.throttle = Throttle(per_second=self._messages_per_second)
        return self._owned is not None

    def _forget(self) -> None:
        """Nothing known, nothing under way."""
        self._under_way: tuple[Work, Future[None]] | None = None
        self._telling: Future[None] | None = None
        self._committed: Work | None = None  # kept until there is time to let it go
        self._block = IdBlock()
        self._beat_at = 0.0
        self._batch_no = 0  # the last one known to be committed; 0: none yet

    def drop(self) -> None:
        """Give the pool up: close the lines (Valkey's opens when asked again), forget all."""
        self._owned = None
        if self._under_way is not None:
            self._under_way[1].exception()  # wait: the connection is in use until then
        if self._telling is not None:
            self._telling.exception()
        if self._connection is not None:
            self._connection.close()
        self._intake.close()
        self._valkey.close()
        self._forget()

    @property
    def _database_line(self) -> psycopg.Connection[Any]:
        assert self._connection is not None
        return self._connection

    @property
    def owned(self) -> Owned:
        assert self._owned is not None
        return self._owned

    # Serving.

    def _serve(self) -> None:
        while not self._stopping:
            may_wait = self._under_way is None
            envelopes = self._intake.take(wait=may_wait)
            if not envelopes:
                self.settle()
            self._between_batches(may_wait and not envelopes)
            if envelopes or self.is_due():
                self.process(envelopes)
        self.settle()

    def is_due(self) -> bool:
        """Whether a batch without commands is: by the time, for the inbox, as a sign of life."""
        if time.monotonic() - self._beat_at >= HEARTBEAT_SECONDS:
            return True
        due = self.owned.pool.next_due()
        if due is not None and due <= clock.now().timestamp():
            return True
        return fence.inbox_waits(self._database_line, self.pool_id)

    def process(self, envelopes: Sequence[Envelope]) -> None:
        """Run commands as one batch; it may still be under way when this returns.

        :raises NotOwner, OutcomeOfCommitUnknown: memory is no longer to be trusted.
        """
        self._committed = None  # thousands of objects: not while PostgreSQL waits for a batch
        ahead = self._match_ahead(envelopes) if self._may_match_ahead(envelopes) else None
        is_clean = self.settle(ahead)
        if ahead is None:
            is_done = self._may_go_unread(envelopes) and self._run_unread(envelopes)
        else:
            is_done = is_clean and self._write_ahead(ahead)
        if not is_done:
            self._run(envelopes)

    def settle(self, ahead: Work | None = None) -> bool:
        """Wait for the batch under way; when it failed, find what failed and go on.

        Then what was matched ahead of it is void, and undone before it: False.
        """
        if self._under_way is None:
            return True
        (work, future), self._under_way = self._under_way, None
        try:
            future.result()
        except Exception as problem:
            self._undo(ahead)
            self._undo(work)
            self._abandon(problem)
            if not isinstance(problem, POISON_ERRORS + PASSING_ERRORS):
                raise
            self._run(work.envelopes, alone=True)
            return False
        self._note_committed(work)
        return True

    def _note_committed(self, work: Work) -> None:
        self._committed = work
        self._beat_at = time.monotonic()
        self._batch_no = work.batch.effects.batch_no

    # One batch after the other: small ones, the inbox, and all that went wrong before.

    def _run(self, envelopes: Sequence[Envelope], *, alone: bool = False) -> None:
        """Run a batch from its fence on; `alone`: and wait for its commit."""
        try:
            self._retry(envelopes, alone)
        except POISON_ERRORS as problem:
            if not envelopes:
                raise  # the inbox itself: nothing to refuse, so stop loudly
            logger.error("batch of %s failed: %s", len(envelopes), problem)
            self._bisect(envelopes, problem)

    def _bisect(self, envelopes: Sequence[Envelope], problem: Exception) -> None:
        # The inbox by itself first, so that it cannot be blamed on a command.
        self._retry([], True)
        if len(envelopes) == 1:
            envelope = envelopes[0]
            logger.error("poison: %s refused: %s", envelope.command, problem, exc_info=problem)
            if isinstance(problem, CommandBroke):
                self._trust_memory()
            refused = CommandFailed()
            answer = Answer(envelope.command.id, None, refused.code, refused.message)
            publishing.send(self._valkey, publishing.pack_answer(envelope.reply_to, answer))
            return
        middle = len(envelopes) // 2
        self._run(envelopes[:middle], alone=True)
        self._run(envelopes[middle:], alone=True)

    def _trust_memory(self) -> None:
        """A mistake in the code may have left something that no undo log knows.

        :raises OutcomeOfCommitUnknown: it has: all is read anew.
        """
        try:
            self.owned.pool.check_invariants()
        except AssertionError as wrong:
            raise OutcomeOfCommitUnknown(f"memory is not whole: {wrong}") from wrong

    def _retry(self, envelopes: Sequence[Envelope], alone: bool) -> None:
        for _ in range(RETRIES_MAX - 1):
            with contextlib.suppress(*PASSING_ERRORS):
                return self._try(envelopes, alone)
        return self._try(envelopes, alone)

    def _try(self, envelopes: Sequence[Envelope], alone: bool) -> None:
        """Fence, match, and write; a large batch is left to the writer, unless alone."""
        work: Work | None = None
        try:
            passed = self._begin(envelopes)
            work = batch_work.match(
                self.owned, self._database_line, self.pool_id, envelopes, passed
            )
            cursor, effects = self._database_line.cursor(), work.batch.effects
            records.open_accounts(cursor, self.pool_id, effects.new_funds)
            # One order may sweep thousands: more entries than ids were drawn ahead for.
            self._block.reserve(cursor, records.entries_max(effects))
            batch_work.fill(work, self.owned, self._block, passed.inbox)
            if len(envelopes) >= AHEAD_MIN and not alone:
                self._hand_over(work)
            else:
                self._write(work)
                self._note_committed(work)
        except Exception as problem:
            self._undo(work)
            self._abandon(problem)
            raise

    def _begin(self, envelopes: Sequence[Envelope]) -> Passed:
        """Open the transaction behind the fence, at the kernel's time of now."""
        owned = self.owned
        owned.now = max(owned.now, clock.now().timestamp())
        own_ids = batches.client_ids(envelopes)
        line = self._database_line
        passed = fence.enter(line, self.pool_id, owned.epoch, owned.now, own_ids)
        self._block.reserve(line.cursor(), IDS_AHEAD)
        return passed

    def _hand_over(self, work: Work) -> None:
        self._under_way = (work, self._writer.submit(self._write, work))

    def _write(self, work: Work) -> None:
        """Write, commit, and leave the answers to the teller, which tells them in order."""
        batch_work.write(self._database_line, work)
        if self._telling is not None:
            self._telling.result()  # never more than one waits to be told
        self._telling = self._teller.submit(publishing.send, self._valkey, work.mail)

    # Matching ahead.

    def _may_match_ahead(self, envelopes: Sequence[Envelope]) -> bool:
        """Large enough, and nothing has to be read from the database for it."""
        return (
            self._under_way is not None
            and len(envelopes) >= AHEAD_MIN
            and not batches.client_ids(envelopes)
        )

    def _match_ahead(self, envelopes: Sequence[Envelope]) -> Work | None:
        """Match as if the batch under way were committed and the inbox empty."""
        assert self._under_way is not None
        return self._match_unread(envelopes, self._under_way[0].batch.effects.batch_no + 1)

    def _match_unread(
        self, envelopes: Sequence[Envelope], batch_no: int, fence_first: bool = False
    ) -> Work | None:
        """Match as if there were no news; None when the database has to be asked first."""
        owned = self.owned
        owned.now = max(owned.now, clock.now().timestamp())
        try:
            work = batch_work.match(
                owned, self._database_line, self.pool_id, envelopes, Passed(batch_no, [], {})
            )
        except CommandBroke:
            return None  # in its own turn the one command is found
        effects = work.batch.effects
        needs_accounts = any(not funds.account_id for funds in effects.new_funds)
        if needs_accounts or not self._block.holds(records.entries_max(effects)):
            self._undo(work)
            return None
        if fence_first:
            fence.enter_unread(work.statements, self.pool_id, owned.epoch, owned.now, batch_no)
        batch_work.fill(work, owned, self._block, [])
        return work

    def _write_ahead(self, work: Work) -> bool:
        """Pass the fence with a batch that was matched ahead; False when it was in vain."""
        try:
            passed = self._begin([])
        except Exception as problem:
            self._undo(work)
            self._abandon(problem)
            raise
        if passed.inbox or passed.batch_no != work.batch.effects.batch_no:
            self._undo(work)
            self._database_line.rollback()
            return False
        self._hand_over(work)
        return True

    # Small batches without news: from fence to commit in one round trip.

    def _may_go_unread(self, envelopes: Sequence[Envelope]) -> bool:
        """Commands, few of them, and nothing has to be read from the database for them."""
        few = 0 < len(envelopes) < AHEAD_MIN
        return few and self._batch_no > 0 and not batches.client_ids(envelopes)

    def _run_unread(self, envelopes: Sequence[Envelope]) -> bool:
        """Match and write behind a fence whose result is not waited for; False: in vain.

        A closed fence, news or a poison all end the transaction: the long way finds out which.
        """
        work = self._match_unread(envelopes, self._batch_no + 1, fence_first=True)
        if work is None:
            return False
        try:
            self._write(work)
        except Exception as problem:
            self._undo(work)
            self._abandon(problem)
            if not isinstance(problem, DATA_ERRORS + PASSING_ERRORS):
                raise
            return False
        self._note_committed(work)
        return True

    # When it goes wrong.

    def _undo(self, work: Work | None) -> None:
        """Take a batch back out of memory."""
        if work is not None:
            batch_work.undo(self.owned, work)

    def _abandon(self, problem: BaseException) -> None:
        """Leave the failed transaction.

        :raises OutcomeOfCommitUnknown: the line is gone, and with it the answer.
        """
        connection = self._database_line
        if connection.closed or connection.broken:
            raise OutcomeOfCommitUnknown(str(problem)) from problem
        try:
            # Not execute("ROLLBACK"): psycopg would go on believing in prepared statements
            # whose parsing the failed pipeline skipped.
            connection.rollback()
        except psycopg.OperationalError as lost:
            raise OutcomeOfCommitUnknown(str(lost)) from lost
