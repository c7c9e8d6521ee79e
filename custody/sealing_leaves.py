"""What a seal covers, row by row: the leaves of its Merkle tree, in a fixed order.

A chain has sources (tables) in a fixed order; a source's rows come by transaction
id, then id. A leaf is one text: the table's name and the row's values, each on a
line of its own. An entry's postings are in it through its content hash.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from custody.models.seals import SealChain
from custody.sealing_history import XID_COLUMN, id_column, list_audit_tables

Row = tuple[Any, ...]
# Which columns of a table of the trail were sealed; a later column changes no old leaf.
Columns = Mapping[str, Sequence[str]]
ROWS_FETCHED_AT_ONCE = 2000
# The name of a whole row in SQL. A column of the same name would be taken instead.
ROW = "sealed_row"


@dataclass(frozen=True)
class Source:
    """A table whose rows are leaves; `values` are SQL expressions, the id first."""

    table: str
    xid: str
    values: tuple[str, ...]

    def select(self, xid_from: int, xid_to: int, *, tail: str) -> tuple[str, list[str]]:
        """The rows written by transactions in [xid_from, xid_to)."""
        # Names and expressions are constants of this module or names of our own models.
        query = (
            f"SELECT {self.xid}::text::bigint, {', '.join(self.values)} "  # noqa: S608
            f'FROM "{self.table}" AS {ROW} '
            f"WHERE {self.xid} >= %s::text::xid8 AND {self.xid} < %s::text::xid8 {tail}"
        )
        return query, [str(xid_from), str(xid_to)]

    @property
    def order(self) -> str:
        return f"ORDER BY {self.xid}, {self.values[0]}"

    def leaf(self, row: Row, columns: Columns) -> bytes:
        """The leaf of a row as `select` returned it."""
        values = row
        if self.table in columns:
            values = (*row[:-1], _chosen(row[-1], columns[self.table]))
        texts = ["" if value is None else str(value) for value in values]
        return "\n".join([self.table, *texts]).encode()

    def name(self, row: Row) -> str:
        return f"{self.table} {row[1]}"


ACCOUNTS = Source(
    "custody_ledgeraccount", "opened_xid", ("id", "owner_id", "asset_id", "purpose", "pool")
)
ENTRIES = Source(
    "custody_journalentry",
    "xid",
    (
        "id",
        "(extract(epoch FROM created_at) * 1000000)::bigint",
        "encode(content_hash, 'hex')",
    ),
)


def list_sources(chain: str) -> list[Source]:
    """The sources of a chain, in the order of their leaves."""
    if chain == SealChain.LEDGER:
        return [ACCOUNTS, ENTRIES]
    return [
        Source(table, XID_COLUMN, (id_column(table), f"(to_jsonb({ROW}) - '{XID_COLUMN}')::text"))
        for table in list_audit_tables()
    ]


def current_columns(sources: Sequence[Source]) -> dict[str, list[str]]:
    """The columns of the audit trail's tables among the sources, as they are now."""
    tables = [source.table for source in sources if source.xid == XID_COLUMN]
    if not tables:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text, array_agg(attname::text ORDER BY attname)"
            "  FROM pg_attribute"
            " WHERE attrelid = ANY (%s::regclass[]) AND attnum > 0 AND NOT attisdropped"
            "   AND attname <> %s"
            " GROUP BY attrelid",
            [tables, XID_COLUMN],
        )
        return {table.strip('"'): columns for table, columns in cursor.fetchall()}


def end_of_slice(sources: Sequence[Source], xid_from: int, xid_to: int, rows_max: int) -> int:
    """A bound not beyond `xid_to` below which no source has many more than `rows_max` rows.

    Never inside a transaction: one of more rows than that is sealed whole.
    """
    with connection.cursor() as cursor:
        for source in sources:
            query, params = source.select(
                xid_from, xid_to, tail=f"ORDER BY {source.xid} LIMIT 1 OFFSET {rows_max:d}"
            )
            cursor.execute(query, params)
            beyond = cursor.fetchone()
            if beyond is not None:
                cursor.execute(*source.select(xid_from, xid_to, tail=f"{source.order} LIMIT 1"))
                first = cursor.fetchone()
                assert first is not None
                xid_to = beyond[0] if beyond[0] > first[0] else beyond[0] + 1
    return xid_to


class Rows:
    """The rows of one source in order, streamed once and handed out range by range."""

    def __init__(self, source: Source, xid_from: int, xid_to: int) -> None:
        self.source = source
        self._rows = _stream(*source.select(xid_from, xid_to, tail=source.order))
        self._next = next(self._rows, None)

    def below(self, xid: int) -> Iterator[Row]:
        """The next rows, as long as their transaction lies below `xid`."""
        while self._next is not None and self._next[0] < xid:
            row, self._next = self._next, next(self._rows, None)
            yield row


def _stream(query: str, params: Sequence[str]) -> Iterator[Row]:
    """Rows through a cursor on the server, so that memory stays flat; needs a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, params)
        while rows := cursor.fetchmany(ROWS_FETCHED_AT_ONCE):
            yield from rows


def _chosen(row_json: str, columns: Sequence[str]) -> str:
    # Numbers stay the digits that the database wrote; a column that is gone shows as absent.
    row = json.loads(row_json, parse_float=str)
    return json.dumps({name: row[name] for name in columns if name in row}, sort_keys=True)
