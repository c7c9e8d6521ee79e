"""The only writer of the ledger: accounts, entries, holds.

One rule: nothing is booked twice. An entry carries a key; posting it again with the
same content returns the first entry's id, with other content it is refused. Use
keys that name the cause ("deposit:<signature>:<index>"), never a random one.

Locks: `post` and `capture` lock the balances they touch in the order of their ids.
Post all entries of one operation in ONE call; see docs/locking.md. The engine does
not come through here but through `custody.ledger_core`, with its own cursor.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection, transaction

from custody.entry_kinds import REVERSAL
from custody.ledger_core import (
    INSERT_POSTINGS,
    Cursor,
    Entry,
    IdBlock,
    Line,
    claim_pool,
    content_hash,
    entry_params,
    hold_accounts,
    posting_params,
    write_entries,
)
from custody.ledger_purposes import Purpose
from custody.ledger_refusals import (
    AlreadyReversed,
    HistoryIsAppendOnly,
    InsufficientUnits,
    KeyReused,
    LatePosting,
    PeriodClosed,
    PoolBalanceIsTheEngines,
    UnbalancedEntry,
    UnknownLedgerAccount,
    refusal_for,
)
from custody.models import JournalEntry
from kernel import faults
from kernel.refusals import Refusal

__all__ = [
    "AlreadyReversed",
    "Entry",
    "HistoryIsAppendOnly",
    "HoldTooSmall",
    "IdBlock",
    "InsufficientUnits",
    "JournalEntry",
    "KeyReused",
    "LatePosting",
    "Line",
    "PeriodClosed",
    "PoolBalanceIsTheEngines",
    "Purpose",
    "UnbalancedEntry",
    "UnknownLedgerAccount",
    "capture",
    "claim_pool",
    "get_account_id",
    "hold",
    "hold_accounts",
    "lock_posted",
    "post",
    "refusal_for",
    "release",
    "reverse",
    "write_entries",
]


class HoldTooSmall(Refusal):
    """Less is held than should be released."""

    code = "hold_too_small"


def post(entries: Sequence[Entry], now: datetime) -> list[int]:
    """Book entries, all or none; returns their ids in the same order.

    Idempotent: an entry whose key exists with the same content is not booked again,
    its first id is returned. Joins the caller's transaction, or is one of its own.

    :raises KeyReused: the key exists with other content.
    :raises InsufficientUnits: an account would end below zero or below what is held
        (a contra account: above zero).
    :raises UnbalancedEntry: an entry does not sum to zero per asset.
    :raises PoolBalanceIsTheEngines: a line touches a `trading` balance.
    :raises UnknownLedgerAccount: a line names no account.
    :raises PeriodClosed: `now` lies in a closed period.
    """
    return _post(entries, now, releases={})


def reverse(*, entry_id: int, key: str, reference: str, now: datetime) -> int:
    """Undo an entry by a new one with the opposite lines; returns the new entry's id.

    :raises AlreadyReversed: another key reversed it before.
    :raises JournalEntry.DoesNotExist: there is no such entry.
    """
    original = JournalEntry.objects.get(id=entry_id)
    lines = tuple(
        Line(posting.account_id, -posting.units)
        for posting in original.postings.order_by("line_no")
    )
    entry = Entry(REVERSAL + original.kind, key, reference, lines, reverses=entry_id)
    return post([entry], now)[0]


def hold(*, account_id: int, units: int) -> None:
    """Reserve available units. The caller's row says for what and how much remains.

    :raises InsufficientUnits: fewer units are available.
    """
    _change_hold(account_id, _positive(units))


def release(*, account_id: int, units: int) -> None:
    """Give back what was held.

    :raises HoldTooSmall: fewer units are held.
    """
    with _refusing({InsufficientUnits: HoldTooSmall}):
        _change_hold(account_id, -_positive(units))


def capture(*, account_id: int, units: int, entry: Entry, now: datetime) -> int:
    """Release a hold and book the entry that spends it; returns the entry's id.

    Repeated with the same entry it does nothing again.

    :raises HoldTooSmall: fewer units are held.
    :raises KeyReused, InsufficientUnits, UnbalancedEntry: as `post`.
    """
    with _refusing({InsufficientUnits: HoldTooSmall}):
        # A hold that is too small shows before any balance moves.
        return _post([entry], now, releases={account_id: _positive(units)})[0]


def lock_posted(account_ids: Sequence[int]) -> dict[int, int]:
    """Posted units by account, locked until the transaction ends, in the order of ids.

    For an entry that depends on balances: name all accounts that are posted to
    afterwards, or two such transactions may deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ACCOUNTS, [sorted(account_ids)])
        cursor.execute(
            "SELECT id, posted_units FROM custody_ledgeraccount WHERE id = ANY (%s)",
            [list(account_ids)],
        )
        return dict(cursor.fetchall())


def get_account_id(owner_id: int | None, asset_id: int, purpose: str, pool: int = 0) -> int:
    """The ledger account of an owner (None: the house), opened on first use."""
    name: list[Any] = [owner_id or 0, asset_id, purpose, pool]
    with connection.cursor() as cursor:
        cursor.execute(FIND_ACCOUNT, name)
        found = cursor.fetchone()
        if found is None:
            cursor.execute(OPEN_ACCOUNT, [owner_id, *name[1:]])
            # Again by name: somebody else may have opened it in between.
            cursor.execute(FIND_ACCOUNT, name)
            found = cursor.fetchone()
    assert found is not None
    return int(found[0])


FIND_ACCOUNT = """
    SELECT id FROM custody_ledgeraccount
     WHERE COALESCE(owner_id, 0) = %s AND asset_id = %s AND purpose = %s AND pool = %s
"""
OPEN_ACCOUNT = """
    INSERT INTO custody_ledgeraccount (owner_id, asset_id, purpose, pool)
    VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
LOCK_ACCOUNTS = """
    SELECT FROM custody_ledgeraccount
     WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE
"""
INSERT_NEW_ENTRIES = """
    INSERT INTO custody_journalentry
           (id, kind, key, reference, reverses_id, content_hash, created_at)
    SELECT id, kind, key, reference, reverses_id, decode(content_hash, 'hex'), %s
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
           AS entry (id, kind, key, reference, reverses_id, content_hash)
     ORDER BY key
        ON CONFLICT (key) DO NOTHING
    RETURNING id
"""


def _post(entries: Sequence[Entry], now: datetime, releases: dict[int, int]) -> list[int]:
    """Book what is new; only then are the holds released that it spends."""
    with _refusing(), transaction.atomic(), connection.cursor() as cursor:
        faults.reach("ledger.before_write")
        ids = IdBlock().take(cursor, len(entries))
        booked = _insert_new(cursor, ids, entries, now)
        fresh = [pair for pair in zip(ids, entries, strict=True) if pair[0] in booked]
        if fresh:
            _release_in_order(cursor, releases, entries)
            cursor.execute(INSERT_POSTINGS, posting_params(*zip(*fresh, strict=True)))
        faults.reach("ledger.after_write")
        if len(fresh) == len(entries):
            return ids
        return _first_ids(cursor, entries)


def _insert_new(
    cursor: Cursor, ids: Sequence[int], entries: Sequence[Entry], now: datetime
) -> set[int]:
    """Insert the entries whose keys are new; returns their ids.

    A key that another transaction is inserting is waited for, in the order of keys.
    """
    if not entries:
        return set()
    cursor.execute(INSERT_NEW_ENTRIES, entry_params(ids, entries, now))
    return {entry_id for (entry_id,) in cursor.fetchall()}


def _release_in_order(cursor: Cursor, releases: dict[int, int], entries: Sequence[Entry]) -> None:
    """Lock all balances of the entries in the order of ids, then release."""
    if not releases:
        return
    account_ids = {account_id for entry in entries for account_id, _ in entry.lines}
    cursor.execute(LOCK_ACCOUNTS, [sorted(account_ids | releases.keys())])
    hold_accounts(cursor, {account_id: -units for account_id, units in releases.items()})


def _first_ids(cursor: Cursor, entries: Sequence[Entry]) -> list[int]:
    """The ids under which these keys are booked, if with this content."""
    cursor.execute(
        "SELECT key, id, content_hash FROM custody_journalentry WHERE key = ANY (%s)",
        [[entry.key for entry in entries]],
    )
    known = {key: (entry_id, bytes(content)) for key, entry_id, content in cursor.fetchall()}
    ids = []
    for entry in entries:
        entry_id, content = known[entry.key]
        if content != content_hash(entry):
            raise KeyReused(f"{entry.key} was booked before, as something else.")
        ids.append(entry_id)
    return ids


def _change_hold(account_id: int, delta: int) -> None:
    with _refusing(), transaction.atomic(), connection.cursor() as cursor:
        hold_accounts(cursor, {account_id: delta})


def _positive(units: int) -> int:
    if units <= 0:
        raise ValueError(f"A hold is of more than nothing, not of {units} units.")
    return units


@contextmanager
def _refusing(renamed: dict[type[Refusal], type[Refusal]] | None = None) -> Iterator[None]:
    """Raise the refusal that a constraint's violation stands for."""
    try:
        yield
    except DatabaseError as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error
    except Refusal as refusal:
        other = (renamed or {}).get(type(refusal))
        if other is None:
            raise
        raise other() from refusal
