"""Balances as of seals against their postings, and closed periods against what came later."""

from collections.abc import Iterator

from custody.as_of import NOW, Scope
from custody.ledger_core import Cursor
from custody.models.seals import Seal, SealChain
from custody.verification.registry import Difference
from custody.verification.since import since_entry, since_seal
from custody.verification.streaming import stream

# What each seal moved on each account, as postings have it and as balances state it.
SEALED_BALANCES = """
    WITH bounds AS MATERIALIZED (
        SELECT array_agg(xid_to::text::bigint ORDER BY n) AS ends, array_agg(n ORDER BY n) AS ns,
               max(n) AS last, COALESCE(max(xid_to::text::bigint), 0)::text::xid8 AS sealed_to
          FROM custody_seal WHERE chain = 'ledger' AND xid_to <= %(xid_to)s::text::xid8
    ), moved AS (
        SELECT posting.account_id, (SELECT ns FROM bounds)[posting.at + 1] AS seal_n, posting.units
          FROM (SELECT account_id,
                       width_bucket(entry.xid::text::bigint, (SELECT ends FROM bounds)) AS at,
                       sum(units) AS units
                  FROM custody_posting JOIN custody_journalentry AS entry ON entry.id = entry_id
                 WHERE entry.xid < (SELECT sealed_to FROM bounds) {of_account}
                 GROUP BY 1, 2 HAVING sum(units) <> 0) AS posting
    ), stated AS (
        SELECT account_id, seal_n, posted_units - lag(posted_units, 1, 0::bigint) OVER (
                   PARTITION BY account_id ORDER BY seal_n) AS units
          FROM custody_sealedbalance WHERE seal_n <= (SELECT last FROM bounds) {of_account}
    )
    SELECT COALESCE(moved.account_id, stated.account_id), COALESCE(moved.seal_n, stated.seal_n),
           COALESCE(moved.units, 0), COALESCE(stated.units, 0)
      FROM moved
      FULL JOIN (SELECT * FROM stated WHERE units <> 0) AS stated
        ON stated.account_id = moved.account_id AND stated.seal_n = moved.seal_n
     WHERE moved.units IS DISTINCT FROM stated.units
     ORDER BY 2, 1
"""
OF_ALL = SEALED_BALANCES.format(of_account="")
OF_ACCOUNT = SEALED_BALANCES.format(of_account="AND account_id = %(account_id)s")
BALANCES_BEYOND_SEALS = """
    SELECT account_id, seal_n FROM custody_sealedbalance
     WHERE seal_n > COALESCE((SELECT max(n) FROM custody_seal WHERE chain = 'ledger'), 0)
"""
DATED_INTO_CLOSED = """
    SELECT entry.id, entry.created_at, entry.xid::text::bigint, period.n
      FROM custody_period AS period
      JOIN custody_seal AS seal ON seal.chain = 'ledger' AND seal.n = period.seal_n
      JOIN custody_journalentry AS entry
        ON entry.xid >= seal.xid_to AND entry.created_at < period.ends_at
     WHERE period.n = (SELECT max(n) FROM custody_period)
"""


def sealed_balances_are_their_postings(_: Cursor, scope: Scope = NOW) -> Iterator[Difference]:
    """At each seal each balance moved by what its postings say; so every past balance holds."""
    for account_id, seal_n, moved, stated in stream(OF_ALL, {"xid_to": str(scope.xid_to)}):
        where = f"ledger account {account_id} at ledger seal {seal_n}"
        seal = Seal.objects.filter(chain=SealChain.LEDGER, n=seal_n).first()
        since = since_seal(seal) if seal else ""
        yield Difference("sealed balances", where, f"moved by {moved}", f"by {stated}", since)
    if scope.seal is None:
        for account_id, seal_n in stream(BALANCES_BEYOND_SEALS):
            where = f"ledger account {account_id} at ledger seal {seal_n}"
            yield Difference("sealed balances", where, "a seal of that number", "none")


def since_parting(account_id: int) -> str:
    """The first seal at which this account's postings and its sealed balance part; "": none."""
    params = {"xid_to": str(NOW.xid_to), "account_id": account_id}
    for _, seal_n, _, _ in stream(f"{OF_ACCOUNT} LIMIT 1", params):
        seal = Seal.objects.filter(chain=SealChain.LEDGER, n=seal_n).first()
        return since_seal(seal) if seal else ""
    return ""


def closed_periods_are_left_alone(_: Cursor) -> Iterator[Difference]:
    """What is sealed after the last closed period is dated after it."""
    for entry_id, created_at, xid, period in stream(DATED_INTO_CLOSED):
        where, found = f"entry {entry_id}", created_at.isoformat()
        since = since_entry(xid)
        yield Difference("closed periods", where, f"dated after period {period}", found, since)
