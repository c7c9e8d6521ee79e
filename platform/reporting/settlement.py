"""Settlement, minute by minute: what was sold, bought, settled, moved, and still on its way.

Per token and minute in which anything happened. What the house sold comes from the
ledger (out of the inventory) and from the trades (its market makers, to others than
the house's own); shares from the block orders; tokens from the settlement legs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection
from django.db.models import Q

from custody.ledger_purposes import AssetKind
from custody.models import Asset, BlockOrder, SettlementLeg

MINUTE = timedelta(minutes=1)

MINUTES = """
WITH happened AS (
    SELECT token.instrument_id, entry.created_at AS at,
           -posting.units AS sold, 0 AS traded, 0 AS bought, 0 AS settled, 0 AS moved
      FROM custody_ledgeraccount account
      JOIN custody_asset token ON token.id = account.asset_id AND token.kind = 'token'
      JOIN custody_posting posting ON posting.account_id = account.id
      JOIN custody_journalentry entry ON entry.id = posting.entry_id
     WHERE account.purpose = 'inventory' AND entry.kind = 'inventory sold'
     UNION ALL
    SELECT token.instrument_id, trade.traded_at, 0, trade.quantity_units, 0, 0, 0
      FROM accounts_investor house
      JOIN trading_trade trade ON trade.seller_id = house.id
      JOIN accounts_investor buyer ON buyer.id = trade.buyer_id AND NOT buyer.is_house
      JOIN trading_listing listing ON listing.id = trade.listing_id
      JOIN custody_asset token ON token.id = listing.asset_id
     WHERE house.is_house
     UNION ALL
    SELECT share.instrument_id, block.filled_at, 0, 0, block.filled_units, 0, 0
      FROM custody_blockorder block JOIN custody_asset share ON share.id = block.asset_id
     WHERE block.side = 'buy' AND block.filled_units > 0
     UNION ALL
    SELECT share.instrument_id, block.settled_at, 0, 0, 0, block.filled_units, 0
      FROM custody_blockorder block JOIN custody_asset share ON share.id = block.asset_id
     WHERE block.side = 'buy' AND block.filled_units > 0
     UNION ALL
    SELECT token.instrument_id, leg.final_at, 0, 0, 0, 0, leg.units
      FROM custody_settlementleg leg JOIN custody_asset token ON token.id = leg.asset_id
     WHERE leg.state = 'final'
), minutes AS (
    SELECT token.id AS token_id, date_trunc('minute', at) AS minute,
           sum(sold) AS sold, sum(traded) AS traded, sum(bought) AS bought,
           sum(settled) AS settled, sum(moved) AS moved
      FROM happened
      JOIN custody_asset token ON token.instrument_id = happened.instrument_id
       AND token.kind = 'token'
     WHERE at BETWEEN %(start)s AND %(end)s
       AND (%(token)s::bigint IS NULL OR token.id = %(token)s)
     GROUP BY token.id, date_trunc('minute', at)
)
"""
COUNT = f"{MINUTES} SELECT count(*) FROM minutes"  # noqa: S608 (constants)
PAGE = f"""{MINUTES}
SELECT token.id, minute, sold, traded, bought, settled, moved
  FROM minutes JOIN custody_asset token ON token.id = token_id
 ORDER BY minute DESC, token.code LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class Minute:
    """One token in one minute (UTC). Tokens have 8 decimals, shares 9."""

    token: Asset
    share: Asset | None
    at: datetime
    sold_units: int  # out of the inventory
    traded_units: int  # by the house's traders, to others
    shares_bought_units: int
    shares_settled_units: int
    moved_units: int  # between our wallets, final
    in_transit_units: int  # tokens of legs that were open when the minute ended
    shares_due_units: int  # bought and not settled when the minute ended


class Minutes:
    """A day's minutes, newest first, counted and read in part, as a Paginator wants them."""

    def __init__(self, *, day: date, token: Asset | None) -> None:
        start, end = (datetime.combine(day, at, UTC) for at in (time.min, time.max))
        token_id = None if token is None else int(token.pk)
        self._range: dict[str, datetime | int | None] = {
            "start": start,
            "end": end,
            "token": token_id,
        }

    def count(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, self._range)
            return int(cursor.fetchone()[0])

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, part: slice) -> list[Minute]:
        limits = {"offset": part.start, "limit": part.stop - part.start}
        with connection.cursor() as cursor:
            cursor.execute(PAGE, self._range | limits)
            rows = cursor.fetchall()
        return _minutes(rows)


def list_waiting_legs() -> Sequence[SettlementLeg]:
    """Legs on their way, those that need a person first."""
    rows = SettlementLeg.objects.exclude(state__in=["final", "failed"]).select_related("asset")
    return sorted(rows, key=lambda leg: (leg.state != "stuck", leg.planned_at, leg.id))


def list_waiting_blocks() -> Sequence[BlockOrder]:
    """Blocks that have not settled, those that need a person first."""
    rows = BlockOrder.objects.exclude(state__in=["settled", "rejected"]).select_related("asset")
    return sorted(rows, key=lambda block: (block.state != "stuck", block.formed_at, block.id))


def _minutes(rows: Sequence[tuple[int, datetime, int, int, int, int, int]]) -> list[Minute]:
    if not rows:
        return []
    pairs = Asset.objects.filter(instrument__assets__in={row[0] for row in rows}).distinct()
    tokens = {asset.pk: asset for asset in pairs if asset.kind == AssetKind.TOKEN}
    shares = {asset.instrument_id: asset for asset in pairs if asset.kind == AssetKind.SHARE}
    times = [row[1] for row in rows]
    open_since, open_until = min(times), max(times) + MINUTE
    legs, blocks = _legs(open_since, open_until), _blocks(open_since, open_until)
    found = []
    for token_id, at, sold, traded, bought, settled, moved in rows:
        token, end = tokens[token_id], at + MINUTE
        share = shares.get(token.instrument_id)
        found.append(
            Minute(
                token=token,
                share=share,
                at=at,
                sold_units=int(sold),
                traded_units=int(traded),
                shares_bought_units=int(bought),
                shares_settled_units=int(settled),
                moved_units=int(moved),
                in_transit_units=_open_at(end, token_id, legs),
                shares_due_units=_open_at(end, share.pk if share else None, blocks),
            )
        )
    return found


# What was on its way: (asset, from, until or None, units).
Span = tuple[int, datetime, datetime | None, int]


def _open_at(end: datetime, asset_id: int | None, spans: Sequence[Span]) -> int:
    """Units on their way when a minute ended."""
    return sum(
        units
        for of, since, until, units in spans
        if of == asset_id and since < end and (until is None or until >= end)
    )


def _legs(start: datetime, end: datetime) -> list[Span]:
    rows = SettlementLeg.objects.filter(planned_at__lt=end).filter(
        Q(final_at=None, failed_at=None) | Q(final_at__gte=start) | Q(failed_at__gte=start)
    )
    return [
        (leg.asset_id, leg.planned_at, leg.final_at or leg.failed_at, leg.units) for leg in rows
    ]


def _blocks(start: datetime, end: datetime) -> list[Span]:
    rows = BlockOrder.objects.filter(side="buy", filled_at__lt=end).filter(
        Q(settled_at=None) | Q(settled_at__gte=start)
    )
    return [
        (block.asset_id, block.filled_at, block.settled_at, block.filled_units or 0)
        for block in rows
        if block.filled_at is not None
    ]
