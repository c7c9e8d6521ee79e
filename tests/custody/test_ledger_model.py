"""The ledger against a plain dictionary: any sequence of calls, the same answers."""

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from custody import ledger
from custody.ledger import Entry, Line
from custody.models import LedgerAccount
from tests.ledger_stories import NOON, Books

NAMES = ["alice main USDC", "bob main USDC", "treasury USDC", "chain USDC"]
CONTRA = "chain USDC"
AMOUNTS = st.integers(min_value=1, max_value=120)


class LedgerModel(RuleBasedStateMachine):
    """Two dictionaries know what a correct ledger answers."""

    def __init__(self) -> None:
        super().__init__()
        self.posted = dict.fromkeys(NAMES, 0)
        self.held = dict.fromkeys(NAMES, 0)
        self.keys: dict[str, tuple[int, Entry, dict[str, int]]] = {}

    @initialize()
    def open_books(self) -> None:
        self.block = transaction.atomic()
        self.block.__enter__()
        books = Books()
        self.ids = {name: books.account_id(name) for name in NAMES}

    def teardown(self) -> None:
        if hasattr(self, "block"):
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @rule(
        key=st.integers(min_value=0, max_value=12),
        moves=st.dictionaries(st.sampled_from(NAMES), AMOUNTS, min_size=1, max_size=3),
        balancing=st.sampled_from(NAMES),
        off_by=st.sampled_from([0, 0, 0, 0, 1]),
        sign=st.sampled_from([1, -1]),
    )
    def post(self, key: int, moves: dict[str, int], balancing: str, off_by: int, sign: int) -> None:
        moves = {name: sign * units for name, units in moves.items() if name != balancing}
        if not moves or sum(moves.values()) == off_by:
            return
        moves[balancing] = off_by - sum(moves.values())
        lines = tuple(Line(self.ids[name], units) for name, units in moves.items())
        entry = Entry("move", f"key {key}", "", lines)

        expected = self.expected(entry, moves)
        assert self.outcome(lambda: ledger.post([entry], NOON)[0], entry, moves) == expected

    def expected(self, entry: Entry, moves: dict[str, int]) -> object:
        if entry.key in self.keys:
            first_id, first, _ = self.keys[entry.key]
            return first_id if first == entry else ledger.KeyReused
        if sum(moves.values()):
            return ledger.UnbalancedEntry
        after = {name: self.posted[name] + units for name, units in moves.items()}
        fits = all(
            units <= 0 if name == CONTRA else units >= self.held[name]
            for name, units in after.items()
        )
        return "booked" if fits else ledger.InsufficientUnits

    def outcome(self, call: Any, entry: Entry, moves: dict[str, int]) -> object:
        try:
            entry_id = call()
        except ledger.Refusal as refusal:
            return type(refusal)
        if entry.key in self.keys:
            return entry_id
        self.keys[entry.key] = (entry_id, entry, moves)
        for name, units in moves.items():
            self.posted[name] += units
        return "booked"

    @rule(name=st.sampled_from(NAMES), units=AMOUNTS)
    def hold(self, name: str, units: int) -> None:
        available = 0 if name == CONTRA else self.posted[name] - self.held[name]
        if units > available:
            with pytest.raises(ledger.InsufficientUnits):
                ledger.hold(account_id=self.ids[name], units=units)
        else:
            ledger.hold(account_id=self.ids[name], units=units)
            self.held[name] += units

    @rule(name=st.sampled_from(NAMES), units=AMOUNTS)
    def release(self, name: str, units: int) -> None:
        if units > self.held[name]:
            with pytest.raises(ledger.HoldTooSmall):
                ledger.release(account_id=self.ids[name], units=units)
        else:
            ledger.release(account_id=self.ids[name], units=units)
            self.held[name] -= units

    @invariant()
    def the_database_agrees(self) -> None:
        if not hasattr(self, "ids"):
            return
        rows = LedgerAccount.objects.in_bulk(list(self.ids.values()))
        for name, account_id in self.ids.items():
            row = rows[account_id]
            assert (row.posted_units, row.held_units) == (self.posted[name], self.held[name])


def test_any_sequence_of_calls_answers_as_the_dictionary_does(db: None) -> None:
    run_state_machine_as_test(
        LedgerModel,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
