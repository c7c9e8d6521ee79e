"""Columns that name rows without a foreign key: all are verified, and a wrong one is found."""

from typing import LiteralString

import pytest
from django.apps import apps
from django.db import models

from custody import pool_transfers
from custody.entry_kinds import EntryKind
from custody.models import JournalEntry, PoolTransfer, Seal
from custody.verification import references, run
from tests.ledger_stories import NOON, POOL, Books
from tests.sealing_stories import as_superuser

LEDGER_IS_TAMPERED_WITH = True
OURS = {"reference", "accounts", "custody", "trading", "reporting"}
# Checked by name in custody/verification, with more than whether the row exists.
CHECKED_ELSEWHERE = {
    "custody_posting.entry_id": "entries_say_what_they_hash",
    "custody_posting.account_id": "balances_are_their_postings",
    "custody_journalentry.reverses_id": "reversals_name_an_entry",
    "custody_journalentry.reference": "entries_are_about_what_exists",
    "custody_sealedbalance.account_id": "sealed_balances_are_their_postings",
    "custody_sealedbalance.seal_n": "sealed_balances_are_their_postings",
}
NO_REFERENCE = {
    "accounts_apikey.key_id": "the key's own public name",
    "accounts_investor.owner_group": "a group is the investors that share the value",
    "accounts_kyccase.provider_applicant_id": "the provider's name of its own row",
    "accounts_providerevent.applicant_id": "the provider's name, known to us or not",
    "accounts_sanctionsentry.reference": "the list's own number",
    "accounts_screeninghit.reference": "the list's own number, kept when the list is replaced",
    "custody_blockorder.custodian_order_id": "the custodian's name of its own row",
    "custody_custodianorder.custodian_order_id": "the custodian's name of its own row",
    "custody_seal.key_id": "a key outside the database; the seals' own check looks at it",
    "reference_instrument.price_feed_id": "the feed's name of its own row",
    "trading_orderterms.link_id": "two orders share it; an id of no row of its own",
    "trading_order.client_order_id": "the client's own name of this order",
    "trading_order.owner_group": "the group at the time, kept when the investor's changes",
}


def unconstrained_columns() -> set[str]:
    """Foreign keys that the database does not check, and columns that read like one."""
    found = set()
    for model in apps.get_models():
        if model._meta.app_label not in OURS or hasattr(model, "pgh_tracked_model"):
            continue
        for field in model._meta.concrete_fields:
            is_unchecked = field.remote_field and not getattr(field, "db_constraint", True)
            reads_like_one = not field.remote_field and (
                field.name.endswith("_id")
                or field.name in {"reference", "owner_group", "pool", "seal_n"}
                or (isinstance(field, models.UUIDField) and not field.primary_key)
            )
            if is_unchecked or reads_like_one:
                found.add(f"{model._meta.db_table}.{field.column}")
    return found


def differences() -> str:
    return "\n".join(str(difference) for difference in run.verify_ledger().differences)


def test_every_column_that_names_a_row_without_a_foreign_key_is_verified() -> None:
    registered = {f"{each.table}.{each.column}" for each in references.list_references()}
    expected = unconstrained_columns()

    assert expected - registered - CHECKED_ELSEWHERE.keys() - NO_REFERENCE.keys() == set()
    assert registered & NO_REFERENCE.keys() == set()


def test_every_kind_of_entry_says_what_it_is_about() -> None:
    """Or is one whose reference is its operator's own key, or which another check follows."""
    kinds = {str(kind) for kind in EntryKind} - set(references.list_subjects())

    assert kinds == {"custodian prefunded", "shares delivered", "inventory sold", "trade"}


def test_every_registered_reference_is_a_query_that_runs(db: None) -> None:
    assert len(references.list_references()) > 15
    assert run.verify_ledger().differences == []


@pytest.fixture
def transfer(books: Books) -> PoolTransfer:
    """Bob's ten dollars on their way into trading."""
    books.give("bob main USDC", "10")
    return pool_transfers.request_in(
        investor_id=books.investors["bob"].pk,
        asset_id=books.assets["USDC"].pk,
        pool=POOL,
        units=10_000_000,
        purpose="deposit",
        key="once",
        now=NOON,
    )


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "DELETE FROM custody_pooltransfer",
            "references: entry {entry} (pool in requested): expected {id} to exist, found none"
            " (since after the last seal)",
        ),
        (
            "UPDATE custody_journalentry SET key = 'lost' WHERE kind = 'pool in requested'",
            "references: custody_pooltransfer {id}: expected 'pool_in:' || referring.id"
            " pool_in:{id} to exist, found none (since 2026-03-04T12:00:00+0000)",
        ),
        (
            "UPDATE custody_pooltransfer SET purpose = 'redemption', reference = 'nothing'",
            "references: custody_pooltransfer {id}: expected reference nothing to exist",
        ),
        (
            "UPDATE custody_pooltransfer SET pool = 77",
            "references: custody_pooltransfer {id}: expected pool 77 to exist",
        ),
        (
            "UPDATE custody_ledgeraccount SET pool = 77 WHERE purpose = 'transit'",
            "expected pool 77 to exist",
        ),
        (
            "INSERT INTO custody_period (n, seal_n, ends_at, closed_at)"
            " VALUES (1, 5, '2020-01-01', '2020-01-01')",
            "references: custody_period 1: expected seal_n 5 to exist",
        ),
    ],
)
def test_a_reference_to_nothing_is_found_and_named(
    transfer: PoolTransfer, statement: LiteralString, named: str
) -> None:
    assert differences() == ""
    assert not Seal.objects.exists()

    as_superuser(statement)

    entry = JournalEntry.objects.get(kind="pool in requested")
    assert named.format(id=transfer.id, entry=entry.id) in differences()


TRADING_ROWS: list[tuple[LiteralString, str]] = [
    (
        "INSERT INTO trading_bookevent (listing_id, batch_no, first_event_seq, event_seq, book_seq,"
        " trade_no, events, created_at) VALUES (77, 1, 1, 2, 1, 0, '[]', now()),"
        " (77, 2, 4, 5, 1, 0, '[]', now())",
        "book events: listing 77: expected event 3, found event 4",
    ),
    (
        "INSERT INTO trading_inboxitem (pool_id, kind, payload, created_at)"
        " VALUES (77, 'x', '{}', now())",
        "trading_inboxitem 1: expected pool_id 77 to exist",
    ),
]


@pytest.mark.parametrize(("statement", "named"), TRADING_ROWS)
def test_a_row_of_the_engine_that_names_nothing_is_found(
    books: Books, statement: LiteralString, named: str
) -> None:
    as_superuser(statement)

    assert named in differences()
