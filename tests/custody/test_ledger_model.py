"""The ledger against plain dictionaries: any sequence of calls, the same answers."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from custody import ledger, periods, pool_transfers, sealing
from custody.engine_entries import engine_entry
from custody.ledger import Entry, Line
from custody.models import LedgerAccount, PoolTransfer
from tests.ledger_stories import NOON, POOL, Books
from tests.sealing_stories import seal_all

CONTRA = "chain USDC"
OPEN = ["alice main USDC", "bob main USDC", "treasury USDC", CONTRA]
MAIN, TRANSIT, TRADING = "alice main USDC", "transit USDC", "alice trading USDC"
NAMES = [*OPEN, TRANSIT, TRADING]
AMOUNTS = st.integers(min_value=1, max_value=120)
KEYS = st.integers(min_value=0, max_value=12)
# The second lies in a closed period.
DATES = st.sampled_from([NOON + timedelta(hours=1)] * 5 + [NOON - timedelta(hours=1)])
Moves = dict[str, int]


class LedgerModel(RuleBasedStateMachine):
    """Dictionaries know what a correct ledger answers."""

    books: Books  # committed beforehand, with a closed period

    def __init__(self) -> None:
        super().__init__()
        self.posted = dict.fromkeys(NAMES, 0)
        self.held = dict.fromkeys(NAMES, 0)
        self.keys: dict[str, tuple[int, Entry, Moves]] = {}
        self.reversed: dict[int, str] = {}
        self.asked: list[tuple[PoolTransfer, int]] = []  # (transfer, +in -out)
        self.to_sweep: list[int] = []
        self.transfers = 0

    @initialize()
    def open_books(self) -> None:
        self.block = transaction.atomic()
        self.block.__enter__()
        self.ids = {name: self.books.account_id(name) for name in NAMES}

    def teardown(self) -> None:
        if hasattr(self, "block"):
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    # --- entries ------------------------------------------------------------------

    @rule(
        key=KEYS,
        moves=st.dictionaries(st.sampled_from(OPEN), AMOUNTS, min_size=1, max_size=3),
        balancing=st.sampled_from(OPEN),
        off_by=st.sampled_from([0, 0, 0, 0, 1]),
        sign=st.sampled_from([1, -1]),
        at=DATES,
    )
    def post(
        self, *, key: int, moves: Moves, balancing: str, off_by: int, sign: int, at: datetime
    ) -> None:
        moves = {name: sign * units for name, units in moves.items() if name != balancing}
        if not moves or sum(moves.values()) == off_by:
            return
        moves[balancing] = off_by - sum(moves.values())
        self.check_post(self.entry("move", f"key {key}", moves), moves, at)

    @rule(key=KEYS, reference=st.sampled_from(["", "other"]))
    def post_again(self, key: int, reference: str) -> None:
        """A retry is answered as the first time; the key with another body is refused."""
        if known := self.keys.get(f"key {key}"):
            first_id, entry, moves = known
            again = Entry(entry.kind, entry.key, reference, entry.lines, entry.reverses)
            expected = first_id if again == entry else ledger.KeyReused
            assert self.outcome(lambda: ledger.post([again], NOON), again, moves) == expected

    @rule(first=AMOUNTS, second=AMOUNTS)
    def post_two_at_once(self, first: int, second: int) -> None:
        """All or none: the second may spend what the first brings, never more."""
        calls = [
            ({CONTRA: -first, "bob main USDC": first}, f"pair {len(self.keys)} in"),
            ({"bob main USDC": -second, "treasury USDC": second}, f"pair {len(self.keys)} out"),
        ]
        entries = [self.entry("pair", key, moves) for moves, key in calls]
        together: Moves = {}
        for moves, _ in calls:
            for name, units in moves.items():
                together[name] = together.get(name, 0) + units
        if not self.fits(together):
            with pytest.raises(ledger.InsufficientUnits):
                ledger.post(entries, NOON + timedelta(hours=1))
            return
        ids = ledger.post(entries, NOON + timedelta(hours=1))
        for entry_id, entry, (moves, _) in zip(ids, entries, calls, strict=True):
            self.book(entry_id, entry, moves)

    @rule(key=KEYS, undo=st.integers(min_value=0, max_value=30), at=DATES)
    def reverse(self, key: int, undo: int, at: datetime) -> None:
        booked = [known for known in self.keys.values() if not known[1].kind.startswith("rev")]
        if not booked:
            return
        entry_id, entry, moves = booked[undo % len(booked)]
        opposite = {name: -units for name, units in moves.items()}
        reversal = Entry(
            f"reversal of {entry.kind}", f"undo {key}", "",
            tuple(Line(line.account_id, -line.units) for line in entry.lines), entry_id,
        )  # fmt: skip
        expected = self.expected(reversal, opposite, at)
        if entry_id in self.reversed and reversal.key not in self.keys:
            expected = ledger.AlreadyReversed
        answer = self.outcome(
            lambda: ledger.reverse(entry_id=entry_id, key=reversal.key, reference="", now=at),
            reversal,
            opposite,
        )
        assert answer == expected
        if answer == "booked":
            self.reversed[entry_id] = reversal.key

    @rule(units=AMOUNTS)
    def post_to_trading(self, units: int) -> None:
        """Only the pool's engine writes there, whatever the units."""
        entry = self.entry("move", f"foreign {len(self.keys)}", {MAIN: -units, TRADING: units})
        with pytest.raises(ledger.PoolBalanceIsTheEngines):
            ledger.post([entry], NOON + timedelta(hours=1))

    # --- holds --------------------------------------------------------------------

    @rule(name=st.sampled_from(OPEN), units=AMOUNTS)
    def hold(self, name: str, units: int) -> None:
        if units > self.available(name):
            with pytest.raises(ledger.InsufficientUnits):
                ledger.hold(account_id=self.ids[name], units=units)
        else:
            ledger.hold(account_id=self.ids[name], units=units)
            self.held[name] += units

    @rule(name=st.sampled_from(OPEN), units=AMOUNTS)
    def release(self, name: str, units: int) -> None:
        if units > self.held[name]:
            with pytest.raises(ledger.HoldTooSmall):
                ledger.release(account_id=self.ids[name], units=units)
        else:
            ledger.release(account_id=self.ids[name], units=units)
            self.held[name] -= units

    @rule(
        key=KEYS,
        name=st.sampled_from(["alice main USDC", "bob main USDC"]),
        units=AMOUNTS,
        spent=st.sampled_from([1, 1, 2]),
        at=DATES,
    )
    def capture(self, key: int, name: str, units: int, spent: int, at: datetime) -> None:
        """Release and spend in one step; a hold that is too small shows first."""
        moves = {name: -units * spent, "treasury USDC": units * spent}
        entry = self.entry("capture", f"key {key}", moves)
        if entry.key not in self.keys and units > self.held[name]:
            expected: object = ledger.HoldTooSmall
        else:
            self.held[name] -= 0 if entry.key in self.keys else units
            expected = self.expected(entry, moves, at)
            if expected == ledger.InsufficientUnits:
                expected = ledger.HoldTooSmall
            if expected != "booked" and entry.key not in self.keys:
                self.held[name] += units
        account_id = self.ids[name]
        call = lambda: ledger.capture(account_id=account_id, units=units, entry=entry, now=at)  # noqa: E731
        assert self.outcome(call, entry, moves) == expected

    # --- pool transfers -----------------------------------------------------------

    @rule(units=AMOUNTS)
    def send_in(self, units: int) -> None:
        if units > self.available(MAIN):
            with pytest.raises(ledger.InsufficientUnits):
                self.transfer(pool_transfers.request_in, units)
            return
        self.asked.append((self.transfer(pool_transfers.request_in, units), units))
        self.move(MAIN, TRANSIT, units)

    @rule(units=AMOUNTS)
    def ask_out(self, units: int) -> None:
        self.asked.append((self.transfer(pool_transfers.request_out, units), -units))

    @rule(is_willing=st.sampled_from([True, True, False]))
    def engine_answers(self, is_willing: bool) -> None:
        """The oldest request; the engine gives up no more than there is."""
        if not self.asked:
            return
        transfer, units = self.asked.pop(0)
        is_done = is_willing and -units <= self.posted[TRADING]
        if is_done:
            entry = engine_entry(
                transfer_id=transfer.id,
                direction=transfer.direction,
                units=transfer.units,
                trading_id=self.ids[TRADING],
                transit_id=self.ids[TRANSIT],
            )
            with connection.cursor() as cursor:
                ledger.claim_pool(cursor, POOL)
                ledger.write_entries(cursor, [entry], NOON + timedelta(hours=1))
                cursor.execute("SELECT set_config('bourse.pool', '', true)")
            self.move(TRANSIT, TRADING, units)
        state = "done" if is_done else "refused"
        PoolTransfer.objects.filter(id=transfer.id).update(state=state, done_batch=1)
        if is_done == (units < 0):
            self.to_sweep.append(abs(units))

    @rule()
    def sweep(self) -> None:
        assert pool_transfers.sweep_out(now=NOON + timedelta(hours=1)) == len(self.to_sweep)
        for units in self.to_sweep:
            self.move(TRANSIT, MAIN, units)
        self.to_sweep.clear()

    # --- what the dictionaries say --------------------------------------------------

    @invariant()
    def the_database_agrees(self) -> None:
        if not hasattr(self, "ids"):
            return
        rows = LedgerAccount.objects.in_bulk(list(self.ids.values()))
        for name, account_id in self.ids.items():
            row = rows[account_id]
            assert (row.posted_units, row.held_units) == (self.posted[name], self.held[name])

    def entry(self, kind: str, key: str, moves: Moves) -> Entry:
        return Entry(kind, key, "", tuple(Line(self.ids[name], n) for name, n in moves.items()))

    def available(self, name: str) -> int:
        return 0 if name == CONTRA else self.posted[name] - self.held[name]

    def fits(self, moves: Moves) -> bool:
        after = {name: self.posted[name] + units for name, units in moves.items()}
        return all(
            units <= 0 if name == CONTRA else units >= self.held[name]
            for name, units in after.items()
        )

    def expected(self, entry: Entry, moves: Moves, at: datetime) -> object:
        if entry.key in self.keys:
            first_id, first, _ = self.keys[entry.key]
            return first_id if first == entry else ledger.KeyReused
        if at < NOON:
            return ledger.PeriodClosed
        if not self.fits(moves):
            return ledger.InsufficientUnits
        return ledger.UnbalancedEntry if sum(moves.values()) else "booked"

    def check_post(self, entry: Entry, moves: Moves, at: datetime) -> None:
        expected = self.expected(entry, moves, at)
        assert self.outcome(lambda: ledger.post([entry], at), entry, moves) == expected

    def outcome(self, call: Callable[[], list[int] | int], entry: Entry, moves: Moves) -> object:
        try:
            answer = call()
        except ledger.Refusal as refusal:
            return type(refusal)
        entry_id = answer[0] if isinstance(answer, list) else answer
        if entry.key in self.keys:
            return entry_id
        self.book(entry_id, entry, moves)
        return "booked"

    def book(self, entry_id: int, entry: Entry, moves: Moves) -> None:
        self.keys[entry.key] = (entry_id, entry, moves)
        for name, units in moves.items():
            self.posted[name] += units

    def move(self, giver: str, taker: str, units: int) -> None:
        self.posted[giver] -= units
        self.posted[taker] += units

    def transfer(self, request: Callable[..., PoolTransfer], units: int) -> PoolTransfer:
        self.transfers += 1
        return request(
            investor_id=self.books.investors["alice"].pk,
            asset_id=self.books.assets["USDC"].pk,
            pool=POOL,
            units=units,
            purpose="test",
            key=f"transfer {self.transfers}",
            now=NOON + timedelta(hours=1),
        )


def test_any_sequence_of_calls_answers_as_the_dictionaries_do(
    books: Books, sealer: sealing.Sealer
) -> None:
    books.book("deposit", {"chain USDC": "-1", "suspense USDC": "+1"})
    books.book("returned", {"chain USDC": "+1", "suspense USDC": "-1"})
    seal = next(each for each in seal_all(sealer) if each.chain == "ledger")
    period = periods.close_period(seal=seal, now=NOON + timedelta(hours=1))
    assert period.ends_at == NOON
    LedgerModel.books = books

    run_state_machine_as_test(
        LedgerModel,
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
