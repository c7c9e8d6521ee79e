"""What lies in transit, and in escrow, is what open transfers and redemptions put there."""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.verification.registry import Difference
from custody.verification.since import since_promise

TRANSIT = """
    SELECT COALESCE(account.asset_id, sent.asset_id), COALESCE(account.pool, sent.pool),
           COALESCE(account.posted_units, 0), COALESCE(sent.units, 0),
           account.written_by, sent.oldest
      FROM (SELECT asset_id, pool, posted_units, xmin::text::bigint AS written_by
              FROM custody_ledgeraccount WHERE purpose = 'transit') AS account
      FULL JOIN (SELECT asset_id, pool, sum(units) AS units, min(requested_at) AS oldest
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
           COALESCE(account.posted_units, 0), COALESCE(promised.units, 0),
           account.written_by, promised.oldest
      FROM (SELECT owner_id, asset_id, posted_units, xmin::text::bigint AS written_by
              FROM custody_ledgeraccount WHERE purpose = 'redemption') AS account
      FULL JOIN (SELECT investor_id, asset_id, min(held_at) AS oldest,
                        sum(CASE state WHEN 'sold' THEN sold_units ELSE units END) AS units
                   FROM custody_redemption WHERE state IN ('held', 'submitted', 'sold')
                  GROUP BY investor_id, asset_id) AS promised
        ON promised.investor_id = account.owner_id AND promised.asset_id = account.asset_id
     WHERE COALESCE(account.posted_units, 0) <> COALESCE(promised.units, 0)
"""


def escrow_is_of_redemptions(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(ESCROW)
    for investor_id, asset_id, posted, promised, xmin, oldest in cursor.fetchall():
        where, expected = (
            f"escrow of investor {investor_id}, asset {asset_id}",
            "units of redemptions",
        )
        since = since_promise(xmin, oldest)
        yield Difference("escrow", where, f"{promised} {expected}", str(posted), since)


def transit_is_on_the_way(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(TRANSIT)
    for asset_id, pool, posted, sent, xmin, oldest in cursor.fetchall():
        where, since = f"transit of asset {asset_id}, pool {pool}", since_promise(xmin, oldest)
        yield Difference("transit", where, f"{sent} units sent", str(posted), since)
