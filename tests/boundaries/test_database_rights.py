"""What the application's role can do in a migrated database, asked of PostgreSQL itself."""

import pghistory.models
import pytest
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, connection, transaction

from accounts import approvals
from accounts.models import Proposal, User
from kernel import clock

# Written once, never changed: neither a row nor a column of it.
APPEND_ONLY = {
    "custody_journalentry", "custody_posting", "custody_seal", "custody_reserveattestation",
    "trading_trade", "trading_bookevent", "accounts_eligibilitysnapshot", "accounts_consent",
    "accounts_caseevent", "accounts_personaldataaccess", "accounts_disclosure",
    "django_admin_log", "reporting_exportdownload", "pghistory_context",
    "custody_reconciliationrun", "custody_reconciliationfigure",
    "trading_feeschedule", "trading_feetier", "trading_volumeday", "trading_investorvolume",
    "trading_killswitcheffect", "trading_marketbreaker",
}  # fmt: skip
# Rows that go on, but never go.
NEVER_DELETED = {
    "accounts_proposal", "accounts_kyccase", "accounts_providerevent", "accounts_restriction",
    "accounts_screeninghit", "accounts_investor", "accounts_apikey", "custody_ledgeraccount",
    "custody_mintrequest", "custody_redemption", "custody_deposit", "custody_depositaddress",
    "custody_chaintransaction", "custody_custodianorder", "custody_blockorder",
    "custody_settlementleg", "trading_order", "trading_pool",
    "trading_listing", "custody_reconciliationcase", "trading_killswitch", "accounts_partner",
}  # fmt: skip
COLUMNS_OF = {
    "accounts_proposal": {
        "state", "checker_id", "decision_reason", "decided_at", "executed_at",
    },
    "custody_ledgeraccount": {"held_units"},
    "trading_killswitch": {"lifted_at", "lift_proposal_id"},
    "custody_reconciliationcase": {
        "state", "closed_at", "explanation", "proposal_id", "matches_since",
    },
}  # fmt: skip


def ask(question: str, *values: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchone()[0]


def history_tables() -> set[str]:
    return {
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, pghistory.models.Event) and model._meta.managed
    }


def test_the_tests_run_as_the_application(db: None) -> None:
    assert ask("SELECT current_user") == "bourse_app"
    assert (
        ask("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
    )


def test_what_is_written_once_is_never_changed(db: None) -> None:
    assert len(history_tables()) > 10
    for table in sorted(APPEND_ONLY | history_tables()):
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            assert ask("SELECT has_table_privilege(%s, %s)", table, right) is False, (table, right)
        assert ask("SELECT has_any_column_privilege(%s, 'UPDATE')", table) is False, table


def test_what_goes_on_never_goes(db: None) -> None:
    for table in sorted(NEVER_DELETED):
        for right in ("DELETE", "TRUNCATE"):
            assert ask("SELECT has_table_privilege(%s, %s)", table, right) is False, (table, right)


@pytest.mark.parametrize("table", sorted(COLUMNS_OF))
def test_of_some_tables_only_these_columns_move(db: None, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND has_column_privilege(attrelid, attnum, 'UPDATE')",
            [table],
        )
        assert {row[0] for row in cursor.fetchall()} == COLUMNS_OF[table]


def test_no_table_can_be_emptied_nor_its_triggers_touched(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'")
        tables = cursor.fetchall()
    assert {owner for _, owner in tables} == {"bourse_owner"}
    for table, _ in tables:
        for right in ("TRUNCATE", "TRIGGER", "REFERENCES"):
            assert ask("SELECT has_table_privilege(%s, %s)", table, right) is False, (table, right)


def test_the_application_makes_no_tables_of_its_own(db: None) -> None:
    """A temporary one would be found before the real one by whatever names it."""
    assert ask("SELECT has_schema_privilege('public', 'CREATE')") is False
    assert ask("SELECT has_database_privilege(current_database(), 'CREATE')") is False
    assert ask("SELECT has_database_privilege(current_database(), 'TEMPORARY')") is False


def test_functions_with_their_owners_rights_look_at_temporary_tables_last(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND (prosecdef OR proconfig::text LIKE '%search_path%')"
        )
        found = cursor.fetchall()

    assert len(found) > 5
    for name, settings in found:
        paths = [each for each in settings or [] if each.startswith("search_path=")]
        assert paths == ["search_path=pg_catalog, public, pg_temp"], name


@pytest.fixture
def proposal(db: None) -> Proposal:
    password = make_password(None)
    maker = User.objects.create(email="m@example.com", password=password, is_staff=True)
    return Proposal.objects.create(
        kind="mint", subject="mint:1", body={"units": "1"},
        body_hash=approvals.hash_body({"units": "1"}), reason="x", maker=maker,
        proposed_at=clock.now(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        'body = \'{"units": "1000"}\'',
        "maker_id = NULL",
        "checker_id = maker_id, state = 'approved', decided_at = now()",
        "state = 'executed', decided_at = now()",
    ],
)
def test_a_proposal_cannot_be_bent_even_when_triggers_are_told_to_look_away(
    proposal: Proposal, change: str
) -> None:
    """pgtrigger reads a session variable that anybody may set; ours does not listen."""
    names = (
        "{accounts_proposal:body_is_immutable,accounts_proposal:state_goes_forward,"
        "pgtrigger_body_is_immutable_7cb12,pgtrigger_state_goes_forward_3e110}"
    )
    ask("SELECT set_config('pgtrigger.ignore', %s, true)", names)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE accounts_proposal SET {change} WHERE id = %s", [proposal.pk])


def test_the_audit_trail_listens_to_no_session_variable(proposal: Proposal) -> None:
    assert ask("SELECT set_config('pgtrigger.ignore', %s, true)", "{some_trigger}")

    assert ask("SELECT _pgtrigger_should_ignore('some_trigger')") is False
