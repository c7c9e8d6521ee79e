"""What a seal's signature covers. Imports neither Django nor a model: verifiers offline use it."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Protocol


class Sealed(Protocol):
    """The signed fields of a seal."""

    chain: str
    n: int
    previous_hash: bytes
    merkle_root: bytes
    leaf_count: int
    xid_from: int
    xid_to: int
    columns: Any
    sealed_at: datetime
    key_id: str


def message(seal: Sealed) -> bytes:
    """What is signed: every field of a seal, one a line."""
    columns = json.dumps(seal.columns, sort_keys=True).encode()
    fields = [
        "bourse seal 1",
        seal.chain,
        str(seal.n),
        bytes(seal.previous_hash).hex(),
        bytes(seal.merkle_root).hex(),
        str(seal.leaf_count),
        str(seal.xid_from),
        str(seal.xid_to),
        seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        seal.key_id,
        hashlib.sha256(columns).hexdigest(),
    ]
    return "\n".join(fields).encode()
