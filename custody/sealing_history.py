"""The history tables (pghistory's events) and who made the changes, as the trail that is sealed.

They are found, not listed: whatever app tracks a model, its history is part of the
trail from its first migration on. After each migration every table of the trail gets a
column with the writing transaction's id, which orders what is sealed, and loses the
application's right to change or delete a row.

Who made a change is a row of pghistory's contexts. Pghistory itself would overwrite it
when more becomes known within a request; here each version is a row of its own, so that
a sealed one never changes.
"""

from typing import Any

import pghistory.models
from django.apps import apps
from django.db import connections

XID_COLUMN = "pgh_xid"
CONTEXT_TABLE = "pghistory_context"


def list_history_tables() -> list[str]:
    """The names of all history tables, sorted."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, pghistory.models.Event) and model._meta.managed
    )


def list_audit_tables() -> list[str]:
    """All tables of the audit trail: the history, and who was behind it."""
    return [*list_history_tables(), CONTEXT_TABLE]


def id_column(table: str) -> str:
    """The column by which rows of one transaction are ordered, and named."""
    return "id" if table == CONTEXT_TABLE else "pgh_id"


def prepare_history_tables(*, using: str, **_: Any) -> None:
    """Receiver of post_migrate; the connection must belong to the tables' owner."""
    with connections[using].cursor() as cursor:
        existing = set(connections[using].introspection.table_names(cursor))
        for table in list_audit_tables():
            if table in existing:
                statement = PREPARE.format(table=table, xid=XID_COLUMN, id=id_column(table))
                cursor.execute(statement)
        if CONTEXT_TABLE in existing:
            cursor.execute(ATTACH_CONTEXT)


# Table names come from our own models. The default is no field of Django's: it is the
# database that says which transaction wrote the row.
PREPARE = """
    ALTER TABLE "{table}"
      ADD COLUMN IF NOT EXISTS {xid} xid8 NOT NULL DEFAULT pg_current_xact_id();
    CREATE INDEX IF NOT EXISTS "{table}_{xid}" ON "{table}" ({xid}, {id});
    REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM bourse_app;
"""
# Pghistory's function with its upsert taken out. The id is made of what the row says, so
# the changes of one request that know the same share a row.
ATTACH_CONTEXT = """
    CREATE OR REPLACE FUNCTION _pgh_attach_context() RETURNS uuid LANGUAGE plpgsql AS $$
    DECLARE
        of_request text := current_setting('pghistory.context_id', true);
        known jsonb := nullif(current_setting('pghistory.context_metadata', true), '')::jsonb;
        version uuid;
    BEGIN
        IF coalesce(of_request, '') = '' OR known IS NULL THEN
            RETURN NULL;
        END IF;
        version := md5(of_request || known::text)::uuid;
        INSERT INTO pghistory_context (id, metadata, created_at, updated_at)
        VALUES (version, known, now(), now()) ON CONFLICT (id) DO NOTHING;
        RETURN version;
    END $$;
"""
