"""What lies in transit is what pool transfers sent and nobody has taken yet."""

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


def transit_is_on_the_way(cursor: Cursor) -> Iterator[Difference]:
    cursor.execute(TRANSIT)
    for asset_id, pool, posted, sent in cursor.fetchall():
        where = f"transit of asset {asset_id}, pool {pool}"
        yield Difference("transit", where, f"{sent} units sent", str(posted))
