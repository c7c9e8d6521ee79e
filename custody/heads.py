"""The seals' heads for everybody: who keeps them can tell when history was rewritten.

A head is the line that the sealer writes to the heads file (custody/sealing_heads.py),
read from the database: whoever kept a copy compares it with what is published now.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from custody.models.seals import Seal, SealChain
from custody.sealing import head, key_file, seal_hash
from custody.sealing_keys import public_file

# A seal a second makes 86,400 a day; a line has some 400 bytes.
HEADS_AT_ONCE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class LatestHead:
    """The newest seal of a chain, as the reserves page shows it."""

    chain: str
    seal: Seal

    @property
    def hash(self) -> str:
        return seal_hash(self.seal).hex()


def list_latest_heads() -> list[LatestHead]:
    """The newest seal of each chain that has one."""
    newest = {chain: Seal.objects.filter(chain=chain).order_by("-n") for chain in SealChain.values}
    return [
        LatestHead(chain, seal)
        for chain, seals in newest.items()
        if (seal := seals.first()) is not None
    ]


def list_heads(*, chain: str, after_n: int = 0, limit: int) -> list[dict[str, Any]]:
    """The heads of a chain after seal `after_n`, oldest first."""
    assert limit <= HEADS_AT_ONCE_MAX
    seals = Seal.objects.filter(chain=chain, n__gt=after_n).order_by("n")[:limit]
    return [head(seal) for seal in seals]


def as_lines(heads: Iterable[Mapping[str, Any]]) -> str:
    """JSON Lines, letter by letter those of the heads file."""
    return "".join(json.dumps(each) + "\n" for each in heads)


def read_public_keys() -> str | None:
    """Every public key that ever sealed, one a line (hex); None where the file is not kept."""
    try:
        return public_file(key_file()).read_text()
    except (FileNotFoundError, PermissionError):
        return None
