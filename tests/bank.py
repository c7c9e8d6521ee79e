"""A bank as in Jepsen's test: transfers move a fixed total, snapshots must always show it.

    failures = check(reads, accounts=["a", "b"], total=100)

A read is what one snapshot showed, balance by account. Four things can be wrong with
one; each is named with the read's number.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from custody import ledger
from custody.ledger import Entry, InsufficientUnits, Line
from tests.ledger_stories import NOON

Read = Mapping[str, int | None]
# More than an account may have, so that some transfers are refused.
UNITS_MAX = 60
ENTRIES_AT_ONCE_MAX = 4


@dataclass(frozen=True)
class Failure:
    """What was wrong with read number `at`."""

    kind: str  # wrong total, negative value, missing key, unexpected key
    at: int
    what: str


def check(reads: Sequence[Read], *, accounts: Sequence[str], total: int) -> list[Failure]:
    """Every read must have all accounts, no others, none below zero, and the total."""
    failures = []
    for at, read in enumerate(reads):
        known = {name: units for name, units in read.items() if units is not None}
        for name in sorted(set(read) - set(accounts)):
            failures.append(Failure("unexpected key", at, name))
        for name in sorted(set(accounts) - set(known)):
            failures.append(Failure("missing key", at, name))
        for name, units in sorted(known.items()):
            if units < 0:
                failures.append(Failure("negative value", at, f"{name}: {units}"))
        # With a key missing or too many the sum says nothing new.
        if set(read) == set(accounts) == set(known) and sum(known.values()) != total:
            failures.append(Failure("wrong total", at, f"{sum(known.values())}, not {total}"))
    return failures


@dataclass
class Bank:
    """Ledger accounts by name, and what happened to them."""

    database: str
    ids: Mapping[str, int]
    reads: list[Read] = field(default_factory=list)
    acknowledged: list[Entry] = field(default_factory=list)
    refused: int = 0

    def transfers(self, dice: random.Random, prefix: str, count: int) -> list[list[Entry]]:
        """Calls of one to four entries each; some entries repeat an earlier one."""
        calls: list[list[Entry]] = []
        made: list[Entry] = []
        while len(calls) < count:
            call = [
                self._entry(dice, f"{prefix}:{len(made)}:{at}")
                for at in range(dice.randint(1, ENTRIES_AT_ONCE_MAX))
            ]
            if made and dice.random() < 0.2:
                call.append(dice.choice(made))
            made += [entry for entry in call if entry not in made]
            calls.append(call)
        return calls

    def _entry(self, dice: random.Random, key: str) -> Entry:
        giver, taker = dice.sample(sorted(self.ids), 2)
        units = dice.randint(1, UNITS_MAX)
        return Entry(
            "transfer", key, "", (Line(self.ids[giver], -units), Line(self.ids[taker], units))
        )

    # --- what threads do ----------------------------------------------------------

    def post(self, calls: list[list[Entry]]) -> None:
        """Through the front door, as web and worker do."""
        for call in calls:
            try:
                ledger.post(call, NOON)
            except InsufficientUnits:
                self.refused += 1
            else:
                self.acknowledged += call

    def write(self, calls: list[list[Entry]]) -> None:
        """Through the core with a cursor of its own, as the engine does; keys never repeat."""
        written: set[str] = set()
        with psycopg.connect(self.database) as connection:
            for call in calls:
                fresh = [entry for entry in call if entry.key not in written]
                try:
                    with connection.transaction():
                        ledger.write_entries(connection.cursor(), fresh, NOON)
                except psycopg.errors.CheckViolation:
                    self.refused += 1
                else:
                    written |= {entry.key for entry in fresh}
                    self.acknowledged += fresh

    def read_until(self, is_over: threading.Event) -> None:
        """Snapshots, each in several statements: what commits in between must not show."""
        names = {account_id: name for name, account_id in self.ids.items()}
        halves = [sorted(names)[::2], sorted(names)[1::2]]
        with psycopg.connect(self.database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            while not is_over.is_set():
                seen: dict[str, int | None] = {}
                with connection.transaction():
                    for half in halves:
                        rows = connection.execute(BALANCES, [half]).fetchall()
                        seen |= {names.get(row[0], f"account {row[0]}"): row[1] for row in rows}
                    booked: dict[int, int] = dict(
                        connection.execute(POSTINGS, [sorted(names)]).fetchall()
                    )
                self.reads.append(seen)
                # The same moment, from the postings.
                self.reads.append({name: booked.get(row) for row, name in names.items()})


BALANCES = """
    SELECT id, posted_units FROM custody_ledgeraccount
     WHERE id = ANY (%s)
"""
POSTINGS = """
    SELECT account_id, sum(units)::bigint FROM custody_posting
     WHERE account_id = ANY (%s) GROUP BY account_id
"""


def run_beside(
    works: Sequence[Callable[[], None]], watch: Callable[[threading.Event], None]
) -> None:
    """Run the works in threads, watchers beside them until the last is done."""
    is_over = threading.Event()
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        from django.db import connection

        try:
            work()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    watchers = [threading.Thread(target=guarded, args=(lambda: watch(is_over),)) for _ in range(2)]
    workers = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in [*watchers, *workers]:
        thread.start()
    for thread in workers:
        thread.join(timeout=120)
    is_over.set()
    for thread in watchers:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in [*watchers, *workers])
    if failed:
        raise failed[0]
