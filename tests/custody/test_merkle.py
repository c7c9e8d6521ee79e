"""The tree is RFC 6962's, checked against its definition and published vectors."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.merkle import (
    EMPTY_ROOT,
    Tree,
    audit_path,
    leaf_hash,
    node_hash,
    root_from_path,
    root_of,
)

# The test inputs of certificate-transparency implementations and their root.
VECTORS = [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def defined_root(leaves: list[bytes]) -> bytes:
    """Section 2.1 of the RFC, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined_root(leaves[:split]), defined_root(leaves[split:]))


def test_published_roots_are_reproduced() -> None:
    for count, root in VECTORS:
        assert Tree(LEAVES[:count]).root().hex() == root


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_appending_gives_the_defined_root(leaves: list[bytes]) -> None:
    tree = Tree(leaves)

    assert tree.root() == defined_root(leaves)
    assert tree.leaf_count == len(leaves)


def test_no_leaves_have_a_root_of_their_own() -> None:
    assert Tree().root() == EMPTY_ROOT
    assert Tree([b""]).root() != EMPTY_ROOT


def test_a_leaf_cannot_pass_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert Tree([left + right]).root() != Tree([b"a", b"b"]).root()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_a_whole_range_at_once_has_the_same_root(leaves: list[bytes]) -> None:
    assert root_of(b"".join(map(leaf_hash, leaves))) == Tree(leaves).root()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 13, 64, 65])
def test_every_leaf_has_a_path_to_the_root(count: int) -> None:
    leaves = [str(number).encode() for number in range(count)]
    hashes, root = b"".join(map(leaf_hash, leaves)), Tree(leaves).root()

    for index, leaf in enumerate(leaves):
        path = audit_path(hashes, index)
        assert root_from_path(leaf_hash(leaf), index, count, path) == root
        for other in set(range(count)) - {index}:
            assert leads_elsewhere(leaf_hash(leaf), other, count, path, root)


def leads_elsewhere(leaf: bytes, index: int, count: int, path: list[bytes], root: bytes) -> bool:
    try:
        return root_from_path(leaf, index, count, path) != root
    except ValueError:
        return True


def test_the_published_path_is_reproduced() -> None:
    """Of leaf 5 among 8, as the RFC 6962 implementations' tests have it."""
    path = [digest.hex() for digest in audit_path(b"".join(map(leaf_hash, LEAVES)), 5)]

    assert path == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_a_path_that_is_too_short_or_too_long_is_refused() -> None:
    path = audit_path(b"".join(map(leaf_hash, LEAVES)), 5)
    leaf = leaf_hash(LEAVES[5])

    for wrong in (path[:-1], [*path, path[0]]):
        with pytest.raises(ValueError, match="too"):
            root_from_path(leaf, 5, 8, wrong)
    with pytest.raises(ValueError, match="no leaf 8"):
        root_from_path(leaf, 8, 8, path)
    with pytest.raises(IndexError):
        audit_path(b"", 0)
