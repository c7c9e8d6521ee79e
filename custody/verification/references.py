"""Columns that name a row of another table without a foreign key: does that row exist?

The engine's hot tables and the journal carry none, because they cost too much; what
an entry is about is a text. Each app registers its columns (`register_references`),
tests/custody/test_references.py finds one that nobody registered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from custody.ledger_core import Cursor
from custody.verification.registry import Difference
from custody.verification.since import since_entry
from custody.verification.streaming import stream


@dataclass(frozen=True)
class Reference:
    """`column` of `table` is null, or in `target`: a query of one column, same type."""

    table: str
    column: str  # or an SQL expression over the row
    target: str
    made_at: str = "NULL"  # when the row was made, for "since when"
    where: str = "true"
    row: str = "id"  # what names the row


_references: list[Reference] = []
_subjects: dict[str, str] = {}


def register_references(*references: Reference) -> None:
    _references.extend(references)


def register_subjects(queries: Mapping[str, str]) -> None:
    """Say which rows entries of a kind are about: a query of their ids.

    An entry names its row in `reference`; one that names none is about nothing.
    """
    _subjects.update({str(kind): query for kind, query in queries.items()})


def list_references() -> list[Reference]:
    return list(_references)


def list_subjects() -> list[str]:
    """The kinds of entries whose rows are known."""
    return list(_subjects)


def references_name_what_exists(_: Cursor) -> Iterator[Difference]:
    for reference in _references:
        for row, named, made_at in stream(_dangling(reference)):
            where = f"{reference.table} {row}"
            expected = f"{reference.column} {named} to exist"
            since = f"{made_at:%Y-%m-%dT%H:%M:%S%z}" if made_at else ""
            yield Difference("references", where, expected, "none", since)


def entries_are_about_what_exists(_: Cursor) -> Iterator[Difference]:
    """Whatever an entry names as its cause is there: the deposit, the mint, the transfer."""
    if not _subjects:
        return
    subjects = " UNION ALL ".join(
        f"SELECT '{kind}', subject::text FROM ({query}) AS of_kind (subject)"  # noqa: S608
        for kind, query in _subjects.items()
    )
    query = f"""
        WITH subject (kind, reference) AS MATERIALIZED ({subjects})
        SELECT entry.id, entry.kind, entry.reference, entry.xid::text::bigint
          FROM custody_journalentry AS entry
         WHERE entry.kind = ANY (%(kinds)s) AND entry.reference <> ''
           AND NOT EXISTS (SELECT FROM subject WHERE subject.kind = entry.kind
                              AND subject.reference = entry.reference)
    """  # noqa: S608 (the apps' own constants)
    for entry_id, kind, named, xid in stream(query, {"kinds": list(_subjects)}):
        where, since = f"entry {entry_id} ({kind})", since_entry(xid)
        yield Difference("references", where, f"{named} to exist", "none", since)


def _dangling(reference: Reference) -> str:
    # Queries and names are the apps' own constants.
    return f"""
        SELECT referring.{reference.row}::text, ({reference.column})::text, {reference.made_at}
          FROM "{reference.table}" AS referring
         WHERE ({reference.column}) IS NOT NULL AND {reference.where}
           AND NOT EXISTS (SELECT FROM ({reference.target}) AS target (named)
                            WHERE target.named = ({reference.column}))
    """  # noqa: S608
