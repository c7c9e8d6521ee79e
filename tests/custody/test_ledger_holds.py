"""Holds in one step with postings, as an engine's batch books them, and alone."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from custody import ledger
from custody.ledger import Entry
from custody.models import Posting
from tests.ledger_stories import NOON, POOL, Books

LINES = "'{%(entry)s,%(entry)s}', '{1,2}', '{%(alice)s,%(bob)s}', '{-1,1}'"
ALICE, BOB = "alice trading USDC", "bob trading USDC"


@pytest.fixture
def books(db: None) -> Books:
    books = Books()
    for name in (ALICE, BOB):
        books.give_to_trade(name, "100")
    return books


def batch(books: Books, entries: list[Entry], holds: Mapping[str, int]) -> None:
    """What an engine books in one transaction; `holds` in dollars."""
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        units = {books.account_id(name): amount * 10**6 for name, amount in holds.items()}
        ledger.write_entries(cursor, entries, NOON, ledger.IdBlock(), units)
        cursor.execute("SELECT set_config('bourse.pool', '', true)")


def dollars(books: Books, name: str) -> tuple[int, int]:
    """What is posted, and what of it is held."""
    row = books.row(name)
    return row.posted_units // 10**6, row.held_units // 10**6


def pay(books: Books, amount: int) -> Entry:
    return books.entry("trade", {ALICE: f"-{amount}", BOB: f"+{amount}"})


def test_only_the_sum_of_postings_and_holds_has_to_be_covered(books: Books) -> None:
    batch(books, [], {ALICE: 100})
    batch(books, [pay(books, 90)], {ALICE: -90, BOB: 190})

    assert (dollars(books, ALICE), dollars(books, BOB)) == ((10, 10), (190, 190))
    batch(books, [], {ALICE: -10, BOB: -190})


@pytest.mark.parametrize(
    ("amount", "holds"), [(90, {ALICE: 11}), (90, {BOB: 191}), (1, {ALICE: -1}), (101, {})]
)
def test_what_the_sum_does_not_cover_changes_nothing(
    books: Books, amount: int, holds: dict[str, int]
) -> None:
    entry = pay(books, amount)
    with pytest.raises(IntegrityError) as caught:
        batch(books, [entry], holds)

    assert isinstance(ledger.refusal_for(caught.value), ledger.InsufficientUnits)
    assert (dollars(books, ALICE), dollars(books, BOB)) == ((100, 0), (100, 0))


def test_an_entry_after_the_batch_holds_nothing_more(books: Books) -> None:
    """The holds are handed over once, to the postings of their own call."""
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        held = {books.account_id(BOB): 5}
        ledger.write_entries(cursor, [pay(books, 1)], NOON, None, held)
        ledger.write_entries(cursor, [pay(books, 1)], NOON)
        cursor.execute("SELECT set_config('bourse.pool', '', true)")

    assert (books.row(ALICE).held_units, books.row(BOB).held_units) == (0, 5)
    batch(books, [], {})
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        ledger.hold_accounts(cursor, {books.account_id(BOB): -5})
        cursor.execute("SELECT set_config('bourse.pool', '', true)")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ("'{}', '{}', '{}', '{}', '{%(alice)s}', '{1}'", ledger.LatePosting),
        (f"{LINES}, '{{1000000000}}', '{{1}}'", ledger.UnknownLedgerAccount),
        (f"{LINES}, '{{%(alice)s,%(bob)s}}', '{{1}}'", ledger.UnknownLedgerAccount),
        (f"{LINES}, NULL, NULL", ledger.UnknownLedgerAccount),
    ],
)
def test_a_hold_without_its_postings_or_its_account_is_refused(
    books: Books, arguments: str, refusal: type[Exception]
) -> None:
    ids = {"alice": books.account_id(ALICE), "bob": books.account_id(BOB), "entry": 10**12}

    with pytest.raises(IntegrityError) as caught:
        _book_by_hand(arguments % ids, 10**12)

    assert type(ledger.refusal_for(caught.value)) is refusal
    assert (dollars(books, ALICE), dollars(books, BOB)) == ((100, 0), (100, 0))


@transaction.atomic
def _book_by_hand(arguments: str, entry: int) -> None:
    with connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        cursor.execute(
            "INSERT INTO custody_journalentry (id, kind, key, reference, content_hash, created_at)"
            " VALUES (%s, 'trade', 'trade:x', 'x', sha256('x'), now())",
            [entry],
        )
        cursor.execute(f"SELECT custody_book({arguments})")


def test_few_lines_and_many_in_one_session_come_to_the_same(books: Books) -> None:
    """The trigger's plans are made by the first statement of a session."""
    dice, expected = Random(7), {ALICE: 0, BOB: 0}
    for count in (1, 700, 3, 1_500, 1):
        with transaction.atomic(), connection.cursor() as cursor:
            ledger.claim_pool(cursor, POOL)
            signs = [dice.choice((-1, 1)) for _ in range(count)]
            ids = {name: books.account_id(name) for name in (ALICE, BOB)}
            entries = [
                Entry("trade", f"trade:{count}:{n}:{dice.random()}", "", _lines(ids, sign))
                for n, sign in enumerate(signs)
            ]
            written = ledger.write_entries(cursor, entries, NOON)
            cursor.execute("SELECT set_config('bourse.pool', '', true)")
        assert Posting.objects.filter(entry_id__in=written).count() == 2 * count
        expected[ALICE] += sum(signs)
        expected[BOB] -= sum(signs)
        for name, units in expected.items():
            assert books.row(name).posted_units == 100 * 10**6 + units


def _lines(ids: dict[str, int], units: int) -> list[Any]:
    return [ledger.Line(ids[ALICE], units), ledger.Line(ids[BOB], -units)]


def test_a_session_that_began_with_empty_books_does_not_read_them_whole_later(
    books: Books,
) -> None:
    """The plan of its first statement stays: it must be one for full tables too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = 'custody_book_postings'")
        settings = cursor.fetchone()[0]
        assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off"} <= {*settings}
        cursor.execute("SELECT pg_stat_get_xact_numscans('custody_journalentry'::regclass)")
        before = cursor.fetchone()[0]
    batch(books, [pay(books, 1)], {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_get_xact_numscans('custody_journalentry'::regclass)")
        assert cursor.fetchone()[0] == before
