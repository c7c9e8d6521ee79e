"""ledger_post: postings a second through the ledger's core, beside plain COPY.

The workload: 200 investors, 10 tokens and USDC; entries are trades of 6 postings (two
tokens' sides, two cash sides, two fees), 1,024 an INSERT, one transaction each, as the
engine books its batches. The yardstick copies rows of the same shape into the same
tables with their triggers off, their text made beforehand. Rounds of both alternate on
one connection. The yardstick leaves balances that verify_ledger would rightly refuse.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg

from benchmarks.report import Result, say
from benchmarks.servers import DATABASE, PASSWORD, Servers
from bourse.supervisor.postgres import APP_ROLE, OWNER_ROLE
from custody import ledger_core
from custody.ledger_core import Entry, IdBlock, Line

BATCH = 1024
INVESTORS = 200
TOKENS = 10
POOL = 1
RATIO_MIN = 0.3
FUNDS = 10**15

COPY_ENTRIES: LiteralString = """
    COPY custody_journalentry (id, kind, key, reference, content_hash, created_at) FROM STDIN
"""
COPY_POSTINGS: LiteralString = """
    COPY custody_posting (entry_id, line_no, account_id, units) FROM STDIN
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def run(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """Measure both sides in turn."""
    app_url = servers.postgres.url(APP_ROLE, PASSWORD, DATABASE)
    owner_url = servers.postgres.url(OWNER_ROLE, PASSWORD, DATABASE)
    values, copied = [], []
    with psycopg.connect(app_url) as app, psycopg.connect(owner_url, autocommit=True) as owner:
        trades = Trades(app, owner, seed)
        for number in range(1, rounds + 1):
            values.append(_rate(trades, trades.post, seconds))
            owner.execute("ALTER TABLE custody_posting DISABLE TRIGGER USER")
            copied.append(_rate(trades, trades.copy, seconds))
            owner.execute("ALTER TABLE custody_posting ENABLE TRIGGER USER")
            say(f"ledger_post {number}: {values[-1]:.0f} beside {copied[-1]:.0f} postings/s")
    return Result(
        bench="ledger_post",
        unit="postings/s",
        values=values,
        yardstick="COPY of the same rows without triggers",
        yardstick_values=copied,
        bound=RATIO_MIN,
    )


def _rate(trades: "Trades", write: Callable[[list[Entry]], float], seconds_min: float) -> float:
    """Postings a second over `seconds_min` of writing; making trades up is not timed."""
    seconds, postings = 0.0, 0
    while seconds < seconds_min:
        entries = trades.make_up()
        seconds += write(entries)
        postings += sum(len(entry.lines) for entry in entries)
    return postings / seconds


class Trades:
    """Endless random trades between funded accounts."""

    def __init__(self, app: Connection, owner: Connection, seed: int) -> None:
        self.app = app
        self.cursor = app.cursor()
        self.random = random.Random(seed)  # noqa: S311 (a workload, not a secret)
        self.block = IdBlock()
        self.number = 0
        _open_accounts(owner)
        self.accounts = {
            (owner_id, code): account_id
            for account_id, owner_id, code in owner.execute(
                "SELECT account.id, owner_id,"
                "       CASE purpose WHEN 'chain' THEN 'chain ' ELSE '' END || asset.code"
                "  FROM custody_ledgeraccount AS account"
                "  JOIN custody_asset AS asset ON asset.id = asset_id"
            )
        }
        self.investors = sorted({key[0] for key in self.accounts if key[0]})
        ledger_core.claim_pool(self.cursor, POOL, for_session=True)
        ledger_core.write_entries(self.cursor, list(self._funding()), datetime.now(UTC))
        app.commit()

    def make_up(self) -> list[Entry]:
        return [self._trade() for _ in range(BATCH)]

    def post(self, entries: list[Entry]) -> float:
        """One batch through the core, as the engine writes it; returns the seconds it took."""
        started = time.perf_counter()
        self.block.reserve(self.cursor, BATCH)
        with self.app.pipeline():
            ledger_core.write_entries(self.cursor, entries, datetime.now(UTC), self.block)
        self.app.commit()
        return time.perf_counter() - started

    def copy(self, entries: list[Entry]) -> float:
        """The same rows by COPY, their text made beforehand; returns the seconds it took."""
        now = datetime.now(UTC).isoformat()
        ids = self.block.take(self.cursor, BATCH)
        entry_rows, posting_rows = [], []
        for entry_id, entry in zip(ids, entries, strict=True):
            digest = ledger_core.content_hash(entry).hex()
            entry_rows.append(
                f"{entry_id}\t{entry.kind}\t{entry.key}\t{entry.reference}\t\\\\x{digest}\t{now}\n"
            )
            posting_rows += [
                f"{entry_id}\t{line_no}\t{account_id}\t{units}\n"
                for line_no, (account_id, units) in enumerate(entry.lines, 1)
            ]
        started = time.perf_counter()
        for query, rows in ((COPY_ENTRIES, entry_rows), (COPY_POSTINGS, posting_rows)):
            with self.cursor.copy(query) as copy:
                copy.write("".join(rows))
        self.app.commit()
        return time.perf_counter() - started

    def _trade(self) -> Entry:
        self.number += 1
        buyer, seller = self.random.sample(self.investors, 2)
        token = f"T{self.random.randrange(TOKENS)}x"
        units, cash = self.random.randrange(1, 10**6), self.random.randrange(10, 10**6)
        lines = (
            Line(self.accounts[seller, token], -units),
            Line(self.accounts[buyer, token], units),
            Line(self.accounts[buyer, "USDC"], -cash - 3),
            Line(self.accounts[seller, "USDC"], cash - 2),
            Line(self.accounts[None, "USDC"], 3),
            Line(self.accounts[None, "USDC"], 2),
        )
        key = f"trade:{self.number:032d}"
        return Entry("trade", key, key[6:], lines)

    def _funding(self) -> Iterator[Entry]:
        """What everybody trades with, from the chain."""
        for (owner_id, code), account_id in self.accounts.items():
            if owner_id:
                source = self.accounts[None, f"chain {code}"]
                lines = (Line(source, -FUNDS), Line(account_id, FUNDS))
                yield Entry("given", f"given:{account_id}", "", lines)


def _open_accounts(owner: Connection) -> None:
    """Cash-like assets only: real tokens would need shares behind them."""
    codes = ["USDC", *(f"T{number}x" for number in range(TOKENS))]
    for code in codes:
        owner.execute(
            "INSERT INTO custody_asset (code, name, kind, decimals, mint_address, token_isin,"
            " token_isin_is_test, multiplier_e18)"
            " VALUES (%s, %s, 'stablecoin', 6, '', '', false, 1)",
            [code, code],
        )
    for number in range(INVESTORS):
        owner.execute(
            "INSERT INTO accounts_investor (kind, display_name, owner_group, kyc_status,"
            " residence_country, is_house, created_at)"
            " VALUES ('person', %s, gen_random_uuid(), 'approved', 'DE', false, now())",
            [f"investor {number}"],
        )
    owner.execute(
        "INSERT INTO custody_ledgeraccount (owner_id, asset_id, purpose, pool)"
        " SELECT investor.id, asset.id, 'trading', %s"
        "   FROM accounts_investor AS investor, custody_asset AS asset",
        [POOL],
    )
    owner.execute(
        "INSERT INTO custody_ledgeraccount (asset_id, purpose, pool)"
        " SELECT id, 'fees', %s FROM custody_asset UNION ALL SELECT id, 'chain', 0"
        "   FROM custody_asset",
        [POOL],
    )
    owner.execute("ANALYZE")
