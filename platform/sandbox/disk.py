"""A party's state on disk: one SQLite file, written through before each answer."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_file(path: Path, schema: str) -> sqlite3.Connection:
    """The file with its tables; each statement commits unless inside `whole`."""
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.executescript(schema)
    return file


@contextmanager
def whole(file: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on disk when the block ends."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        file.execute("ROLLBACK")
        raise
    file.execute("COMMIT")
