"""What the ledger refuses, and the database's words for it.

Beside `ledger_core`, which may be compiled: a compiled class keeps no docstring, and a
refusal's is its sentence.
"""

from collections.abc import Mapping

from kernel.refusals import Refusal


class InsufficientUnits(Refusal):
    """There are not enough available units."""

    code = "insufficient_units"


class KeyReused(Refusal):
    """This key was used before, for something else."""

    code = "key_reused"
    http_status = 409


class UnbalancedEntry(Refusal):
    """The entry does not sum to zero per asset."""

    code = "unbalanced_entry"


class LatePosting(Refusal):
    """Postings must come with their entry."""

    code = "late_posting"


class PoolBalanceIsTheEngines(Refusal):
    """Units in a pool move through a pool transfer, not directly."""

    code = "pool_balance_is_the_engines"


class UnknownLedgerAccount(Refusal):
    """There is no such ledger account."""

    code = "unknown_ledger_account"


class AlreadyReversed(Refusal):
    """This entry has been reversed before."""

    code = "already_reversed"


class HistoryIsAppendOnly(Refusal):
    """What is booked is never changed."""

    code = "history_is_append_only"


class PeriodClosed(Refusal):
    """Nothing is booked into a closed period."""

    code = "period_closed"
    http_status = 409


# Names of constraints, in custody/migrations, and what their violation means.
REFUSALS: Mapping[str, type[Refusal]] = {
    "ledger_account_holds_are_covered": InsufficientUnits,
    "entry_is_balanced": UnbalancedEntry,
    "posting_comes_with_its_entry": LatePosting,
    "trading_balance_has_one_writer": PoolBalanceIsTheEngines,
    "posting_account_exists": UnknownLedgerAccount,
    "hold_account_exists": UnknownLedgerAccount,
    "journal_entry_is_reversed_once": AlreadyReversed,
    "journal_entry_key_is_unique": KeyReused,
    "history_is_append_only": HistoryIsAppendOnly,
    "entry_is_after_closed_periods": PeriodClosed,
}


def refusal_for(error: BaseException) -> Refusal | None:
    """The refusal that a database error stands for, or None if it is something else.

    Takes psycopg's error or Django's, which carries psycopg's as its cause.
    """
    cause = error if hasattr(error, "diag") else error.__cause__
    name = getattr(getattr(cause, "diag", None), "constraint_name", None)
    refusal = REFUSALS.get(name) if name else None
    return refusal() if refusal else None
