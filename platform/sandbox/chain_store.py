"""What the sandbox chain keeps on disk: accounts, history, and how to go back.

One SQLite file, written and synced before any answer, so that a killed node
starts again with every transaction it ever acknowledged. `undo` keeps what an
account was before each transaction until that is final: it serves reads at
`finalized` and a rolled back fork alike.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sandbox import disk

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    address TEXT PRIMARY KEY, lamports INTEGER NOT NULL, owner TEXT NOT NULL,
    data BLOB NOT NULL, executable INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (
    seq INTEGER NOT NULL, slot INTEGER NOT NULL, address TEXT NOT NULL,
    lamports INTEGER, owner TEXT, data BLOB, executable INTEGER,
    PRIMARY KEY (seq, address)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS undo_by_address ON undo (address, slot);
CREATE TABLE IF NOT EXISTS transactions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, signature TEXT NOT NULL UNIQUE,
    slot INTEGER NOT NULL, body BLOB NOT NULL, err TEXT, meta TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mentions (
    address TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (address, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    signature TEXT PRIMARY KEY, body BLOB NOT NULL, land_at_slot INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forks (from_slot INTEGER NOT NULL, salt TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account's state; `data` as on chain."""

    lamports: int
    owner: str
    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A landed transaction; `err` and `meta` are JSON text."""

    seq: int
    signature: str
    slot: int
    body: bytes
    err: str | None
    meta: str


class Store:
    """The chain's SQLite file."""

    def __init__(self, path: Path) -> None:
        self._db = disk.open_file(path, SCHEMA)

    def close(self) -> None:
        self._db.close()

    def commit(self) -> AbstractContextManager[None]:
        """All or nothing, on disk when the block ends."""
        return disk.whole(self._db)

    # --- small values -----------------------------------------------------------

    def get(self, name: str, default: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        return str(row[0]) if row else default

    def put(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [name, value])

    def forks(self) -> list[tuple[int, str]]:
        """(first slot, salt of its blockhashes), oldest first."""
        return list(self._db.execute("SELECT from_slot, salt FROM forks ORDER BY rowid"))

    def add_fork(self, from_slot: int, salt: str) -> None:
        self._db.execute("INSERT INTO forks VALUES (?, ?)", [from_slot, salt])

    # --- accounts ---------------------------------------------------------------

    def accounts(self) -> Iterator[tuple[str, StoredAccount]]:
        for address, *state in self._db.execute("SELECT * FROM accounts"):
            account = _account(state)
            assert account is not None
            yield address, account

    def write_account(self, address: str, account: StoredAccount | None) -> None:
        if account is None:
            self._db.execute("DELETE FROM accounts WHERE address = ?", [address])
            return
        self._db.execute(
            "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)",
            [address, account.lamports, account.owner, account.data, account.executable],
        )

    def write_undo(self, seq: int, slot: int, address: str, before: StoredAccount | None) -> None:
        state: list[object] = (
            [None] * 4
            if before is None
            else [before.lamports, before.owner, before.data, before.executable]
        )
        self._db.execute(
            "INSERT INTO undo VALUES (?, ?, ?, ?, ?, ?, ?)", [seq, slot, address, *state]
        )

    def account_before(self, address: str, slot: int) -> tuple[bool, StoredAccount | None]:
        """(was it changed after `slot`?, what it was at the end of `slot`)."""
        row = self._db.execute(
            "SELECT lamports, owner, data, executable FROM undo"
            " WHERE address = ? AND slot > ? ORDER BY seq LIMIT 1",
            [address, slot],
        ).fetchone()
        return (False, None) if row is None else (True, _account(row))

    def undo_after(self, slot: int) -> list[tuple[str, StoredAccount | None]]:
        """What to restore to be back at the end of `slot`, newest change first."""
        rows = self._db.execute(
            "SELECT address, lamports, owner, data, executable FROM undo"
            " WHERE slot > ? ORDER BY seq DESC",
            [slot],
        )
        return [(address, _account(state)) for address, *state in rows]

    def forget_undo(self, final_slot: int) -> None:
        self._db.execute("DELETE FROM undo WHERE slot <= ?", [final_slot])

    # --- transactions -----------------------------------------------------------

    def add_transaction(
        self, signature: str, slot: int, body: bytes, err: str | None, meta: str
    ) -> int:
        """Keep a landed transaction; its place in the order of all."""
        cursor = self._db.execute(
            "INSERT INTO transactions (signature, slot, body, err, meta) VALUES (?, ?, ?, ?, ?)",
            [signature, slot, body, err, meta],
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add_mentions(self, seq: int, addresses: Iterable[str]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO mentions VALUES (?, ?)", [(a, seq) for a in addresses]
        )

    def transaction(self, signature: str) -> StoredTransaction | None:
        row = self._db.execute(
            "SELECT seq, signature, slot, body, err, meta FROM transactions WHERE signature = ?",
            [signature],
        ).fetchone()
        return StoredTransaction(*row) if row else None

    def transactions_of(
        self, address: str, slot_max: int, before: int | None, until: int, limit: int
    ) -> list[StoredTransaction]:
        """Those that mention `address`, newest first, with until < seq < before."""
        rows = self._db.execute(
            "SELECT t.seq, t.signature, t.slot, t.body, t.err, t.meta"
            " FROM mentions m JOIN transactions t ON t.seq = m.seq"
            " WHERE m.address = ? AND t.slot <= ? AND m.seq > ? AND m.seq < ?"
            " ORDER BY m.seq DESC LIMIT ?",
            [address, slot_max, until, before if before is not None else 2**62, limit],
        )
        return [StoredTransaction(*row) for row in rows]

    def transactions_after(self, slot: int) -> list[StoredTransaction]:
        rows = self._db.execute(
            "SELECT seq, signature, slot, body, err, meta FROM transactions"
            " WHERE slot > ? ORDER BY seq",
            [slot],
        )
        return [StoredTransaction(*row) for row in rows]

    def last_slot(self) -> int:
        """The slot of the newest transaction, or 0."""
        row = self._db.execute("SELECT slot FROM transactions ORDER BY seq DESC LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    def drop_transactions_after(self, slot: int) -> None:
        self._db.execute(
            "DELETE FROM mentions WHERE seq IN (SELECT seq FROM transactions WHERE slot > ?)",
            [slot],
        )
        self._db.execute("DELETE FROM transactions WHERE slot > ?", [slot])
        self._db.execute("DELETE FROM undo WHERE slot > ?", [slot])

    # --- sent, not landed -------------------------------------------------------

    def add_pending(self, signature: str, body: bytes, land_at_slot: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", [signature, body, land_at_slot]
        )

    def due(self, slot: int) -> list[tuple[str, bytes, int]]:
        return list(
            self._db.execute(
                "SELECT signature, body, land_at_slot FROM pending"
                " WHERE land_at_slot <= ? ORDER BY land_at_slot, signature",
                [slot],
            )
        )

    def drop_pending(self, signature: str) -> None:
        self._db.execute("DELETE FROM pending WHERE signature = ?", [signature])


def _account(state: Iterable[object]) -> StoredAccount | None:
    lamports, owner, data, executable = state
    if lamports is None:
        return None
    assert isinstance(lamports, int)
    assert isinstance(data, bytes)
    return StoredAccount(lamports, str(owner), data, bool(executable))
