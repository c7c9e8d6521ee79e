"""A ledger of a million postings, sealed as it grew: what verifying and looking back read."""

from datetime import UTC, datetime

import psycopg

from benchmarks.ledger_post import Trades
from benchmarks.report import say
from benchmarks.servers import DATABASE, PASSWORD, Servers
from bourse.supervisor.postgres import APP_ROLE, OWNER_ROLE
from custody import sealing

POSTINGS = 1_000_000
BATCHES_A_SEAL = 3


def fill(servers: Servers, seed: int, postings: int = POSTINGS) -> None:
    """Post through the core and seal every few batches, until there are enough."""
    app_url = servers.postgres.url(APP_ROLE, PASSWORD, DATABASE)
    owner_url = servers.postgres.url(OWNER_ROLE, PASSWORD, DATABASE)
    sealer = sealing.sealer()
    sealer.start()
    with psycopg.connect(app_url) as app, psycopg.connect(owner_url, autocommit=True) as owner:
        trades = Trades(app, owner, seed)
        posted = batches = 0
        while posted < postings:
            # Not called trades: those would need orders.
            entries = trades.make_up()
            for entry in entries:
                entry.kind = "moved"
            trades.post(entries)
            posted += sum(len(entry.lines) for entry in entries)
            batches += 1
            if batches % BATCHES_A_SEAL == 0:
                sealer.seal(datetime.now(UTC))
        while sealer.seal(datetime.now(UTC)):
            pass
        owner.execute("VACUUM ANALYZE")
    say(f"{posted} postings in {batches} transactions")
