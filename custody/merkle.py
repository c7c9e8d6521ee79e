"""Merkle tree hashes as RFC 6962, section 2.1, defines them.

    leaf   SHA-256(0x00 || data)
    node   SHA-256(0x01 || left || right)

The left half of n leaves is the largest power of two below n. The prefixes keep a
node from passing for a leaf. Memory grows with the logarithm of the leaves.
"""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that leaves are appended to."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        # Full subtrees from left to right, each smaller than the one before it.
        self._subtrees: list[tuple[int, bytes]] = []
        self.leaf_count = 0
        for data in leaves:
            self.append(data)

    def append(self, data: bytes) -> None:
        size, digest = 1, leaf_hash(data)
        while self._subtrees and self._subtrees[-1][0] == size:
            digest = node_hash(self._subtrees.pop()[1], digest)
            size *= 2
        self._subtrees.append((size, digest))
        self.leaf_count += 1

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        *lefts, (_, digest) = self._subtrees
        for _, left in reversed(lefts):
            digest = node_hash(left, digest)
        return digest
