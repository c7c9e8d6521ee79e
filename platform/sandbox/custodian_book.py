"""The sandbox broker's books: orders, cash and shares in one SQLite file.

Shares are integers of 1e-9, dollars of 1e-6. A fill settles at the opening of
the next trading day (T+1). Everything is on disk before it is answered.
"""

import csv
import json
import sqlite3
from bisect import bisect_left
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sandbox import disk

SHARE = 10**9
DOLLAR = 10**6

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL,
    side TEXT NOT NULL, qty INTEGER, notional INTEGER, status TEXT NOT NULL,
    submitted_at REAL NOT NULL, ended_at REAL, filled_qty INTEGER NOT NULL DEFAULT 0,
    price INTEGER, cash INTEGER, settlement_date TEXT, reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS orders_open ON orders (submitted_at) WHERE status = 'accepted';
CREATE TABLE IF NOT EXISTS moves (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, qty INTEGER NOT NULL,
    cash INTEGER NOT NULL, at REAL NOT NULL, note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Day:
    """The regular session of one trading day."""

    date: date
    open_at: datetime
    close_at: datetime


class Calendar:
    """The trading days of a CSV with `date`, `open_at` and `close_at`."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            self.days = [
                Day(
                    date.fromisoformat(row["date"]),
                    datetime.fromisoformat(row["open_at"]),
                    datetime.fromisoformat(row["close_at"]),
                )
                for row in csv.DictReader(file)
            ]
        self._closes = [day.close_at for day in self.days]
        self._dates = [day.date for day in self.days]

    def session_for(self, at: datetime) -> Day:
        """The session that is on at `at`, else the next one."""
        return self.days[bisect_left(self._closes, at)]

    def settlement(self, traded: date) -> Day:
        """The day on which a trade of that date settles."""
        return self.days[bisect_left(self._dates, traded) + 1]

    def between(self, start: date, end: date) -> list[Day]:
        return [day for day in self.days if start <= day.date <= end]

    def is_settled(self, settlement_date: str, now: datetime) -> bool:
        """From the opening of the settlement date on."""
        at = bisect_left(self._dates, date.fromisoformat(settlement_date))
        return self.days[at].open_at <= now


class Book:
    """The one customer account of the sandbox broker."""

    def __init__(self, path: Path, calendar: Calendar) -> None:
        self._db = disk.open_file(path, SCHEMA)
        self._db.row_factory = sqlite3.Row
        self.calendar = calendar

    def commit(self) -> AbstractContextManager[None]:
        """All or nothing, on disk when the block ends."""
        return disk.whole(self._db)

    # --- orders -----------------------------------------------------------------

    def add_order(self, order: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO orders (id, client_order_id, symbol, side, qty, notional, status,"
            " submitted_at, reason) VALUES (:id, :client_order_id, :symbol, :side, :qty,"
            " :notional, :status, :submitted_at, :reason)",
            order,
        )

    def order(self, *, ident: str = "", client_order_id: str = "") -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM orders WHERE id = ? OR client_order_id = ?", [ident, client_order_id]
        ).fetchone()
        return row

    def orders(self, statuses: tuple[str, ...], limit: int = 500) -> list[sqlite3.Row]:
        return self._db.execute(
            "SELECT * FROM orders WHERE status IN (SELECT value FROM json_each(?))"
            " ORDER BY submitted_at DESC LIMIT ?",
            [json.dumps(statuses), limit],
        ).fetchall()

    def fill(
        self,
        ident: str,
        *,
        at: datetime,
        qty: int,
        price: int,
        cash: int,
        settles: date,
        status: str = "filled",
    ) -> None:
        """`status`: "canceled" when this was a part of the order and the rest is not coming."""
        self._db.execute(
            "UPDATE orders SET status = ?, ended_at = ?, filled_qty = ?, price = ?,"
            " cash = ?, settlement_date = ? WHERE id = ?",
            [status, at.timestamp(), qty, price, cash, settles.isoformat(), ident],
        )

    def fills(self) -> list[sqlite3.Row]:
        """Orders of which something traded, newest first."""
        return self._db.execute(
            "SELECT * FROM orders WHERE filled_qty > 0 ORDER BY submitted_at DESC LIMIT 500"
        ).fetchall()

    def end(self, ident: str, *, status: str, at: datetime, reason: str = "") -> None:
        self._db.execute(
            "UPDATE orders SET status = ?, ended_at = ?, reason = ? WHERE id = ?",
            [status, at.timestamp(), reason, ident],
        )

    # --- what the account has ---------------------------------------------------

    def cash(self) -> int:
        """Dollars, trade-date: what was paid in, and bought and sold for."""
        moved = self._sum("SELECT sum(cash) FROM moves")
        bought = self._sum("SELECT sum(cash) FROM orders WHERE filled_qty > 0 AND side='buy'")
        sold = self._sum("SELECT sum(cash) FROM orders WHERE filled_qty > 0 AND side='sell'")
        return moved - bought + sold

    def unsettled_cash(self, now: datetime) -> int:
        """Proceeds of sales that have not settled."""
        rows = self._db.execute(
            "SELECT cash, settlement_date FROM orders WHERE filled_qty > 0 AND side='sell'"
        )
        return sum(c for c, settles in rows if not self.calendar.is_settled(settles, now))

    def positions(self) -> dict[str, int]:
        """Shares per symbol, trade-date."""
        rows = self._db.execute(
            "SELECT symbol, sum(qty) FROM (SELECT symbol, qty FROM moves WHERE symbol <> ''"
            " UNION ALL SELECT symbol, CASE side WHEN 'buy' THEN filled_qty ELSE -filled_qty END"
            " FROM orders WHERE filled_qty > 0) GROUP BY symbol"
        )
        return {symbol: qty for symbol, qty in rows if qty}

    def promised(self, symbol: str) -> int:
        """Shares that open sales will take."""
        return self._sum(
            "SELECT sum(qty) FROM orders WHERE status='accepted' AND side='sell' AND symbol=?",
            symbol,
        )

    def add_move(
        self, ident: str, *, kind: str, symbol: str, qty: int, cash: int, at: datetime, note: str
    ) -> None:
        self._db.execute(
            "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?)",
            [ident, kind, symbol, qty, cash, at.timestamp(), note],
        )

    def moves(self, kind: str) -> list[sqlite3.Row]:
        return self._db.execute(
            "SELECT * FROM moves WHERE kind = ? ORDER BY at DESC", [kind]
        ).fetchall()

    # --- faults -----------------------------------------------------------------

    def set_fault(self, name: str, number: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO faults VALUES (?, ?)", [name, number])

    def strikes(self, name: str) -> bool:
        """Whether a fault hits now; each set number counts down."""
        left = self._sum("SELECT number FROM faults WHERE name = ?", name)
        if left:
            with self.commit():
                self.set_fault(name, left - 1)
        return bool(left)

    def _sum(self, sql: str, *params: str) -> int:
        row = self._db.execute(sql, params).fetchone()
        return int(row[0] or 0) if row else 0


def instant(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
