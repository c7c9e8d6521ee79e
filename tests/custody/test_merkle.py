"""The tree is RFC 6962's, checked against its definition and published vectors."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from custody.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash

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
