"""Concurrent random transfers under snapshot reads: the total never moves, nothing is negative."""

import random
import threading
from functools import partial

import pytest

from custody.verification import run
from tests.bank import Bank, Failure, Read, check, run_beside
from tests.ledger_stories import Books

ACCOUNTS = [
    "alice main USDC", "bob main USDC", "alice withdrawal USDC", "bob withdrawal USDC",
    "treasury USDC", "fees USDC", "suspense USDC",
]  # fmt: skip
EACH = 100
WRITERS = 3
CALLS = 60
GOOD: Read = {"a": 40, "b": 60}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_snapshot_shows_the_whole_bank(books: Books, cloned_database: str, seed: int) -> None:
    dice = random.Random(seed)
    for name in ACCOUNTS:
        books.give(name, "0.0001")
    ids = {name: books.account_id(name) for name in ACCOUNTS}
    bank = Bank(cloned_database, ids)
    total = EACH * len(ACCOUNTS)
    posters = [
        partial(bank.post, bank.transfers(dice, f"post {number}", CALLS))
        for number in range(WRITERS)
    ]
    core = partial(bank.write, bank.transfers(dice, "write", CALLS))

    run_beside([*posters, core], bank.read_until)

    assert check(bank.reads, accounts=ACCOUNTS, total=total) == []
    assert len(bank.reads) > 20
    assert bank.refused > 0
    # What was acknowledged, each key once, is exactly what moved.
    moved = dict.fromkeys(ids.values(), EACH)
    for entry in {entry.key: entry for entry in bank.acknowledged}.values():
        for line in entry.lines:
            moved[line.account_id] += line.units
    assert {name: books.row(name).posted_units for name in ACCOUNTS} == {
        name: moved[account_id] for name, account_id in ids.items()
    }
    assert run.verify_ledger().differences == []


def test_the_ledger_is_verified_while_transfers_go_on(books: Books, cloned_database: str) -> None:
    """Each look finds all in order at one moment, and the writers do not wait for it."""
    for name in ACCOUNTS:
        books.give(name, "0.0001")
    bank = Bank(cloned_database, {name: books.account_id(name) for name in ACCOUNTS})
    dice = random.Random(4)
    written_during: list[int] = []

    def verify(is_over: threading.Event) -> None:
        while not is_over.is_set():
            before = len(bank.acknowledged)
            assert run.verify_ledger().differences == []
            written_during.append(len(bank.acknowledged) - before)

    works = [partial(bank.post, bank.transfers(dice, f"{n}", 2 * CALLS)) for n in range(2)]
    run_beside([*works, partial(bank.write, bank.transfers(dice, "write", 2 * CALLS))], verify)

    assert max(written_during) > 1
    assert run.verify_ledger().differences == []


@pytest.mark.parametrize(
    ("read", "failure"),
    [
        ({"a": 40, "b": 61}, Failure("wrong total", 1, "101, not 100")),
        ({"a": 0, "b": 0}, Failure("wrong total", 1, "0, not 100")),
        ({"a": 101, "b": -1}, Failure("negative value", 1, "b: -1")),
        ({"a": 100}, Failure("missing key", 1, "b")),
        ({"a": 100, "b": None}, Failure("missing key", 1, "b")),
        ({"a": 40, "b": 60, "c": 0}, Failure("unexpected key", 1, "c")),
    ],
)
def test_the_checker_finds_each_failure_where_it_is(read: Read, failure: Failure) -> None:
    assert check([GOOD, read, GOOD], accounts=["a", "b"], total=100) == [failure]


def test_the_checker_finds_several_failures_of_one_read() -> None:
    failures = check([{"a": -5, "c": 105}], accounts=["a", "b"], total=100)

    assert [each.kind for each in failures] == ["unexpected key", "missing key", "negative value"]


def test_the_checker_passes_a_history_without_failures() -> None:
    reads: list[Read] = [GOOD, {"a": 0, "b": 100}, {"a": 100, "b": 0}]

    assert check(reads, accounts=["a", "b"], total=100) == []


def test_reads_that_are_no_snapshot_are_caught() -> None:
    """As when the two halves of a read lie on both sides of a transfer of ten."""
    torn = {"a": GOOD["a"], "b": 70}

    assert check([torn], accounts=["a", "b"], total=100) == [
        Failure("wrong total", 0, "110, not 100")
    ]
