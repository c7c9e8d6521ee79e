"""The seals against what they cover: numbers, links, signatures, roots, heads outside."""

from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection

from custody import seal_message, sealing, sealing_keys
from custody.as_of import NOW, Scope
from custody.models.seals import Seal, SealChain
from custody.sealing_heads import HeadsFile
from custody.sealing_leaves import Rows, list_sources
from custody.verification.registry import Difference
from custody.verification.seal_roots import recomputed_roots
from custody.verification.since import since_seal

# A seal of a quiet second covers few rows: then they are named, and the wrong one is among them.
ROWS_NAMED_MAX = 10


def seals_hold(chain: str, heads: dict[int, str], scope: Scope = NOW) -> Iterator[Difference]:
    """Walk a chain from its first seal, recomputing each root from the rows.

    :param heads: what the heads file said before the snapshot: number -> hash.
    """
    keys = sealing_keys.load_public(sealing.key_file())
    seals = Seal.objects.filter(chain=chain, xid_to__lte=scope.xid_to).order_by("n")
    last = seals.last()
    if last is not None:
        previous: Seal | None = None
        walk = seals.iterator(chunk_size=1000)
        roots = recomputed_roots(walk) if chain == SealChain.LEDGER else _roots_of_rows(walk, last)
        for seal, root, leaf_count in roots:
            yield from _links(seal, previous)
            yield from _signature(seal, keys)
            yield from _root(seal, root, leaf_count)
            yield from _head(seal, heads)
            previous = seal
    if scope.seal is None and heads and max(heads) > (last.n if last else 0):
        found = f"{last.n if last else 0} in the database"
        where = f"{chain} heads file"
        yield Difference("seals", where, f"{max(heads)} seals", found)


def read_heads(chain: str) -> dict[int, str]:
    """The heads outside the database; read them before the snapshot is taken."""
    return {head["n"]: head["hash"] for head in HeadsFile(sealing.heads_directory(), chain)}


def _links(seal: Seal, previous: Seal | None) -> Iterator[Difference]:
    where = str(seal)
    number, hash_, xid = (
        (previous.n + 1, sealing.seal_hash(previous), previous.xid_to)
        if previous
        else (1, sealing.FIRST_PREVIOUS_HASH, 0)
    )
    if seal.n != number:
        yield Difference("seals", where, f"number {number}", f"number {seal.n}")
    if bytes(seal.previous_hash) != hash_:
        found = bytes(seal.previous_hash).hex()
        yield Difference("seals", where, f"previous {hash_.hex()}", found)
    if seal.xid_from != xid:
        yield Difference("seals", where, f"transactions from {xid}", f"from {seal.xid_from}")


def _signature(seal: Seal, keys: dict[str, Ed25519PublicKey]) -> Iterator[Difference]:
    key = keys.get(seal.key_id)
    if key is None:
        yield Difference("seals", str(seal), "a known key", f"key {seal.key_id}")
    elif not sealing_keys.is_signed(key, bytes(seal.signature), seal_message.message(seal)):
        yield Difference("seals", str(seal), f"signed by key {seal.key_id}", "another signature")


def _roots_of_rows(seals: Iterable[Seal], last: Seal) -> Iterator[tuple[Seal, bytes, int]]:
    """Each seal with the root and number of the leaves that are there now."""
    rows = [Rows(source, 0, last.xid_to) for source in list_sources(last.chain)]
    for seal in seals:
        tree, _ = sealing.build_tree(rows, seal.xid_to, seal.columns)
        yield seal, tree.root(), tree.leaf_count


def _root(seal: Seal, root: bytes, leaf_count: int) -> Iterator[Difference]:
    if root != bytes(seal.merkle_root) or leaf_count != seal.leaf_count:
        where = f"{seal}, rows of transactions {seal.xid_from} to {seal.xid_to - 1}{_named(seal)}"
        expected = f"{seal.leaf_count} rows with root {bytes(seal.merkle_root).hex()}"
        found = f"{leaf_count} rows with root {root.hex()}"
        yield Difference("sealed rows", where, expected, found, since_seal(seal))


def _named(seal: Seal) -> str:
    """The rows that are there now, by table and id, while they are few."""
    names: list[str] = []
    with connection.cursor() as cursor:
        for source in list_sources(seal.chain):
            tail = f"{source.order} LIMIT {ROWS_NAMED_MAX + 1}"
            cursor.execute(*source.select(seal.xid_from, seal.xid_to, tail=tail))
            names += [source.name(row) for row in cursor.fetchall()]
            if len(names) > ROWS_NAMED_MAX:
                return ""
    return f" ({', '.join(names)})" if names else ""


def _head(seal: Seal, heads: dict[int, str]) -> Iterator[Difference]:
    expected = heads.get(seal.n)
    # A head may lag behind its seal, never miss between others.
    if expected is None and heads and seal.n < max(heads):
        yield Difference("seals", str(seal), "a line in the heads file", "none")
    if expected is not None and expected != sealing.seal_hash(seal).hex():
        found = sealing.seal_hash(seal).hex()
        yield Difference("seals", str(seal), f"hash {expected} as in the heads file", found)
