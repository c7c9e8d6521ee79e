"""The audit trail's own rules: every table of it is sealable and append-only."""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.sealing_history import XID_COLUMN, list_audit_tables, list_history_tables
from custody.verification.registry import Difference
from custody.verification.streaming import stream

PREPARED = """
    SELECT attrelid::regclass::text FROM pg_attribute
     WHERE attrelid = ANY (%s::regclass[]) AND attname = %s
"""
WRITABLE = """
    SELECT name FROM unnest(%s::text[]) AS name
     WHERE has_table_privilege('bourse_app', name, 'UPDATE')
        OR has_table_privilege('bourse_app', name, 'DELETE')
        OR has_table_privilege('bourse_app', name, 'TRUNCATE')
"""
# Each tracked table has a trigger that writes its history; a disabled one writes none.
SILENT = """
    SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger
     WHERE tgname LIKE 'pgtrigger_%%' AND tgenabled NOT IN ('O', 'A')
"""

NAMELESS = """
    SELECT event.pgh_id FROM "{table}" AS event
     WHERE event.pgh_context_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM pghistory_context WHERE id = event.pgh_context_id)
"""


def history_rules_are_in_force(cursor: Cursor) -> Iterator[Difference]:
    tables = list_audit_tables()
    cursor.execute(PREPARED, [tables, XID_COLUMN])
    prepared = {table for (table,) in cursor.fetchall()}
    for table in sorted(set(tables) - prepared):
        yield Difference("history", table, f"a column {XID_COLUMN}", "none: run migrate")
    cursor.execute(WRITABLE, [tables])
    for (table,) in cursor.fetchall():
        yield Difference("history", table, "append-only for bourse_app", "it may change rows")
    cursor.execute(SILENT, [])
    for table, trigger in cursor.fetchall():
        yield Difference("history", f"trigger {trigger} on {table}", "enabled", "disabled")


def changes_name_who_made_them(_: Cursor) -> Iterator[Difference]:
    """Who made a change is a row of its own, without a foreign key."""
    for table in list_history_tables():
        for (event_id,) in stream(NAMELESS.format(table=table)):
            yield Difference("history", f"{table} {event_id}", "a context of the change", "none")
