"""Posting, holding, repeating: what `custody.ledger` promises its callers."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import connection, transaction

from custody import ledger
from custody.ledger import Entry, Line
from custody.ledger_core import BLOCK_SIZE
from custody.models import JournalEntry, LedgerAccount, Posting
from tests.ledger_stories import NOON, POOL, Books

DEPOSIT = {"chain USDC": "-100", "alice main USDC": "+100"}


@pytest.fixture
def books(db: None) -> Books:
    return Books()


def test_an_account_is_opened_once(books: Books) -> None:
    asset_id = books.assets["USDC"].id
    first = ledger.get_account_id(books.investors["alice"].id, asset_id, "main")

    assert ledger.get_account_id(books.investors["alice"].id, asset_id, "main") == first
    assert ledger.get_account_id(books.investors["bob"].id, asset_id, "main") != first
    assert ledger.get_account_id(None, asset_id, "fees", 1) != ledger.get_account_id(
        None, asset_id, "fees", 2
    )


def test_posting_the_same_entry_again_books_it_once(books: Books) -> None:
    first = books.book("deposit", DEPOSIT, key="deposit:sig")

    again = books.book("deposit", DEPOSIT, key="deposit:sig")

    assert again == first
    assert books["alice main USDC"] == "100"


def test_a_key_with_other_content_is_refused(books: Books) -> None:
    books.book("deposit", DEPOSIT, key="deposit:sig")

    with pytest.raises(ledger.KeyReused):
        books.book("deposit", {"chain USDC": "-1", "alice main USDC": "+1"}, key="deposit:sig")

    assert books["alice main USDC"] == "100"


def test_new_and_repeated_entries_may_come_together(books: Books) -> None:
    known = books.entry("deposit", DEPOSIT, key="deposit:1")
    new = books.entry("deposit", DEPOSIT, key="deposit:2")
    (known_id,) = ledger.post([known], NOON)

    ids = ledger.post([new, known, new], NOON)

    assert ids[1] == known_id
    assert ids[0] == ids[2] != known_id
    assert books["alice main USDC"] == "200"


def test_one_wrong_entry_stops_all_of_a_call(books: Books) -> None:
    good = books.entry("deposit", DEPOSIT)
    overdrawn = books.entry("payment", {"bob main USDC": "-1", "alice main USDC": "+1"})

    with pytest.raises(ledger.InsufficientUnits):
        ledger.post([good, overdrawn], NOON)

    assert JournalEntry.objects.count() == 0
    assert books["alice main USDC"] == "0"


def test_a_refusal_leaves_the_callers_transaction_usable(books: Books) -> None:
    with transaction.atomic():
        with pytest.raises(ledger.InsufficientUnits):
            books.book("payment", {"bob main USDC": "-1", "alice main USDC": "+1"})
        books.book("deposit", DEPOSIT)

    assert books["alice main USDC"] == "100"


@pytest.mark.parametrize(
    "moves",
    [
        {"chain USDC": "-100", "alice main USDC": "+99"},
        # Zero in sum, but not per asset.
        {"chain USDC": "-100", "alice main AAPLx": "+1"},
    ],
)
def test_an_unbalanced_entry_is_refused(books: Books, moves: dict[str, str]) -> None:
    with pytest.raises(ledger.UnbalancedEntry):
        books.book("deposit", moves)


def test_an_unknown_account_is_refused(books: Books) -> None:
    entry = Entry("deposit", "k", "", (Line(books.account_id("chain USDC"), -1), Line(10**12, 1)))

    with pytest.raises(ledger.UnknownLedgerAccount):
        ledger.post([entry], NOON)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("", "k", "", (Line(1, 1), Line(2, -1))),
        Entry("deposit", "", "", (Line(1, 1), Line(2, -1))),
        Entry("deposit", "k\n", "", (Line(1, 1), Line(2, -1))),
        Entry("deposit", "k", "r" * 700, (Line(1, 1), Line(2, -1))),
        Entry("deposit", "k", "", (Line(1, 1),)),
    ],
)
def test_a_senseless_entry_is_a_bug(db: None, entry: Entry) -> None:
    with pytest.raises(ValueError, match="entry"):
        ledger.post([entry], NOON)


def test_quotes_backslashes_and_unicode_come_back_as_they_went_in(books: Books) -> None:
    entry = books.entry("deposit", DEPOSIT, key='a"b\\c,{d}', reference="Zoë ☂ NULL")
    (entry_id,) = ledger.post([entry], NOON)

    row = JournalEntry.objects.get(id=entry_id)
    assert (row.key, row.reference) == ('a"b\\c,{d}', "Zoë ☂ NULL")


def test_a_hold_reserves_and_a_release_frees(books: Books) -> None:
    books.book("deposit", DEPOSIT)
    account_id = books.account_id("alice main USDC")

    ledger.hold(account_id=account_id, units=60_000_000)
    with pytest.raises(ledger.InsufficientUnits):
        ledger.hold(account_id=account_id, units=40_000_001)
    with pytest.raises(ledger.InsufficientUnits):
        books.book("payment", {"alice main USDC": "-40.000001", "bob main USDC": "+40.000001"})
    ledger.release(account_id=account_id, units=60_000_000)

    row = books.row("alice main USDC")
    assert (row.posted_units, row.held_units, row.available_units) == (10**8, 0, 10**8)


def test_no_more_is_released_than_is_held(books: Books) -> None:
    books.book("deposit", DEPOSIT)
    account_id = books.account_id("alice main USDC")
    ledger.hold(account_id=account_id, units=5)

    with pytest.raises(ledger.HoldTooSmall):
        ledger.release(account_id=account_id, units=6)

    assert books.row("alice main USDC").held_units == 5


def test_a_capture_spends_the_hold_once(books: Books) -> None:
    books.book("deposit", DEPOSIT)
    account_id = books.account_id("alice main USDC")
    ledger.hold(account_id=account_id, units=90_000_000)
    payment = books.entry("payment", {"alice main USDC": "-60", "bob main USDC": "+60"})

    first = ledger.capture(account_id=account_id, units=60_000_000, entry=payment, now=NOON)
    again = ledger.capture(account_id=account_id, units=60_000_000, entry=payment, now=NOON)

    assert again == first
    row = books.row("alice main USDC")
    assert (row.posted_units, row.held_units) == (40_000_000, 30_000_000)


def test_a_capture_of_more_than_is_held_changes_nothing(books: Books) -> None:
    books.book("deposit", DEPOSIT)
    account_id = books.account_id("alice main USDC")
    ledger.hold(account_id=account_id, units=10)
    payment = books.entry("payment", {"alice main USDC": "-60", "bob main USDC": "+60"})

    with pytest.raises(ledger.HoldTooSmall):
        ledger.capture(account_id=account_id, units=11, entry=payment, now=NOON)

    assert JournalEntry.objects.filter(key=payment.key).count() == 0
    assert books.row("alice main USDC").held_units == 10


def test_a_trading_balance_is_the_engines(books: Books) -> None:
    books.give_to_trade("alice trading USDC", "100")

    with pytest.raises(ledger.PoolBalanceIsTheEngines):
        books.book("payment", {"alice trading USDC": "-1", "bob main USDC": "+1"})
    with pytest.raises(ledger.PoolBalanceIsTheEngines):
        ledger.hold(account_id=books.account_id("alice trading USDC"), units=1)

    assert books["alice trading USDC"] == "100"


def test_the_engine_holds_and_books_a_batch_in_a_few_statements(books: Books) -> None:
    books.give_to_trade("alice trading USDC", "100")
    books.give_to_trade("bob trading USDC", "100")
    moves = {"alice trading USDC": "-1", "bob trading USDC": "+1"}
    entries = [books.entry("trade", moves) for _ in range(50)]
    block = ledger.IdBlock()

    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        ledger.hold_accounts(cursor, {books.account_id("alice trading USDC"): 60_000_000})
        ledger.hold_accounts(cursor, {books.account_id("alice trading USDC"): -50_000_000})
        ids = ledger.write_entries(cursor, entries, NOON, block)
        cursor.execute("SELECT set_config('bourse.pool', '', true)")

    assert books["bob trading USDC"] == "150"
    row = books.row("alice trading USDC")
    assert (row.posted_units, row.held_units) == (50_000_000, 10_000_000)
    assert Posting.objects.filter(entry_id__in=ids).count() == 100
    # The hold belongs to nobody here; give it back.
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        ledger.hold_accounts(cursor, {row.id: -10_000_000})
        cursor.execute("SELECT set_config('bourse.pool', '', true)")


def test_a_hold_names_each_account_once_and_only_known_ones(books: Books) -> None:
    with (
        pytest.raises(Exception, match="a hold names") as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        ledger.hold_accounts(cursor, {10**12: 1})

    assert isinstance(ledger.refusal_for(caught.value), ledger.UnknownLedgerAccount)


def test_ids_come_from_blocks_and_never_twice(db: None) -> None:
    block = ledger.IdBlock()
    with connection.cursor() as cursor:
        taken = [*block.take(cursor, 3), *block.take(cursor, BLOCK_SIZE), *block.take(cursor, 2500)]
        elsewhere = ledger.IdBlock().take(cursor, 10)

    assert len(set(taken) | set(elsewhere)) == len(taken) + 10


def test_two_threads_with_one_key_book_once(cloned_database: str) -> None:
    books = Books()
    entry = books.entry("deposit", DEPOSIT, key="deposit:sig")
    together = Barrier(2)

    def post(_: int) -> int:
        try:
            together.wait(timeout=10)
            return ledger.post([entry], NOON)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        ids = set(pool.map(post, range(2)))

    assert len(ids) == 1
    assert books["alice main USDC"] == "100"


def test_two_threads_cannot_spend_the_same_units(cloned_database: str) -> None:
    books = Books()
    books.book("deposit", DEPOSIT)
    entries = [
        books.entry("payment", {"alice main USDC": "-60", "bob main USDC": "+60"}),
        books.entry("payment", {"bob main USDC": "+70", "alice main USDC": "-70"}),
    ]
    together = Barrier(2)

    def post(entry: Entry) -> str:
        try:
            together.wait(timeout=10)
            ledger.post([entry], NOON)
        except ledger.InsufficientUnits as refusal:
            return refusal.code
        else:
            return "booked"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(post, entries))

    assert outcomes == ["booked", "insufficient_units"]


def test_opposite_payments_in_parallel_never_deadlock(cloned_database: str) -> None:
    books = Books()
    books.book("deposit", {"chain USDC": "-200", "alice main USDC": "+200"})
    books.book("deposit", {"chain USDC": "-200", "bob main USDC": "+200"})
    there = [
        books.entry("payment", {"alice main USDC": "-1", "bob main USDC": "+1"}) for _ in range(40)
    ]
    back = [
        books.entry("payment", {"bob main USDC": "-1", "alice main USDC": "+1"}) for _ in range(40)
    ]

    def post(entries: list[Entry]) -> None:
        try:
            for entry in entries:
                ledger.post([entry], NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, [there, back]))

    assert (books["alice main USDC"], books["bob main USDC"]) == ("200", "200")


def test_the_core_runs_in_a_psycopg_pipeline(cloned_database: str) -> None:
    books = Books()
    books.give_to_trade("alice trading USDC", "10")
    entry = books.entry("trade", {"alice trading USDC": "-4", "bob trading USDC": "+4"})
    block = ledger.IdBlock()

    with psycopg.connect(cloned_database) as raw, raw.cursor() as cursor:
        ledger.claim_pool(cursor, POOL, for_session=True)
        block.reserve(cursor, 1)
        with raw.pipeline():
            ledger.hold_accounts(cursor, {books.account_id("alice trading USDC"): 4_000_000})
            ledger.hold_accounts(cursor, {books.account_id("alice trading USDC"): -4_000_000})
            ledger.write_entries(cursor, [entry], NOON, block)
        raw.commit()

    assert books["bob trading USDC"] == "4"
    assert LedgerAccount.objects.filter(held_units__gt=0).count() == 0
