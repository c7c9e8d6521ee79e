"""Reading differences through a cursor on the server: memory stays flat, whatever is found."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

ROWS_FETCHED_AT_ONCE = 5000


def stream(query: str, params: Any = None) -> Iterator[tuple[Any, ...]]:
    """Rows of this thread's connection, a few at a time; needs a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, params)
        while rows := cursor.fetchmany(ROWS_FETCHED_AT_ONCE):
            yield from rows
