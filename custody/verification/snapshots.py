"""One unchanging view of the database, for one connection or several at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

WORK_MEMORY = "64MB"


@contextmanager
def snapshot(shared: str = "") -> Iterator[None]:
    """Everything inside reads one moment, blocks nobody and changes nothing.

    :param shared: the name of another connection's snapshot (`share`), to see the same.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            _begin(shared)
        yield


def share() -> str:
    """A name under which other connections can join this one's snapshot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        return str(cursor.fetchone()[0])


def _begin(shared: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if shared:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [shared])
        # Groups of a million postings stay in memory; trading keeps the other cores.
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        # All rows of a cursor are wanted, not the first few soon.
        cursor.execute("SET LOCAL cursor_tuple_fraction = 1.0")
