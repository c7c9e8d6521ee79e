"""What other apps register with verify_ledger, and what it makes of it."""

from collections.abc import Iterator

import pytest

from custody import ledger, verification
from custody.ledger_core import Cursor
from custody.verification import Difference, HoldSource, lanes, registry, run
from custody.verification.since import UNKNOWN
from tests.ledger_stories import Books


@pytest.fixture
def books(db: None, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(registry, "_checks", {})
    monkeypatch.setattr(registry, "_hold_sources", {})
    return Books()


def differences() -> list[str]:
    return [str(difference) for difference in run.verify_ledger().differences]


def test_units_held_for_nothing_are_a_difference(books: Books) -> None:
    books.give("alice main USDC", "10")
    account_id = books.account_id("alice main USDC")
    ledger.hold(account_id=account_id, units=7)

    assert differences() == [
        f"held units: ledger account {account_id}: expected 0, found 7 (since {UNKNOWN})",
    ]


def test_the_promises_of_all_apps_together_are_what_is_held(books: Books) -> None:
    books.give("alice main USDC", "10")
    account_id = books.account_id("alice main USDC")
    ledger.hold(account_id=account_id, units=7)
    for name, units in (("orders", 4), ("requests", 2)):
        verification.register_holds(HoldSource(name, f"SELECT {account_id}::bigint, {units}"))

    assert differences() == [
        f"held units: ledger account {account_id}: expected 6, found 7 (since {UNKNOWN})"
    ]
    verification.register_holds(HoldSource("loans", f"SELECT {account_id}::bigint, 1"))
    assert differences() == []


def test_a_promise_on_an_account_that_is_not_there_is_a_difference(books: Books) -> None:
    verification.register_holds(HoldSource("orders", "SELECT 999999::bigint, 5"))

    assert differences() == ["held units: ledger account 999999: expected 5, found None"]


def test_a_registered_check_is_run_and_its_difference_shown(books: Books) -> None:
    def orders_are_fine(cursor: Cursor) -> Iterator[Difference]:
        cursor.execute("SELECT 1")
        if cursor.fetchall() == [(1,)]:
            yield Difference("orders", "order 5", "open", "filled", "yesterday")

    verification.register(orders_are_fine)

    assert differences() == ["orders: order 5: expected open, found filled (since yesterday)"]


def test_an_endless_list_of_differences_is_cut(books: Books) -> None:
    def all_is_wrong(_: Cursor) -> Iterator[Difference]:
        while True:
            yield Difference("all", "everywhere", "right", "wrong")

    verification.register(all_is_wrong)

    assert len(differences()) == lanes.DIFFERENCES_PER_CHECK_MAX
