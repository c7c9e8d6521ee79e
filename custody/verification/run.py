"""Running the checks over one snapshot and reporting."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import connection

from custody.as_of import NOW, Scope
from custody.models.seals import SealChain
from custody.sealing_history import list_audit_tables
from custody.verification.balance_checks import (
    closed_periods_are_left_alone,
    sealed_balances_are_their_postings,
)
from custody.verification.history_checks import (
    changes_name_who_made_them,
    history_rules_are_in_force,
)
from custody.verification.lanes import run_checks
from custody.verification.ledger_checks import (
    HISTORY_CHECKS,
    PRESENT_CHECKS,
    rules_are_in_force,
)
from custody.verification.references import (
    entries_are_about_what_exists,
    references_name_what_exists,
)
from custody.verification.registry import Check, Difference, list_checks
from custody.verification.seal_checks import read_heads, seals_hold
from custody.verification.snapshots import snapshot
from custody.verification.transfer_checks import transit_is_on_the_way


@dataclass
class Report:
    """What was counted, and what differs."""

    counted: dict[str, int]
    differences: list[Difference] = field(default_factory=list)
    as_of: str = ""  # the seal, or empty: now

    @property
    def is_clean(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_clean,
            "as_of": self.as_of,
            "counted": self.counted,
            "differences": [difference.as_json() for difference in self.differences],
        }


def verify_ledger(scope: Scope = NOW) -> Report:
    """Entries, balances, holds, seals, and what other apps registered.

    As of a seal: its entries, sealed balances and the seals until then; what is held,
    in transit or known to other apps has no past.
    """
    heads = read_heads(SealChain.LEDGER)
    with snapshot():
        report = Report(_count_ledger(scope), as_of=str(scope.seal or ""))
        # First what takes longest: it is what the others run beside.
        history = [*HISTORY_CHECKS, sealed_balances_are_their_postings]
        checks: list[Check] = [partial(check, scope=scope) for check in history]
        checks += [rules_are_in_force, closed_periods_are_left_alone]
        if scope.seal is None:
            checks += [*PRESENT_CHECKS, transit_is_on_the_way, *list_checks()]
            checks += [references_name_what_exists, entries_are_about_what_exists]
        seals = partial(seals_hold, SealChain.LEDGER, heads, scope)
        report.differences += run_checks(checks, meanwhile=seals)
    return report


def verify_audit() -> Report:
    """The audit trail against its seals."""
    heads = read_heads(SealChain.AUDIT)
    with snapshot():
        report = Report(_count(list_audit_tables()))
        seals = partial(seals_hold, SealChain.AUDIT, heads)
        report.differences += run_checks(
            [changes_name_who_made_them, history_rules_are_in_force], meanwhile=seals
        )
    return report


def _count_ledger(scope: Scope) -> dict[str, int]:
    if scope.seal is None:
        return _count(["custody_ledgeraccount", "custody_journalentry", "custody_posting"])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM custody_journalentry WHERE xid < %s::text::xid8",
            [str(scope.xid_to)],
        )
        return {"custody_journalentry": cursor.fetchone()[0]}


def _count(tables: list[str]) -> dict[str, int]:
    counted = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 (our own tables)
            counted[table] = cursor.fetchone()[0]
    return counted
