"""The ledger against itself: entries, balances, holds, and the rules in the database."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from custody.as_of import NOW, Scope
from custody.ledger_core import Cursor
from custody.ledger_purposes import CONTRA_PURPOSES, SIGNED_PURPOSES
from custody.verification.balance_checks import since_parting
from custody.verification.registry import Difference, list_hold_sources
from custody.verification.since import since_entry, since_promise, since_row
from custody.verification.streaming import stream

# The database recomputes and compares, and hands out what differs only. The text is
# custody.ledger_core.content's.
CONTENT = """
    SELECT entry.id, entry.key, entry.xid::text::bigint, encode(entry.content_hash, 'hex'),
           encode(entry.computed, 'hex'), entry.posting_id, entry.gapless
      FROM (
        SELECT entry.id, entry.key, entry.xid, entry.content_hash,
               posting.entry_id AS posting_id, posting.gapless,
               sha256(convert_to(
                   entry.kind || E'\\n' || entry.key || E'\\n' || entry.reference || E'\\n'
                   || COALESCE(entry.reverses_id::text, '') || E'\\n'
                   || COALESCE(posting.lines, ''), 'UTF8')) AS computed
          FROM custody_journalentry AS entry
          FULL JOIN (SELECT entry_id,
                            string_agg(account_id || ':' || units, ',' ORDER BY line_no) AS lines,
                            min(line_no) = 1 AND max(line_no) = count(*) AS gapless
                       FROM custody_posting GROUP BY entry_id) AS posting
            ON posting.entry_id = entry.id
      ) AS entry
     WHERE (entry.gapless IS DISTINCT FROM true OR entry.id IS NULL
            OR entry.content_hash <> entry.computed)
       AND (entry.xid < %(xid_to)s::text::xid8 OR entry.xid IS NULL AND %(is_now)s)
"""
# Grouped by numbers: names of assets would make it several times as slow.
UNBALANCED = """
    SELECT posting.entry_id, account.asset_id, sum(posting.units)
      FROM custody_posting AS posting
      JOIN custody_ledgeraccount AS account ON account.id = posting.account_id
     GROUP BY posting.entry_id, account.asset_id
    HAVING sum(posting.units) <> 0
"""
UNBALANCED_NAMED = f"""
    SELECT entry.id, entry.xid::text::bigint, asset.code, wrong.units
      FROM ({UNBALANCED}) AS wrong (entry_id, asset_id, units)
      JOIN custody_asset AS asset ON asset.id = wrong.asset_id
      JOIN custody_journalentry AS entry ON entry.id = wrong.entry_id
     WHERE entry.xid < %(xid_to)s::text::xid8
"""  # noqa: S608 (a constant)
BALANCES = """
    SELECT COALESCE(account.id, booked.account_id), account.posted_units, booked.units,
           account.xmin::text::bigint
      FROM custody_ledgeraccount AS account
      FULL JOIN (SELECT account_id, sum(units) AS units
                   FROM custody_posting GROUP BY account_id) AS booked
        ON booked.account_id = account.id
     WHERE account.id IS NULL OR account.posted_units <> COALESCE(booked.units, 0)
"""
HOLDS = """
    SELECT COALESCE(account.id, promised.account_id), account.held_units, promised.units,
           account.xmin::text::bigint
      FROM custody_ledgeraccount AS account
      FULL JOIN (SELECT account_id, sum(units) AS units
                   FROM ({sources}) AS promise (account_id, units)
                  GROUP BY account_id) AS promised
        ON promised.account_id = account.id
     WHERE COALESCE(account.held_units, 0) <> COALESCE(promised.units, 0)
"""
SIGNS = """
    SELECT account.id, account.purpose, account.posted_units, account.held_units,
           account.xmin::text::bigint
      FROM custody_ledgeraccount AS account
     WHERE CASE WHEN purpose = ANY (%s) THEN posted_units > 0 OR held_units <> 0
                WHEN purpose = ANY (%s) THEN held_units <> 0
                ELSE held_units < 0 OR posted_units < held_units END
"""
REVERSALS = """
    SELECT entry.id, entry.reverses_id, entry.xid::text::bigint
      FROM custody_journalentry AS entry
     WHERE entry.reverses_id IS NOT NULL AND entry.xid < %(xid_to)s::text::xid8
       AND NOT EXISTS (SELECT FROM custody_journalentry AS original
                        WHERE original.id = entry.reverses_id)
"""
# (table, trigger): each has to exist and to be enabled for everybody.
TRIGGERS = [
    ("custody_posting", "custody_book_postings"),
    ("custody_posting", "custody_append_only"),
    ("custody_journalentry", "custody_append_only"),
    ("custody_seal", "custody_append_only"),
    ("custody_seal", "custody_balance_seal"),
    ("custody_sealedbalance", "custody_append_only"),
    ("custody_period", "custody_append_only"),
    ("custody_ledgeraccount", "custody_append_only"),
    ("custody_ledgeraccount", "custody_trading_balance_has_one_writer"),
]
TRIGGER_STATES = """
    SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger WHERE tgenabled IN ('O', 'A')
"""
RIGHTS = """
    SELECT "table", "right"
      FROM unnest(ARRAY['custody_journalentry', 'custody_posting', 'custody_seal',
                        'custody_sealedbalance', 'custody_period'])
           AS names ("table"),
           unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS rights ("right")
     WHERE has_any_column_privilege('bourse_app', "table", 'UPDATE') AND "right" = 'UPDATE'
        OR has_table_privilege('bourse_app', "table", "right")
"""


def entries_say_what_they_hash(_: Cursor, scope: Scope = NOW) -> Iterator[Difference]:
    """Every entry has postings, numbered without gaps, and its hash is theirs; and
    there are no postings without an entry."""
    params = {"xid_to": str(scope.xid_to), "is_now": scope.seal is None}
    for entry_id, key, xid, stated, computed, posting_id, gapless in stream(CONTENT, params):
        if entry_id is None:
            where = f"postings of entry {posting_id}"
            yield Difference("postings", where, f"an entry {posting_id}", "none")
            continue
        where, since = f"entry {entry_id} ({key})", since_entry(xid)
        if not gapless:
            found = "none" if gapless is None else "a gap in their numbers"
            yield Difference("postings", where, "postings 1, 2, 3...", found, since)
        if computed != stated:
            yield Difference("content hash", where, stated, computed, since)


def entries_are_balanced(_: Cursor, scope: Scope = NOW) -> Iterator[Difference]:
    for entry_id, xid, code, units in stream(UNBALANCED_NAMED, {"xid_to": str(scope.xid_to)}):
        where = f"entry {entry_id}, {code}"
        yield Difference("balanced entries", where, "0", str(units), since_entry(xid))


def balances_are_their_postings(_: Cursor) -> Iterator[Difference]:
    """Postings that were changed part from the sealed balances at a seal; a balance that
    was changed says by itself only who wrote it last."""
    for account_id, posted, booked, xmin in stream(BALANCES):
        where = f"ledger account {account_id}"
        since = since_parting(account_id) or (since_row(xmin) if xmin is not None else "")
        yield Difference("posted units", where, str(booked or 0), str(posted), since)


def holds_are_promised(_: Cursor) -> Iterator[Difference]:
    """What an account holds is what open orders and requests hold of it, together."""
    sources = [source.query for source in list_hold_sources()]
    # Queries are the apps' own constants.
    union = " UNION ALL ".join(sources or ["SELECT 0::bigint, 0::bigint WHERE false"])
    for account_id, held, promised, xmin in stream(HOLDS.format(sources=union)):
        where = f"ledger account {account_id}"
        since = since_promise(xmin, _oldest_promise(account_id))
        yield Difference("held units", where, str(promised or 0), str(held), since)


def _oldest_promise(account_id: int) -> datetime | None:
    """Since when units of this account are held; None when they are for nothing."""
    dated = [source.dated for source in list_hold_sources() if source.dated]
    if not dated:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT min(at) FROM ({' UNION ALL '.join(dated)}) AS promise (account_id, at)"  # noqa: S608 (as above)
            " WHERE account_id = %s",
            [account_id],
        )
        (at,) = cursor.fetchone()
    return at if isinstance(at, datetime) else None


def balances_have_their_sign(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(SIGNS, [sorted(CONTRA_PURPOSES), sorted(SIGNED_PURPOSES)])
    for account_id, purpose, posted, held, xmin in cursor.fetchall():
        where, rule = f"ledger account {account_id} ({purpose})", "0 <= held <= posted, contra <= 0"
        yield Difference("signs", where, rule, f"{held}, {posted}", since_row(xmin))


def reversals_name_an_entry(_: Cursor, scope: Scope = NOW) -> Iterator[Difference]:
    for entry_id, original, xid in stream(REVERSALS, {"xid_to": str(scope.xid_to)}):
        where, since = f"entry {entry_id}", since_entry(xid)
        yield Difference("reversals", where, f"an entry {original}", "none", since)


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


# What can be asked of any moment, and what of the present only. The longest come first.
HISTORY_CHECKS = [entries_say_what_they_hash, entries_are_balanced, reversals_name_an_entry]
PRESENT_CHECKS = [
    balances_are_their_postings,
    balances_have_their_sign,
    holds_are_promised,
]
