"""An investor's statement of account: one asset, from one day to another, with running balance.

Between two seals, so it never reads differently when asked again. The investor's
accounts of the asset count as one; units on the way between `main` and `trading` are
the investor's all the while, so those transfers are no lines.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from django.db import connection

from custody.as_of import NoSuchSeal, get_seal
from custody.models import Asset, LedgerAccount, Seal
from custody.time_travel import StatementLine, get_balance, list_statement
from kernel.refusals import Refusal

LINES_MAX = 50_000
# The entries of pool transfers (custody.pool_transfers): own units, on the way.
TRANSFER_KINDS = (
    "pool in requested",
    "pool in done",
    "pool out done",
    "pool transfer swept",
)


class StatementTooLong(Refusal):
    """There are too many lines. Choose fewer days."""

    code = "statement_too_long"


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines between two balances; `until` None: nothing is sealed yet."""

    asset: Asset
    after: Seal | None
    until: Seal | None
    opening_units: int
    closing_units: int
    lines: list[StatementLine]


def get_statement(
    *, investor_id: int, asset: Asset, first_date: date, last_date: date
) -> Statement:
    """The statement of the days from `first_date` to `last_date`, both in UTC and included.

    :raises StatementTooLong: more than LINES_MAX lines.
    """
    after, until = _seal_before(first_date), _seal_before(last_date + timedelta(days=1))
    accounts = list(
        LedgerAccount.objects.filter(owner_id=investor_id, asset=asset).values_list("id", flat=True)
    )
    if until is None or not accounts:
        return Statement(asset, after, until, 0, 0, [])
    opening = _owned(accounts, after) if after else 0
    found = list_statement(
        account_ids=accounts,
        after=after,
        until=until,
        opening_units=opening,
        without_kinds=TRANSFER_KINDS,
    )
    lines = list(islice(found, LINES_MAX + 1))
    if len(lines) > LINES_MAX:
        raise StatementTooLong
    closing = lines[-1].balance_units if lines else opening
    return Statement(asset, after, until, opening, closing, lines)


def _seal_before(day: date) -> Seal | None:
    """The last seal before a day begins in UTC."""
    begins_at = datetime.combine(day, time(), UTC)
    try:
        return get_seal(begins_at - timedelta(microseconds=1))
    except NoSuchSeal:
        return None


def _owned(account_ids: list[int], seal: Seal) -> int:
    """The balance as of a seal, with what was on the way then."""
    posted = sum(get_balance(account_id=each, seal=seal) for each in account_ids)
    with connection.cursor() as cursor:
        cursor.execute(MOVED_BY_TRANSFERS, [account_ids, str(seal.xid_to), list(TRANSFER_KINDS)])
        return posted - int(cursor.fetchone()[0])


MOVED_BY_TRANSFERS = """
    SELECT COALESCE(sum(posting.units), 0)
      FROM custody_posting AS posting
      JOIN custody_journalentry AS entry ON entry.id = posting.entry_id
     WHERE posting.account_id = ANY (%s) AND entry.xid < %s::text::xid8
       AND entry.kind = ANY (%s)
"""
