"""The ledger's core: entries and holds in a handful of statements, without the ORM.

For callers that own a psycopg cursor and a transaction: the engine writes a whole
batch through here, `custody.ledger` everything else. Nothing here catches a
database error: in a pipeline it only appears at the next synchronisation.
`ledger_refusals.refusal_for` names it.

A session that writes `trading` balances claims their pool first (`claim_pool`).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

# One drawing of the sequence hands out this many ids. A block is thrown away with
# its process; at a thousand blocks a second the numbers last for 285,000 years.
BLOCK_SIZE = 1024
LINES_PER_ENTRY_MAX = 32_000  # what `line_no` holds
TEXTS_MAX = 600  # kind, key and reference together

_encode_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Cursor(Protocol):
    """What of a psycopg or Django cursor is used here."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Line(NamedTuple):
    """Units that one ledger account gains (+) or gives (-)."""

    account_id: int
    units: int


class Entry:
    """A movement to be booked; `key` makes its repetition harmless.

    `kind` says which operation ("deposit"), `reference` which row of it. The three
    texts hold no line breaks, because the content's hash separates by them. A line is
    a `Line`, or where there are thousands a second the same as a plain pair.
    """

    __slots__ = ("key", "kind", "lines", "reference", "reverses")

    def __init__(
        self,
        kind: str,
        key: str,
        reference: str,
        lines: Sequence[tuple[int, int]],
        reverses: int | None = None,
    ) -> None:
        self.kind = kind
        self.key = key
        self.reference = reference
        self.lines = lines
        self.reverses = reverses

    def _said(self) -> tuple[str, str, str, Sequence[tuple[int, int]], int | None]:
        return self.kind, self.key, self.reference, self.lines, self.reverses

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def __repr__(self) -> str:
        return f"Entry{self._said()!r}"


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
        text_array([entry.kind for entry in entries]),
        text_array([entry.key for entry in entries]),
        text_array([entry.reference for entry in entries]),
        optional_int_array([entry.reverses for entry in entries]),
        array([content_hash(entry).hex() for entry in entries]),
    ]


def posting_params(ids: Sequence[int], entries: Sequence[Entry]) -> list[Any]:
    """The parameters of INSERT_POSTINGS."""
    entry_ids: list[int] = []
    line_nos: list[int] = []
    accounts: list[int] = []
    moved: list[int] = []
    for entry_id, entry in zip(ids, entries, strict=True):
        line_no = 0
        for account_id, units in entry.lines:
            line_no += 1  # noqa: SIM113 (compiled, it is a machine's number)
            entry_ids.append(entry_id)
            line_nos.append(line_no)
            accounts.append(account_id)
            moved.append(units)
    return [int_array(entry_ids), int_array(line_nos), int_array(accounts), int_array(moved)]


def content_hash(entry: Entry) -> bytes:
    """SHA-256 over all that an entry says, its lines in order; without id and time,
    so that a retry has the same one."""
    return hashlib.sha256(content(entry).encode()).digest()


def content(entry: Entry) -> str:
    """What is hashed. verify_ledger builds the same text in SQL."""
    head = check(entry)
    lines = ",".join([f"{account_id}:{units}" for account_id, units in entry.lines])
    reverses = "" if entry.reverses is None else entry.reverses
    return f"{head}\n{reverses}\n{lines}"


def check(entry: Entry) -> str:
    """The three texts, a line each. Refuses what no caller may mean: a bug, not a refusal.

    :raises ValueError: no key, a line break in a text, fewer than two lines.
    """
    kind, key = entry.kind, entry.key
    head = f"{kind}\n{key}\n{entry.reference}"
    if not kind or not key or head.count("\n") != 2 or "\0" in head or len(head) - 2 > TEXTS_MAX:
        raise ValueError(f"An entry needs a kind and a key, in one short line each: {entry}")
    if not 2 <= len(entry.lines) <= LINES_PER_ENTRY_MAX:
        raise ValueError(f"An entry has 2 to {LINES_PER_ENTRY_MAX} lines: {entry}")
    return head


def int_array(values: Iterable[int]) -> str:
    """A PostgreSQL array literal. Several times faster than adapting a list."""
    return "{" + _encode_json(list(values))[1:-1].decode() + "}"


def optional_int_array(values: Sequence[int | None]) -> str:
    return "{" + _encode_json(values)[1:-1].replace(b"null", b"NULL").decode() + "}"


def id_array(values: Sequence[UUID]) -> str:
    """msgspec writes a UUID, as it writes a number, much faster than `str` does."""
    return "{" + _encode_json(values)[1:-1].replace(b'"', b"").decode() + "}"


def text_array(values: Sequence[str]) -> str:
    """A PostgreSQL array literal of quoted texts."""
    if not values:
        return "{}"
    quoted = '","'.join(values)
    if "\\" in quoted or quoted.count('"') != 2 * (len(values) - 1):
        quoted = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return '{"' + quoted + '"}'


def array(literals: Iterable[str]) -> str:
    return "{" + ",".join(literals) + "}"
