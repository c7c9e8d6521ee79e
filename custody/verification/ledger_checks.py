"""The ledger against itself: entries, balances, holds, and the rules in the database."""

import hashlib
from collections.abc import Iterator
from typing import Any

from django.db import connection

from custody.ledger_core import Cursor
from custody.verification.registry import Difference, list_hold_sources

ROWS_FETCHED_AT_ONCE = 5000

CONTENT = """
    SELECT entry.id, entry.kind, entry.key, entry.reference, entry.reverses_id,
           entry.content_hash, entry.created_at, posting.lines, posting.gapless
      FROM custody_journalentry AS entry
      LEFT JOIN (SELECT entry_id,
                        string_agg(account_id || ':' || units, ',' ORDER BY line_no) AS lines,
                        min(line_no) = 1 AND max(line_no) = count(*) AS gapless
                   FROM custody_posting GROUP BY entry_id) AS posting
        ON posting.entry_id = entry.id
"""
UNBALANCED = """
    SELECT posting.entry_id, asset.code, sum(posting.units)
      FROM custody_posting AS posting
      JOIN custody_ledgeraccount AS account ON account.id = posting.account_id
      JOIN custody_asset AS asset ON asset.id = account.asset_id
     GROUP BY posting.entry_id, asset.code
    HAVING sum(posting.units) <> 0
"""
ORPHANS = """
    SELECT posting.entry_id, posting.line_no
      FROM custody_posting AS posting
     WHERE NOT EXISTS (SELECT FROM custody_journalentry AS entry
                        WHERE entry.id = posting.entry_id)
"""
BALANCES = """
    SELECT COALESCE(account.id, booked.account_id), account.posted_units, booked.units
      FROM custody_ledgeraccount AS account
      FULL JOIN (SELECT account_id, sum(units) AS units
                   FROM custody_posting GROUP BY account_id) AS booked
        ON booked.account_id = account.id
     WHERE account.id IS NULL OR account.posted_units <> COALESCE(booked.units, 0)
"""
HOLDS = """
    SELECT COALESCE(account.id, promised.account_id), account.held_units, promised.units
      FROM custody_ledgeraccount AS account
      FULL JOIN (SELECT account_id, sum(units) AS units
                   FROM ({sources}) AS promise (account_id, units)
                  GROUP BY account_id) AS promised
        ON promised.account_id = account.id
     WHERE COALESCE(account.held_units, 0) <> COALESCE(promised.units, 0)
"""
SIGNS = """
    SELECT account.id, account.purpose, account.posted_units, account.held_units
      FROM custody_ledgeraccount AS account
     WHERE CASE WHEN purpose IN ('chain', 'custodian_bought', 'custodian_settled',
                                 'custodian_cash')
                THEN posted_units > 0 OR held_units <> 0
                ELSE held_units < 0 OR posted_units < held_units END
"""
REVERSALS = """
    SELECT entry.id, entry.reverses_id
      FROM custody_journalentry AS entry
     WHERE entry.reverses_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM custody_journalentry AS original
                        WHERE original.id = entry.reverses_id)
"""
# (table, trigger): each has to exist and to be enabled for everybody.
TRIGGERS = [
    ("custody_posting", "custody_book_postings"),
    ("custody_posting", "custody_append_only"),
    ("custody_journalentry", "custody_append_only"),
    ("custody_seal", "custody_append_only"),
    ("custody_ledgeraccount", "custody_append_only"),
    ("custody_ledgeraccount", "custody_trading_balance_has_one_writer"),
]
TRIGGER_STATES = """
    SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger WHERE tgenabled IN ('O', 'A')
"""
RIGHTS = """
    SELECT "table", "right"
      FROM unnest(ARRAY['custody_journalentry', 'custody_posting', 'custody_seal'])
           AS names ("table"),
           unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS rights ("right")
     WHERE has_any_column_privilege('bourse_app', "table", 'UPDATE') AND "right" = 'UPDATE'
        OR has_table_privilege('bourse_app', "table", "right")
"""


def entries_say_what_they_hash(_: Cursor) -> Iterator[Difference]:
    """Every entry has postings, numbered without gaps, and its hash is theirs."""
    for row in _stream(CONTENT):
        entry_id, kind, key, reference, reverses, content_hash, created_at, lines, gapless = row
        where = f"entry {entry_id} ({key})"
        since = created_at.isoformat()
        if not gapless:
            found = "none" if lines is None else "a gap in their numbers"
            yield Difference("postings", where, "postings 1, 2, 3...", found, since)
        content = f"{kind}\n{key}\n{reference}\n{reverses or ''}\n{lines or ''}"
        computed = hashlib.sha256(content.encode()).digest()
        if computed != bytes(content_hash):
            yield Difference(
                "content hash", where, bytes(content_hash).hex(), computed.hex(), since
            )


def entries_are_balanced(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(UNBALANCED)
    for entry_id, code, units in cursor.fetchall():
        yield Difference("balanced entries", f"entry {entry_id}, {code}", "0", str(units))


def postings_have_entries(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(ORPHANS)
    for entry_id, line_no in cursor.fetchall():
        where = f"posting {entry_id}/{line_no}"
        yield Difference("postings", where, f"an entry {entry_id}", "none")


def balances_are_their_postings(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(BALANCES)
    for account_id, posted, booked in cursor.fetchall():
        yield Difference(
            "posted units", f"ledger account {account_id}", str(booked or 0), str(posted)
        )


def holds_are_promised(cursor: Cursor) -> Iterator[Difference]:
    """What an account holds is what open orders and requests hold of it, together."""
    sources = [source.query for source in list_hold_sources()]
    # Queries are the apps' own constants.
    union = " UNION ALL ".join(sources or ["SELECT 0::bigint, 0::bigint WHERE false"])
    cursor.execute(HOLDS.format(sources=union))
    for account_id, held, promised in cursor.fetchall():
        yield Difference(
            "held units", f"ledger account {account_id}", str(promised or 0), str(held)
        )


def balances_have_their_sign(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(SIGNS)
    for account_id, purpose, posted, held in cursor.fetchall():
        where = f"ledger account {account_id} ({purpose})"
        yield Difference("signs", where, "0 <= held <= posted, contra <= 0", f"{held}, {posted}")


def reversals_name_an_entry(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(REVERSALS)
    for entry_id, original in cursor.fetchall():
        yield Difference("reversals", f"entry {entry_id}", f"an entry {original}", "none")


def rules_are_in_force(cursor: Cursor) -> Iterator[Difference]:
    """The triggers are there and enabled; the application cannot change history."""
    cursor.execute(TRIGGER_STATES)
    enabled = set(cursor.fetchall())
    for table, trigger in TRIGGERS:
        if (table, trigger) not in enabled:
            yield Difference("rules", f"trigger {trigger} on {table}", "enabled", "not in force")
    cursor.execute(RIGHTS)
    for table, right in cursor.fetchall():
        yield Difference("rules", f"{right} on {table}", "not granted to bourse_app", "granted")


def _stream(query: str) -> Iterator[tuple[Any, ...]]:
    """Rows through a cursor on the server, so that memory stays flat."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(ROWS_FETCHED_AT_ONCE):
            yield from rows


LEDGER_CHECKS = [
    rules_are_in_force,
    entries_say_what_they_hash,
    entries_are_balanced,
    postings_have_entries,
    balances_are_their_postings,
    balances_have_their_sign,
    holds_are_promised,
    reversals_name_an_entry,
]
