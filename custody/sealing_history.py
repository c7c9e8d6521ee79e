"""The history tables (pghistory's events) as the audit trail that is sealed.

They are found, not listed: whatever app tracks a model, its history is part of the
trail from its first migration on. After each migration every history table gets a
column with the writing transaction's id, which orders what is sealed, and loses the
application's right to change or delete a row.
"""

from typing import Any

import pghistory.models
from django.apps import apps
from django.db import connections

XID_COLUMN = "pgh_xid"


def list_history_tables() -> list[str]:
    """The names of all history tables, sorted."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, pghistory.models.Event) and model._meta.managed
    )


def prepare_history_tables(*, using: str, **_: Any) -> None:
    """Receiver of post_migrate; the connection must belong to the tables' owner."""
    with connections[using].cursor() as cursor:
        existing = set(connections[using].introspection.table_names(cursor))
        for table in list_history_tables():
            if table in existing:
                cursor.execute(PREPARE.format(table=table, xid=XID_COLUMN))


# Table names come from our own models. The default is no field of Django's: it is the
# database that says which transaction wrote the row.
PREPARE = """
    ALTER TABLE "{table}"
      ADD COLUMN IF NOT EXISTS {xid} xid8 NOT NULL DEFAULT pg_current_xact_id();
    CREATE INDEX IF NOT EXISTS "{table}_{xid}" ON "{table}" ({xid}, pgh_id);
    REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM bourse_app;
"""
