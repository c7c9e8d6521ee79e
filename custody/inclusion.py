"""Checking, without Bourse, that an entry is in a signed seal of its ledger.

    python -m custody.inclusion proof.json seal.pem.pub

Needs the proof (`manage.py prove_entry`), a public key that is known from elsewhere,
and this file with custody/merkle.py, seal_message.py and sealing_keys.py: no database,
no Django. What a proof shows:

    the entry's leaf (id, time, content hash) --audit path--> the seal's Merkle root
    the seal's fields --Ed25519--> the key
    the content, if it is there --SHA-256--> the content hash
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from custody.merkle import leaf_hash, root_from_path
from custody.seal_message import message
from custody.sealing_keys import is_signed, key_id_of

FORMAT = "bourse inclusion proof 1"
TABLE = "custody_journalentry"
Json = Mapping[str, Any]


class ProofFails(ValueError):
    """The proof does not show what it says; the message tells which part fails."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof has shown."""

    entry_id: int
    seal_n: int
    content_is_shown: bool


@dataclass(frozen=True, slots=True)
class Head:
    """A seal as a proof carries it."""

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


def check_proof(proof: Json, public_keys: Iterable[str]) -> Proven:
    """Check a proof against public keys (hex) that come from another source than the proof.

    :raises ProofFails: any part is missing, malformed or contradicts another.
    """
    try:
        return _check(proof, list(public_keys))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        if isinstance(problem, ProofFails):
            raise
        raise ProofFails(f"The proof is malformed: {problem}") from problem


def entry_leaf(entry: Json) -> bytes:
    """The leaf of a journal entry, as the sealer makes it."""
    fields = [entry["xid"], entry["id"], entry["created_at_micros"]]
    if not all(type(field) is int for field in fields):
        raise ProofFails("The entry's numbers are not numbers.")
    return "\n".join([TABLE, *map(str, fields), entry["content_hash"]]).encode()


def content_hash(content: Json) -> str:
    """The hash of an entry's content, as the ledger makes it."""
    lines = ",".join(f"{line['account_id']}:{line['units']}" for line in content["lines"])
    texts = [content["kind"], content["key"], content["reference"]]
    reverses = "" if content["reverses"] is None else str(content["reverses"])
    return hashlib.sha256("\n".join([*texts, reverses, lines]).encode()).hexdigest()


def _check(proof: Json, public_keys: list[str]) -> Proven:
    if proof["format"] != FORMAT:
        raise ProofFails(f"This is no {FORMAT}.")
    entry, head = proof["entry"], _head(proof["seal"])
    if head.chain != "ledger" or not head.xid_from <= entry["xid"] < head.xid_to:
        raise ProofFails("The seal is not of the entry's transactions.")
    path = [bytes.fromhex(digest) for digest in proof["audit_path"]]
    leaf = leaf_hash(entry_leaf(entry))
    if root_from_path(leaf, proof["leaf_index"], head.leaf_count, path) != head.merkle_root:
        raise ProofFails("The entry does not lead to the seal's root.")
    _check_signature(head, bytes.fromhex(proof["seal"]["signature"]), public_keys)
    content = proof["content"]
    if content is not None and content_hash(content) != entry["content_hash"]:
        raise ProofFails("The content is not the one that was sealed.")
    return Proven(entry["id"], head.n, content is not None)


def _check_signature(head: Head, signature: bytes, public_keys: list[str]) -> None:
    keys = {key_id_of(bytes.fromhex(key)): bytes.fromhex(key) for key in public_keys}
    public = keys.get(head.key_id)
    if public is None:
        raise ProofFails(f"The key {head.key_id} is not among those known.")
    if not is_signed(Ed25519PublicKey.from_public_bytes(public), signature, message(head)):
        raise ProofFails("The seal is not signed by its key.")


def _head(seal: Json) -> Head:
    return Head(
        chain=seal["chain"],
        n=seal["n"],
        previous_hash=bytes.fromhex(seal["previous_hash"]),
        merkle_root=bytes.fromhex(seal["merkle_root"]),
        leaf_count=seal["leaf_count"],
        xid_from=seal["xid_from"],
        xid_to=seal["xid_to"],
        columns=seal["columns"],
        sealed_at=datetime.fromisoformat(seal["sealed_at"]),
        key_id=seal["key_id"],
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m custody.inclusion PROOF.json KEYS.pub", file=sys.stderr)
        return 2
    proof_file, keys_file = map(Path, arguments)
    try:
        proven = check_proof(json.loads(proof_file.read_text()), keys_file.read_text().split())
    except ProofFails as problem:
        print(problem)
        return 1
    content = "with its content" if proven.content_is_shown else "its content is not shown"
    print(f"Entry {proven.entry_id} is in ledger seal {proven.seal_n}, {content}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
