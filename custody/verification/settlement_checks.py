"""What is owed to and by the broker is what open block orders say."""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.verification.registry import Difference
from custody.verification.since import since_promise

# The house's accounts of settlement, each against the blocks whose fill lies on it.
SETTLEMENT = """
    WITH open AS MATERIALIZED (
        SELECT asset_id, side, state, filled_units, owed_micros, filled_at
          FROM custody_blockorder WHERE state IN ('filled', 'allocated')
    ), promise (asset_id, purpose, units, since) AS (
        SELECT asset_id, line.purpose, line.units, filled_at
          FROM open, LATERAL (VALUES
               ('custodian_bought', 'filled', -filled_units),
               ('shares_unsettled', 'filled', filled_units),
               ('custodian_allocated', 'allocated', -filled_units),
               ('shares_allocated', 'allocated', filled_units)) AS line (purpose, state, units)
         WHERE side = 'buy' AND line.state = open.state
        UNION ALL
        SELECT (SELECT id FROM custody_asset WHERE kind = 'fiat'),
               CASE side WHEN 'buy' THEN 'payable' ELSE 'receivable' END,
               CASE side WHEN 'buy' THEN owed_micros ELSE -owed_micros END, filled_at
          FROM open
    ), promised AS (
        SELECT asset_id, purpose, sum(units) AS units, min(since) AS oldest
          FROM promise GROUP BY asset_id, purpose
    ), booked AS (
        SELECT asset_id, purpose, sum(posted_units) AS units,
               max(xmin::text::bigint) AS written_by
          FROM custody_ledgeraccount
         WHERE purpose IN ('custodian_bought', 'shares_unsettled', 'custodian_allocated',
                           'shares_allocated', 'payable', 'receivable')
         GROUP BY asset_id, purpose
    )
    SELECT purpose, COALESCE(asset.code, ''), COALESCE(booked.units, 0),
           COALESCE(promised.units, 0), booked.written_by, promised.oldest
      FROM booked
      FULL JOIN promised USING (asset_id, purpose)
      LEFT JOIN custody_asset AS asset ON asset.id = asset_id
     WHERE COALESCE(booked.units, 0) <> COALESCE(promised.units, 0)
     ORDER BY purpose, asset_id
"""


def settlement_is_of_open_blocks(cursor: Cursor) -> Iterator[Difference]:
    """Shares bought and allocated, and dollars owed, until their block settles."""
    cursor.execute(SETTLEMENT)
    for purpose, code, booked, promised, xmin, oldest in cursor.fetchall():
        where, since = f"{purpose} {code}".rstrip(), since_promise(xmin, oldest)
        yield Difference(
            "settlement", where, f"{promised} units of open blocks", str(booked), since
        )
