"""Recomputing the ledger's Merkle roots: the database hashes the leaves, many seals a query.

The leaves are those of `custody.sealing_leaves`, whose own way (a row at a time) is
left to the sealer and to the audit trail.
"""

from collections.abc import Iterable, Iterator

from django.db import connection

from custody.merkle import HASH_BYTES, root_of
from custody.models.seals import Seal
from custody.sealing_leaves import Source, list_sources

# What one query hashes: its answer has 32 bytes a leaf.
LEAVES_AT_ONCE_MAX = 100_000
SEALS_AT_ONCE_MAX = 1000


def recomputed_roots(seals: Iterable[Seal]) -> Iterator[tuple[Seal, bytes, int]]:
    """Each seal with the root and number of the leaves that are there now."""
    for group in _groups(seals):
        hashes = leaf_hashes(group[0].chain, group[0].n, group[-1].n)
        for seal in group:
            leaves = hashes.get(seal.n, b"")
            yield seal, root_of(leaves), len(leaves) // HASH_BYTES


def leaf_hashes(chain: str, first: int, last: int) -> dict[int, bytes]:
    """Of each seal in a range of numbers its leaves' hashes, in order, 32 bytes each."""
    leaves = " || ".join(_hashes(source) for source in list_sources(chain))
    query = (
        f"SELECT seal.n, {leaves} FROM custody_seal AS seal"  # noqa: S608 (our own names)
        " WHERE seal.chain = %s AND seal.n BETWEEN %s AND %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [chain, first, last])
        return {n: bytes(hashes) for n, hashes in cursor.fetchall()}


def _groups(seals: Iterable[Seal]) -> Iterator[list[Seal]]:
    """Consecutive seals, as many as fit into one query."""
    group: list[Seal] = []
    leaf_count = 0
    for seal in seals:
        is_next = bool(group) and seal.n == group[-1].n + 1
        fits = leaf_count + seal.leaf_count <= LEAVES_AT_ONCE_MAX
        if group and not (is_next and fits and len(group) < SEALS_AT_ONCE_MAX):
            yield group
            group, leaf_count = [], 0
        group.append(seal)
        leaf_count += seal.leaf_count
    if group:
        yield group


def _hashes(source: Source) -> str:
    """SQL of one source's leaf hashes within a seal, end to end: `Source.leaf` and its order."""
    texts = [f"COALESCE(({value})::text, '')" for value in (source.xid, *source.values)]
    leaf = " || E'\\n' || ".join([f"'{source.table}'", *texts])
    order = source.order.removeprefix("ORDER BY ")
    return (
        f"COALESCE((SELECT string_agg(sha256('\\x00'::bytea || convert_to({leaf}, 'UTF8')),"  # noqa: S608
        f" ''::bytea ORDER BY {order}) FROM \"{source.table}\""
        f" WHERE {source.xid} >= seal.xid_from AND {source.xid} < seal.xid_to), ''::bytea)"
    )
