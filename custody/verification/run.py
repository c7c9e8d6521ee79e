"""Running the checks over one snapshot and reporting."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction

from custody.models.seals import SealChain
from custody.sealing_history import list_history_tables
from custody.verification.history_checks import history_rules_are_in_force
from custody.verification.ledger_checks import LEDGER_CHECKS
from custody.verification.registry import Difference, list_checks
from custody.verification.seal_checks import read_heads, seals_hold
from custody.verification.transfer_checks import transit_is_on_the_way

# Enough to see what happened; a broken table would fill the screen.
DIFFERENCES_PER_CHECK_MAX = 100


@dataclass
class Report:
    """What was counted, and what differs."""

    counted: dict[str, int]
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_clean,
            "counted": self.counted,
            "differences": [difference.as_json() for difference in self.differences],
        }


def verify_ledger() -> Report:
    """Entries, balances, holds, seals, and what other apps registered."""
    heads = read_heads(SealChain.LEDGER)
    with snapshot(), connection.cursor() as cursor:
        report = Report(_count(["custody_ledgeraccount", "custody_journalentry"]))
        report.counted["postings"] = _count(["custody_posting"])["custody_posting"]
        for check in [*LEDGER_CHECKS, transit_is_on_the_way, *list_checks()]:
            report.differences += _some(iter(check(cursor)))
        report.differences += _some(seals_hold(SealChain.LEDGER, heads))
    return report


def verify_audit() -> Report:
    """The history tables against their seals."""
    heads = read_heads(SealChain.AUDIT)
    with snapshot(), connection.cursor() as cursor:
        report = Report(_count(list_history_tables()))
        report.differences += _some(history_rules_are_in_force(cursor))
        report.differences += _some(seals_hold(SealChain.AUDIT, heads))
    return report


@contextmanager
def snapshot() -> Iterator[None]:
    """One unchanging view of the database, that blocks nobody and changes nothing."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _some(differences: Iterator[Difference]) -> list[Difference]:
    return list(islice(differences, DIFFERENCES_PER_CHECK_MAX))


def _count(tables: list[str]) -> dict[str, int]:
    counted = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 (our own tables)
            counted[table] = cursor.fetchone()[0]
    return counted
