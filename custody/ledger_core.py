"""The ledger's core: entries and holds in a handful of statements, without the ORM.

For callers that own a psycopg cursor and a transaction: the engine writes a whole
batch through here, `custody.ledger` everything else. Nothing here catches a
database error: in a pipeline it only appears at the next synchronisation.
`refusal_for` names it.

A session that writes `trading` balances claims their pool first (`claim_pool`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from kernel.refusals import Refusal

# One drawing of the sequence hands out this many ids. A block is thrown away with
# its process; at a thousand blocks a second the numbers last for 285,000 years.
BLOCK_SIZE = 1024
LINES_PER_ENTRY_MAX = 32_000  # what `line_no` holds
TEXTS_MAX = 600  # kind, key and reference together


class InsufficientUnits(Refusal):
    """There are not enough available units."""

    code = "insufficient_units"


class KeyReused(Refusal):
    """This key was used before, for something else."""

    code = "key_reused"
    http_status = 409


class UnbalancedEntry(Refusal):
    """The entry does not sum to zero per asset."""

    code = "unbalanced_entry"


class LatePosting(Refusal):
    """Postings must come with their entry."""

    code = "late_posting"


class PoolBalanceIsTheEngines(Refusal):
    """Units in a pool move through a pool transfer, not directly."""

    code = "pool_balance_is_the_engines"


class UnknownLedgerAccount(Refusal):
    """There is no such ledger account."""

    code = "unknown_ledger_account"


class AlreadyReversed(Refusal):
    """This entry has been reversed before."""

    code = "already_reversed"


class HistoryIsAppendOnly(Refusal):
    """What is booked is never changed."""

    code = "history_is_append_only"


class PeriodClosed(Refusal):
    """Nothing is booked into a closed period."""

    code = "period_closed"
    http_status = 409


# Names of constraints, in custody/migrations, and what their violation means.
REFUSALS: Mapping[str, type[Refusal]] = {
    "ledger_account_holds_are_covered": InsufficientUnits,
    "entry_is_balanced": UnbalancedEntry,
    "posting_comes_with_its_entry": LatePosting,
    "trading_balance_has_one_writer": PoolBalanceIsTheEngines,
    "posting_account_exists": UnknownLedgerAccount,
    "hold_account_exists": UnknownLedgerAccount,
    "journal_entry_is_reversed_once": AlreadyReversed,
    "journal_entry_key_is_unique": KeyReused,
    "history_is_append_only": HistoryIsAppendOnly,
    "entry_is_after_closed_periods": PeriodClosed,
}


class Cursor(Protocol):
    """What of a psycopg or Django cursor is used here."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Line(NamedTuple):
    """Units that one ledger account gains (+) or gives (-)."""

    account_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement to be booked; `key` makes its repetition harmless.

    `kind` says which operation ("deposit"), `reference` which row of it. The three
    texts hold no line breaks, because the content's hash separates by them.
    """

    kind: str
    key: str
    reference: str
    lines: Sequence[Line]
    reverses: int | None = None


class IdBlock:
    """Ids of entries, drawn from the database a block at a time and used up here."""

    def __init__(self) -> None:
        self._free: list[range] = []

    def take(self, cursor: Cursor, count: int) -> list[int]:
        """`count` new ids, ascending; asks the database only when the block is used up."""
        self.reserve(cursor, count)
        taken: list[int] = []
        while len(taken) < count:
            block = self._free[0]
            part = block[: count - len(taken)]
            taken.extend(part)
            self._free[0] = block[len(part) :]
            if not self._free[0]:
                self._free.pop(0)
        return taken

    def holds(self, count: int) -> bool:
        """Whether `take(count)` would ask the database for nothing."""
        return sum(map(len, self._free)) >= count

    def reserve(self, cursor: Cursor, count: int) -> None:
        """Draw now what the next `take(count)` needs; a pipeline cannot wait for it."""
        missing = count - sum(map(len, self._free))
        if missing <= 0:
            return
        cursor.execute(
            "SELECT nextval('custody_entry_block_seq') FROM generate_series(1, %s)",
            [-(-missing // BLOCK_SIZE)],
        )
        self._free += [
            range(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE) for (block,) in cursor.fetchall()
        ]


def claim_pool(cursor: Cursor, pool: int, *, for_session: bool = False) -> None:
    """Say that this transaction (or session) is the engine of `pool`.

    The database refuses to change a `trading` balance otherwise. It guards against
    mistakes; that no second engine lives is the fence's work, in the same transaction.
    """
    cursor.execute("SELECT set_config('bourse.pool', %s, %s)", [str(pool), not for_session])


def write_entries(
    cursor: Cursor,
    entries: Sequence[Entry],
    now: datetime,
    block: IdBlock | None = None,
    holds: Mapping[int, int] | None = None,
) -> list[int]:
    """Book entries in two statements; returns their ids in the same order.

    A key that exists already violates its constraint: the engine's keys never repeat.
    Without a block that holds enough ids (`IdBlock.reserve`) the ids cost a round trip.
    `holds` are changes of held units, as `hold_accounts` takes them, in one step with the
    postings: only the sum of both must leave 0 <= held <= posted.
    """
    holds = holds or {}
    if not entries:
        hold_accounts(cursor, holds)
        return []
    ids = (block or IdBlock()).take(cursor, len(entries))
    cursor.execute(INSERT_ENTRIES, entry_params(ids, entries, now))
    postings = posting_params(ids, entries)
    if holds:
        cursor.execute(BOOK, [*postings, int_array(holds.keys()), int_array(holds.values())])
    else:
        cursor.execute(INSERT_POSTINGS, postings)
    return ids


def hold_accounts(cursor: Cursor, deltas: Mapping[int, int]) -> None:
    """Change held units of many accounts at once: +n holds, -n releases.

    Beside postings of the same accounts, see `write_entries`: each statement must leave
    0 <= held <= posted.
    """
    if deltas:
        cursor.execute(
            "SELECT custody_hold(%s::bigint[], %s::bigint[])",
            [int_array(deltas.keys()), int_array(deltas.values())],
        )


INSERT_ENTRIES = """
    INSERT INTO custody_journalentry
           (id, kind, key, reference, reverses_id, content_hash, created_at)
    SELECT id, kind, key, reference, reverses_id, decode(content_hash, 'hex'), %s
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
           AS entry (id, kind, key, reference, reverses_id, content_hash)
"""
INSERT_POSTINGS = """
    INSERT INTO custody_posting (entry_id, line_no, account_id, units)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[])
"""
BOOK = """
    SELECT custody_book(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[],
                        %s::bigint[], %s::bigint[])
"""


def entry_params(ids: Sequence[int], entries: Sequence[Entry], now: datetime) -> list[Any]:
    """The parameters of INSERT_ENTRIES."""
    return [
        now,
        int_array(ids),
        text_array(entry.kind for entry in entries),
        text_array(entry.key for entry in entries),
        text_array(entry.reference for entry in entries),
        array("NULL" if entry.reverses is None else str(entry.reverses) for entry in entries),
        array(content_hash(entry).hex() for entry in entries),
    ]


def posting_params(ids: Sequence[int], entries: Sequence[Entry]) -> list[Any]:
    """The parameters of INSERT_POSTINGS."""
    entry_ids: list[int] = []
    line_nos: list[int] = []
    lines: list[Line] = []
    for entry_id, entry in zip(ids, entries, strict=True):
        count = len(entry.lines)
        entry_ids += [entry_id] * count
        line_nos += range(1, count + 1)
        lines += entry.lines
    return [
        int_array(entry_ids),
        int_array(line_nos),
        int_array(line.account_id for line in lines),
        int_array(line.units for line in lines),
    ]


def content_hash(entry: Entry) -> bytes:
    """SHA-256 over all that an entry says, its lines in order; without id and time,
    so that a retry has the same one."""
    return hashlib.sha256(content(entry).encode()).digest()


def content(entry: Entry) -> str:
    """What is hashed. verify_ledger builds the same text in SQL."""
    check(entry)
    lines = ",".join(["%d:%d" % line for line in entry.lines])  # noqa: UP031 (the fastest)
    reverses = "" if entry.reverses is None else entry.reverses
    return f"{entry.kind}\n{entry.key}\n{entry.reference}\n{reverses}\n{lines}"


def check(entry: Entry) -> None:
    """Refuse what no caller may mean: a bug, not a refusal.

    :raises ValueError: no key, a line break in a text, fewer than two lines.
    """
    head = f"{entry.kind}{entry.key}{entry.reference}"
    if not entry.kind or not entry.key or "\n" in head or "\0" in head or len(head) > TEXTS_MAX:
        raise ValueError(f"An entry needs a kind and a key, in one short line each: {entry}")
    if not 2 <= len(entry.lines) <= LINES_PER_ENTRY_MAX:
        raise ValueError(f"An entry has 2 to {LINES_PER_ENTRY_MAX} lines: {entry}")


def int_array(values: Iterable[int]) -> str:
    """A PostgreSQL array literal. Several times faster than adapting a list."""
    return array(map(str, values))


def text_array(values: Iterable[str]) -> str:
    """A PostgreSQL array literal of quoted texts."""
    return array(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values])


def array(literals: Iterable[str]) -> str:
    return "{" + ",".join(literals) + "}"


def refusal_for(error: BaseException) -> Refusal | None:
    """The refusal that a database error stands for, or None if it is something else.

    Takes psycopg's error or Django's, which carries psycopg's as its cause.
    """
    cause = error if hasattr(error, "diag") else error.__cause__
    name = getattr(getattr(cause, "diag", None), "constraint_name", None)
    refusal = REFUSALS.get(name) if name else None
    return refusal() if refusal else None
