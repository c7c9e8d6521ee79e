"""The ledger as of a seal: a balance, an account's statement, the trial balance.

A question has one answer for ever: balances come from rows that the seal wrote
(SealedBalance), lines from entries below it. Units are base units, signed as booked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from custody.models import Seal

LINES_FETCHED_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An entry's effect on one account, and the balance after it."""

    seal_n: int
    entry_id: int
    created_at: datetime
    kind: str
    reference: str
    units: int
    balance_units: int


@dataclass(frozen=True, slots=True)
class TrialLine:
    """What all accounts of one purpose have of one asset, together."""

    asset: str
    decimals: int
    purpose: str
    units: int


def get_balance(*, account_id: int, seal: Seal) -> int:
    """What was posted on an account as of a ledger seal; 0 before its first entry."""
    with connection.cursor() as cursor:
        cursor.execute(BALANCE, [account_id, seal.n])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def list_trial_balance(*, seal: Seal) -> list[TrialLine]:
    """All balances as of a seal by asset and purpose; the lines of an asset sum to zero."""
    with connection.cursor() as cursor:
        cursor.execute(TRIAL_BALANCE, [seal.n])
        return [
            TrialLine(code, decimals, purpose, int(units))
            for code, decimals, purpose, units in cursor.fetchall()
        ]


def list_statement(
    *,
    account_ids: Sequence[int],
    after: Seal | None,
    until: Seal,
    opening_units: int | None = None,
    without_kinds: Sequence[str] = (),
) -> Iterator[StatementLine]:
    """The lines of accounts of one asset, taken as one, in the order they were sealed.

    From the seal after `after` (None: the first) up to and with `until`. An entry that
    moves units between these accounts only is no line, nor one of `without_kinds`; who
    leaves some out gives the opening balance. Streams: memory stays flat.
    """
    balance = opening_units
    if balance is None:
        balance = 0
        if after is not None:
            balance = sum(get_balance(account_id=each, seal=after) for each in account_ids)
    params = _params(account_ids, after, until, without_kinds)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(STATEMENT, params)
        while rows := cursor.fetchmany(LINES_FETCHED_AT_ONCE):
            for seal_n, entry_id, at, kind, reference, units in rows:
                balance += int(units)
                yield StatementLine(seal_n, entry_id, at, kind, reference, int(units), balance)


def list_statement_part(
    *,
    account_ids: Sequence[int],
    after: Seal | None,
    until: Seal,
    opening_units: int,
    without_kinds: Sequence[str] = (),
    start: int,
    limit: int,
) -> list[StatementLine]:
    """`limit` of the lines that `list_statement` gives, after the first `start`."""
    params = _params(account_ids, after, until, without_kinds)
    with connection.cursor() as cursor:
        cursor.execute(PART, params | {"start": start, "limit": limit})
        return [
            StatementLine(
                seal_n, entry_id, at, kind, reference, int(units), opening_units + int(moved)
            )
            for seal_n, entry_id, at, kind, reference, units, moved in cursor.fetchall()
        ]


def _params(
    account_ids: Sequence[int], after: Seal | None, until: Seal, without_kinds: Sequence[str]
) -> dict[str, Any]:
    return {
        "accounts": list(account_ids),
        "from": str(after.xid_to if after else 0),
        "to": str(until.xid_to),
        "without": list(without_kinds),
    }


BALANCE = """
    SELECT posted_units FROM custody_sealedbalance
     WHERE account_id = %s AND seal_n <= %s ORDER BY seal_n DESC LIMIT 1
"""
TRIAL_BALANCE = """
    SELECT asset.code, asset.decimals, account.purpose, sum(sealed.posted_units)
      FROM custody_ledgeraccount AS account
      JOIN custody_asset AS asset ON asset.id = account.asset_id
     CROSS JOIN LATERAL (SELECT posted_units FROM custody_sealedbalance
                          WHERE account_id = account.id AND seal_n <= %s
                          ORDER BY seal_n DESC LIMIT 1) AS sealed
     GROUP BY asset.code, asset.decimals, account.purpose
    HAVING sum(sealed.posted_units) <> 0
     ORDER BY asset.code, account.purpose
"""
MOVED = """
      FROM (SELECT entry.id, entry.xid, entry.created_at, entry.kind, entry.reference,
                   sum(posting.units) AS units
              FROM custody_posting AS posting
              JOIN custody_journalentry AS entry ON entry.id = posting.entry_id
             WHERE posting.account_id = ANY (%(accounts)s)
               AND entry.xid >= %(from)s::text::xid8 AND entry.xid < %(to)s::text::xid8
               AND entry.kind <> ALL (%(without)s::text[])
             GROUP BY entry.id HAVING sum(posting.units) <> 0) AS moved
"""
SEAL_N = """
    SELECT (SELECT seal.n FROM custody_seal AS seal
             WHERE seal.chain = 'ledger' AND seal.xid_to > moved.xid
             ORDER BY seal.xid_to LIMIT 1),
"""
STATEMENT = f"""
    {SEAL_N} moved.id, moved.created_at, moved.kind, moved.reference, moved.units
    {MOVED} ORDER BY moved.xid, moved.id
"""
PART = f"""
    {SEAL_N} moved.id, moved.created_at, moved.kind, moved.reference, moved.units, moved.balance
      FROM (SELECT moved.*, sum(moved.units) OVER in_order AS balance,
                   row_number() OVER in_order AS number
              {MOVED} WINDOW in_order AS (ORDER BY moved.xid, moved.id)) AS moved
     WHERE moved.number > %(start)s ORDER BY moved.number LIMIT %(limit)s
"""
