"""What a seal's signature covers. Imports neither Django nor a model: verifiers offline use it."""

from __future__ import annotations  # memoryview takes a parameter for the type checker only

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Protocol


class Sealed(Protocol):
    """The signed fields of a seal."""

    @property
    def chain(self) -> str: ...

    @property
    def n(self) -> int: ...

    @property
    def previous_hash(self) -> bytes | memoryview[int]: ...

    @property
    def merkle_root(self) -> bytes | memoryview[int]: ...

    @property
    def leaf_count(self) -> int: ...

    @property
    def xid_from(self) -> int: ...

    @property
    def xid_to(self) -> int: ...

    @property
    def columns(self) -> Any: ...

    @property
    def sealed_at(self) -> datetime: ...

    @property
    def key_id(self) -> str: ...


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
