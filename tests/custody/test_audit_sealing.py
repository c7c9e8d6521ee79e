"""The audit trail under seal: every table of it, and who was behind a change."""

from typing import LiteralString, cast

import pghistory
import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Investor
from bourse.supervisor.postgres import OWNER_ROLE
from custody import sealing, sealing_leaves
from custody.sealing_history import (
    CONTEXT_TABLE,
    id_column,
    list_audit_tables,
    list_history_tables,
    prepare_history_tables,
)
from custody.verification import run
from tests import servers
from tests.ledger_stories import Books
from tests.sealing_stories import as_superuser, seal_all

# These tests rewrite history on purpose; the verifiers are what is tested.
LEDGER_IS_TAMPERED_WITH = True


def differences() -> str:
    return "\n".join(str(difference) for difference in run.verify_audit().differences)


def who_changed(investor: Investor) -> list[object]:
    """What the trail knows of each change of this investor, oldest first."""
    events = Investor.pgh_event_model.objects.filter(pgh_obj=investor)  # type: ignore[attr-defined]
    contexts = events.order_by("pgh_id").values_list("pgh_context__metadata", flat=True)
    return list(contexts)


def a_row_in(table: str) -> int | str:
    """A row of whatever there is to a table, all else empty."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(servers.session_postgres().admin_url(name)) as raw:
        columns = raw.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND attnotnull AND attname <> ALL (%s)",
            [f'"{table}"', [id_column(table), "pgh_xid"]],
        ).fetchall()
        for (column,) in columns:
            raw.execute(
                cast(LiteralString, f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP NOT NULL')
            )
        value = "gen_random_uuid()" if table == CONTEXT_TABLE else "DEFAULT"
        column = id_column(table)
        query = f'INSERT INTO "{table}" ({column}) VALUES ({value}) RETURNING {column}'
        row = raw.execute(query).fetchone()
    assert row is not None
    return cast(int | str, row[0])


def test_one_row_changed_in_any_table_of_the_trail_is_found_and_named(
    books: Books, sealer: sealing.Sealer
) -> None:
    seal_all(sealer)
    rows = {}
    for second, table in enumerate(list_audit_tables(), start=1):
        rows[table] = a_row_in(table)
        seal_all(sealer, second)
    assert differences() == ""

    for table, row_id in rows.items():
        column = "created_at" if table == CONTEXT_TABLE else "pgh_created_at"
        where = f"{id_column(table)} = '{row_id}'"
        change = f'UPDATE "{table}" SET {column} = {{}} WHERE {where}'
        as_superuser(change.format("now()"))
        found = differences()
        as_superuser(change.format("NULL"))

        assert len(found.splitlines()) == 1, found
        assert f"({table} {row_id})" in found
    assert len(rows) > 10
    assert differences() == ""


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE pghistory_context SET metadata = '{\"user\": 8}'", "audit seal 2"),
        ("DELETE FROM pghistory_context", "accounts_investorevent"),
    ],
)
def test_who_was_behind_a_change_cannot_be_rewritten(
    books: Books, sealer: sealing.Sealer, statement: LiteralString, named: str
) -> None:
    seal_all(sealer)
    with pghistory.context(user=7):
        books.investors["alice"].save_base(force_update=True)
        Investor.objects.filter(display_name="alice").update(display_name="Alice")
    seal_all(sealer, 1)
    assert differences() == ""

    as_superuser(statement)

    assert named in differences()
    assert "audit seal 2" in differences()


def test_what_becomes_known_later_in_a_request_is_another_row(
    books: Books, sealer: sealing.Sealer
) -> None:
    """A seal may lie between the two: pghistory's own way would change what it covers."""
    alice = books.investors["alice"]
    with pghistory.context(user=7):
        Investor.objects.filter(id=alice.pk).update(display_name="Alice A.")
        seal_all(sealer)
        with pghistory.context(act="rename"):
            Investor.objects.filter(id=alice.pk).update(display_name="Alice B.")
            Investor.objects.filter(id=alice.pk).update(display_name="Alice C.")
    seal_all(sealer, 1)

    both = {"user": 7, "act": "rename"}
    assert who_changed(alice) == [None, {"user": 7}, both, both]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pghistory_context")
        assert cursor.fetchone()[0] == 2
    assert differences() == ""


def test_the_application_cannot_change_who_was_behind_a_change(books: Books) -> None:
    with pghistory.context(user=7):
        Investor.objects.filter(display_name="alice").update(display_name="Alice")

    for statement in (
        "UPDATE pghistory_context SET metadata = '{}'",
        "DELETE FROM pghistory_context",
    ):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_seals_of_before_a_table_joined_the_trail_stay_valid(
    books: Books, sealer: sealing.Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its older rows belong to the transaction of the release that began to seal it."""
    with pghistory.context(user=7):
        Investor.objects.filter(display_name="alice").update(display_name="Alice")
    with monkeypatch.context() as before:
        before.setattr(sealing_leaves, "list_audit_tables", list_history_tables)
        seal_all(sealer)
    name = connection.settings_dict["NAME"]
    with psycopg.connect(servers.database_url(OWNER_ROLE, name)) as owner:
        owner.execute("ALTER TABLE pghistory_context DROP COLUMN pgh_xid")
    prepare_history_tables(using="owner")

    (seal,) = seal_all(sealer, 1)

    assert (seal.chain, seal.n, seal.leaf_count) == ("audit", 2, 1)
    assert differences() == ""
    as_superuser("UPDATE pghistory_context SET metadata = '{}'")
    assert "(pghistory_context" in differences()
