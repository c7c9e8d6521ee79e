"""The sealer's Ed25519 key: a file outside the database, readable by its owner alone.

Beside it lies `<key file>.pub`: one public key a line (hex), every key that ever
sealed, so that old seals stay verifiable after a change of keys. Whoever verifies
needs that file only.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


@dataclass(frozen=True)
class SealKey:
    """A key that signs seals; `key_id` names it in each of them."""

    private: Ed25519PrivateKey
    key_id: str

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def load_or_create(path: Path) -> SealKey:
    """The key in `path`; made with mode 0600 when there is none yet."""
    if not path.exists():
        _create(path)
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key.")
    public = private.public_key().public_bytes_raw()
    _publish(public_file(path), public)
    return SealKey(private, key_id_of(public))


def public_file(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def load_public(path: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys beside the key file `path`, by key id."""
    try:
        lines = public_file(path).read_text().split()
    except FileNotFoundError:
        return {}
    keys = [bytes.fromhex(line) for line in lines]
    return {key_id_of(key): Ed25519PublicKey.from_public_bytes(key) for key in keys}


def key_id_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Complete before it has its name, and never over another process's key.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _publish(path: Path, public: bytes) -> None:
    known = path.read_text().split() if path.exists() else []
    if public.hex() not in known:
        with path.open("a") as file:
            file.write(public.hex() + "\n")
