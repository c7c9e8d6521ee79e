"""An investor's statement of account: one asset or all, from one day to another.

Between two seals, so it never reads differently when asked again. The investor's
accounts of an asset count as one; units on the way between `main` and `trading` are
the investor's all the while, so those transfers are no lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection

from custody.as_of import NoSuchSeal, get_seal
from custody.models import Asset, LedgerAccount, Seal
from custody.time_travel import StatementLine, list_statement, list_statement_part
from kernel.refusals import Refusal

# The entries of pool transfers (custody.pool_transfers): own units, on the way.
TRANSFER_KINDS = (
    "pool in requested",
    "pool in done",
    "pool out done",
    "pool transfer swept",
)


class StatementDisagrees(Refusal):
    """The lines do not lead from balance to balance. Run verify_ledger."""

    code = "statement_disagrees"
    http_status = 500


@dataclass(frozen=True, slots=True)
class Section:
    """One asset's part: from the opening balance by its lines to the closing balance."""

    asset: Asset
    after: Seal | None
    until: Seal
    account_ids: list[int]
    opening_units: int
    in_units: int
    out_units: int
    lines_count: int

    @property
    def closing_units(self) -> int:
        return self.opening_units + self.in_units + self.out_units

    def lines(self) -> Iterator[StatementLine]:
        """All lines, in the order they were sealed; memory stays flat."""
        return list_statement(
            account_ids=self.account_ids,
            after=self.after,
            until=self.until,
            opening_units=self.opening_units,
            without_kinds=TRANSFER_KINDS,
        )

    def lines_from(self, start: int, limit: int) -> list[StatementLine]:
        """`limit` lines after the first `start`."""
        return list_statement_part(
            account_ids=self.account_ids,
            after=self.after,
            until=self.until,
            opening_units=self.opening_units,
            without_kinds=TRANSFER_KINDS,
            start=start,
            limit=limit,
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A section for each asset that the investor had or moved; `until` None: nothing sealed."""

    first_date: date
    last_date: date
    after: Seal | None
    until: Seal | None
    sections: list[Section]

    @property
    def lines_count(self) -> int:
        return sum(section.lines_count for section in self.sections)


def get_statement(
    *,
    investor_id: int,
    first_date: date,
    last_date: date,
    asset: Asset | None = None,
    until_seal_n: int | None = None,
) -> Statement:
    """The statement of the days from `first_date` to `last_date`, both in UTC and included.

    `asset` None: all of them, without those that are empty. `until_seal_n` ends it
    earlier, so that what is asked for again while the last day goes on stays the same.

    :raises NoSuchSeal: that seal is not of these days.
    :raises StatementDisagrees: the ledger was tampered with.
    """
    after, until = _seals(first_date, last_date, until_seal_n)
    sections = []
    if until is not None:
        sections = _sections(investor_id, after, until, asset)
    return Statement(first_date, last_date, after, until, sections)


def get_first_date(*, investor_id: int) -> date | None:
    """The day on which the first of the investor's balances was sealed; None before."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST_SEALED_AT, {"owner": investor_id})
        (first_at,) = cursor.fetchone()
    return None if first_at is None else first_at.astimezone(UTC).date()


def _seals(first: date, last: date, until_n: int | None) -> tuple[Seal | None, Seal | None]:
    after = None if first == date.min else _seal_until(first - timedelta(days=1))
    until = _seal_until(last)
    if until_n is None:
        return after, until
    if until is None or not (after.n if after else 0) <= until_n <= until.n:
        raise NoSuchSeal(f"Ledger seal {until_n} is not of these days.")
    return after, get_seal(until_n)


def _seal_until(day: date) -> Seal | None:
    """The last seal until a day ends in UTC."""
    try:
        return get_seal(datetime.combine(day, time.max, UTC))
    except NoSuchSeal:
        return None


def _sections(
    investor_id: int, after: Seal | None, until: Seal, only: Asset | None
) -> list[Section]:
    accounts = _accounts(investor_id, only)
    opening = _owned(investor_id, after) if after else {}
    closing = _owned(investor_id, until)
    moved = _moved(investor_id, after, until)
    sections = []
    for asset, account_ids in accounts:
        count, in_units, out_units = moved.get(asset.pk, (0, 0, 0))
        opening_units = opening.get(asset.pk, 0)
        section = Section(
            asset, after, until, account_ids, opening_units, in_units, out_units, count
        )
        if section.closing_units != closing.get(asset.pk, 0):
            raise StatementDisagrees
        if only or count or opening_units:
            sections.append(section)
    return sections


def _accounts(investor_id: int, only: Asset | None) -> Sequence[tuple[Asset, list[int]]]:
    """The investor's accounts by asset: stablecoins first, then by code."""
    found = LedgerAccount.objects.filter(owner_id=investor_id).select_related("asset")
    if only is not None:
        found = found.filter(asset=only)
    by_asset: dict[Asset, list[int]] = {}
    for account in found.order_by("id"):
        by_asset.setdefault(account.asset, []).append(account.pk)
    return sorted(by_asset.items(), key=lambda each: (each[0].kind != "stablecoin", each[0].code))


def _owned(investor_id: int, seal: Seal) -> dict[int, int]:
    """By asset: the balance as of a seal, with what was on the way then."""
    posted = _by_asset(BALANCES, {"owner": investor_id, "seal": seal.n})
    params = {"owner": investor_id, "to": str(seal.xid_to), "kinds": list(TRANSFER_KINDS)}
    moved = _by_asset(MOVED_BY_TRANSFERS, params)
    return {
        asset_id: int(units) - int(moved.get(asset_id, (0,))[0])
        for asset_id, (units,) in posted.items()
    }


def _moved(investor_id: int, after: Seal | None, until: Seal) -> dict[int, tuple[int, int, int]]:
    """By asset: how many lines, what came in, what went out (negative)."""
    params = {
        "owner": investor_id,
        "from": str(after.xid_to if after else 0),
        "to": str(until.xid_to),
        "kinds": list(TRANSFER_KINDS),
    }
    found = _by_asset(MOVED, params)
    return {
        asset_id: (int(count), int(in_units), int(out_units))
        for asset_id, (count, in_units, out_units) in found.items()
    }


def _by_asset(query: str, params: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return {row[0]: row[1:] for row in cursor.fetchall()}


BALANCES = """
    SELECT account.asset_id, sum(sealed.posted_units)
      FROM custody_ledgeraccount AS account
     CROSS JOIN LATERAL (SELECT posted_units FROM custody_sealedbalance
                          WHERE account_id = account.id AND seal_n <= %(seal)s
                          ORDER BY seal_n DESC LIMIT 1) AS sealed
     WHERE account.owner_id = %(owner)s
     GROUP BY account.asset_id
"""
MOVED_BY_TRANSFERS = """
    SELECT account.asset_id, sum(posting.units)
      FROM custody_ledgeraccount AS account
      JOIN custody_posting AS posting ON posting.account_id = account.id
      JOIN custody_journalentry AS entry ON entry.id = posting.entry_id
     WHERE account.owner_id = %(owner)s AND entry.xid < %(to)s::text::xid8
       AND entry.kind = ANY (%(kinds)s)
     GROUP BY account.asset_id
"""
MOVED = """
    SELECT asset_id, count(*), COALESCE(sum(units) FILTER (WHERE units > 0), 0),
           COALESCE(sum(units) FILTER (WHERE units < 0), 0)
      FROM (SELECT account.asset_id, sum(posting.units) AS units
              FROM custody_ledgeraccount AS account
              JOIN custody_posting AS posting ON posting.account_id = account.id
              JOIN custody_journalentry AS entry ON entry.id = posting.entry_id
             WHERE account.owner_id = %(owner)s
               AND entry.xid >= %(from)s::text::xid8 AND entry.xid < %(to)s::text::xid8
               AND entry.kind <> ALL (%(kinds)s)
             GROUP BY account.asset_id, posting.entry_id
            HAVING sum(posting.units) <> 0) AS line
     GROUP BY asset_id
"""
FIRST_SEALED_AT = """
    SELECT min(seal.sealed_at)
      FROM custody_ledgeraccount AS account
     CROSS JOIN LATERAL (SELECT seal_n FROM custody_sealedbalance
                          WHERE account_id = account.id
                          ORDER BY seal_n LIMIT 1) AS first
      JOIN custody_seal AS seal ON seal.chain = 'ledger' AND seal.n = first.seal_n
     WHERE account.owner_id = %(owner)s
"""
