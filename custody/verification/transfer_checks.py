"""What lies in transit, and in escrow, is what open transfers and redemptions put there."""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.verification.registry import Difference

TRANSIT = """
    SELECT COALESCE(account.asset_id, sent.asset_id), COALESCE(account.pool, sent.pool),
           COALESCE(account.posted_units, 0), COALESCE(sent.units, 0)
      FROM (SELECT asset_id, pool, posted_units FROM custody_ledgeraccount
             WHERE purpose = 'transit') AS account
      FULL JOIN (SELECT asset_id, pool, sum(units) AS units
                   FROM custody_pooltransfer
                  WHERE direction = 'in' AND state = 'requested'
                     OR swept_at IS NULL
                        AND (direction = 'in' AND state = 'refused'
                             OR direction = 'out' AND state = 'done')
                  GROUP BY asset_id, pool) AS sent
        ON sent.asset_id = account.asset_id AND sent.pool = account.pool
     WHERE COALESCE(account.posted_units, 0) <> COALESCE(sent.units, 0)
"""
ESCROW = """
    SELECT COALESCE(account.owner_id, promised.investor_id),
           COALESCE(account.asset_id, promised.asset_id),
           COALESCE(account.posted_units, 0), COALESCE(promised.units, 0)
      FROM (SELECT owner_id, asset_id, posted_units FROM custody_ledgeraccount
             WHERE purpose = 'redemption') AS account
      FULL JOIN (SELECT investor_id, asset_id,
                        sum(CASE state WHEN 'sold' THEN sold_units ELSE units END) AS units
                   FROM custody_redemption WHERE state IN ('held', 'submitted', 'sold')
                  GROUP BY investor_id, asset_id) AS promised
        ON promised.investor_id = account.owner_id AND promised.asset_id = account.asset_id
     WHERE COALESCE(account.posted_units, 0) <> COALESCE(promised.units, 0)
"""


def escrow_is_of_redemptions(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(ESCROW)
    for investor_id, asset_id, posted, promised in cursor.fetchall():
        where = f"escrow of investor {investor_id}, asset {asset_id}"
        yield Difference("escrow", where, f"{promised} units of redemptions", str(posted))


def transit_is_on_the_way(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(TRANSIT)
    for asset_id, pool, posted, sent in cursor.fetchall():
        where = f"transit of asset {asset_id}, pool {pool}"
        yield Difference("transit", where, f"{sent} units sent", str(posted))
