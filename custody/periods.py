"""Closing a period: its balances are written down, and nothing more is booked into it.

An entry belongs to the period of the seal that covers it. The database closes
(`custody_close_period`): it recomputes every balance from the last close and the
postings since, compares with the balances of the seals, and waits, half a second at
most, until no writer is under way.
"""

from datetime import datetime, timedelta

from django.db import DatabaseError, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from custody.models import Period, Seal
from kernel.refusals import Refusal

# A transaction under way may date its entries by a clock that lags a little.
CLOSED_AFTER = timedelta(seconds=60)
ATTEMPTS_MAX = 5


class PeriodTooYoung(Refusal):
    """A period is closed a minute after its end at the earliest."""

    code = "period_too_young"
    http_status = 409


class PeriodAlreadyClosed(Refusal):
    """This seal lies in a closed period, or ends no new one."""

    code = "period_already_closed"
    http_status = 409


class ClosingBalancesDisagree(Refusal):
    """A balance differs from its postings: run verify_ledger. Nothing was closed."""

    code = "closing_balances_disagree"
    http_status = 409


class LedgerBusy(Refusal):
    """A long transaction writes to the ledger. Try again when it is over."""

    code = "ledger_busy"
    http_status = 503


REFUSALS: dict[str, type[Refusal]] = {
    "period_ends_at_a_later_seal": PeriodAlreadyClosed,
    "closing_balances_agree": ClosingBalancesDisagree,
}


def close_period(*, seal: Seal, now: datetime) -> Period:
    """Close the period that ends with a ledger seal. Its past can then be read, not added to.

    :raises PeriodTooYoung: the seal is younger than a minute.
    :raises PeriodAlreadyClosed: it lies in a closed period.
    :raises ClosingBalancesDisagree: the postings do not give the balances.
    :raises LedgerBusy: writers did not pause for long enough.
    """
    if now - seal.sealed_at < CLOSED_AFTER:
        raise PeriodTooYoung
    for _ in range(ATTEMPTS_MAX):
        try:
            return _close(seal, now)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
    raise LedgerBusy


def _close(seal: Seal, now: datetime) -> Period:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT custody_close_period(%s, %s)", [seal.n, now])
            (number,) = cursor.fetchone()
    except DatabaseError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        refusal = REFUSALS.get(name or "")
        if refusal is None:
            raise
        raise refusal(str(error.__cause__).splitlines()[0]) from error
    return Period.objects.get(n=number)
