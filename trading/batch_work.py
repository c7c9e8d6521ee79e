"""One batch on its way through the engine: matched, filled in, written; or undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from custody.ledger_core import IdBlock
from kernel import faults
from trading import batches, fence, loading, publishing, records
from trading.batches import Batch
from trading.commands import Envelope
from trading.engine.effects import Effects
from trading.fence import Passed
from trading.inbox import InboxRow, apply_inbox
from trading.ownership import Owned
from trading.protection_records import write_protection
from trading.publishing import Mail
from trading.records import Statements

Connection = psycopg.Connection[Any]


class CommandBroke(Exception):
    """A command met a mistake in the engine's own code; the batch is undone."""


@dataclass(slots=True)
class Work:
    """A batch that was matched, with what is to be written and told for it."""

    pool_id: int
    batch: Batch
    statements: Statements
    mail: Mail

    @property
    def envelopes(self) -> Sequence[Envelope]:
        return self.batch.envelopes


def match(
    owned: Owned, line: Connection, pool_id: int, envelopes: Sequence[Envelope], passed: Passed
) -> Work:
    """Take the inbox and the commands through the pool; undone whole if that fails."""
    batch = Batch(Effects(passed.batch_no, owned.now), envelopes, passed.known)
    work = Work(pool_id, batch, Statements(), Mail([]))
    try:
        owned.pool.end_due(batch.effects)
        if passed.inbox:
            apply_inbox(line, owned.pool, passed.inbox, batch.effects, pool_id)
            _know_new_assets(owned, line, pool_id, batch.effects)
        _run(owned, batch)
        batch.effects.close_books()
        owned.recent.update(batch.taken, owned.now)
        owned.recent.close(batch.effects.new.values())
        owned.recent.close(batch.effects.changed.values())
    except BaseException:
        undo(owned, work)
        raise
    return work


def _run(owned: Owned, batch: Batch) -> None:
    """:raises CommandBroke: as it says."""
    try:
        batches.run(owned.pool, batch, owned.recent, owned.throttle)
    except Exception as problem:
        raise CommandBroke(f"{type(problem).__name__}: {problem}") from problem


def _know_new_assets(owned: Owned, line: Connection, pool_id: int, effects: Effects) -> None:
    """Open the house's accounts of assets that came after this engine."""
    rules = (market.rules for market in owned.pool.markets.values())
    wanted = {asset for each in rules for asset in (each.base_id, each.quote_id)}
    wanted |= {asset_id for _, asset_id in owned.pool.funds}
    if not wanted <= owned.house.transit.keys():
        # Accounts opened here are gone if the batch is.
        effects.undo.append((setattr, (owned, "house", owned.house)))
        owned.house = loading.load_house_accounts(line, pool_id)


def fill(work: Work, owned: Owned, block: IdBlock, inbox: Sequence[InboxRow]) -> None:
    """Make the batch's statements and messages."""
    effects = work.batch.effects
    records.write_batch(work.statements, effects, owned.house, block, pool_id=work.pool_id)
    write_protection(work.statements, work.pool_id, effects)
    if inbox:
        fence.consume_inbox(work.statements, effects.batch_no, inbox)
    work.mail = publishing.pack(work.pool_id, owned.pool, work.batch)


def write(line: Connection, work: Work) -> None:
    """Write and commit. Runs in the writer's thread too."""
    faults.reach("engine.before_write")
    with line.pipeline():
        cursor = line.cursor()
        for query, parameters in work.statements.queued:
            cursor.execute(query, parameters)
        faults.reach("engine.after_write")
        # Not prepared, so that it goes over the wire by its name.
        faults.reach("engine.before_commit")
        cursor.execute("COMMIT", prepare=False)
        faults.reach("engine.in_commit")
    faults.reach("engine.after_commit")


def undo(owned: Owned, work: Work) -> None:
    """Take a batch back out of memory."""
    effects = work.batch.effects
    owned.recent.discard(work.batch.taken)
    owned.recent.reopen(effects.new)
    owned.recent.reopen(effects.changed)
    effects.roll_back()
