"""Sealing what must not be read from a database dump or a stolen disk.

AES-256-GCM. A sealed value names its key, so that keys can be rotated: the
first key of the ring seals, every key of the ring opens. The place where the
value lives (`"kyc_case:<id>"`) is authenticated with it: a value that was moved
to another row does not open.

    value = 0x01 | length of key id (1 byte) | key id | nonce (12) | ciphertext and tag

The ring comes from BOURSE_PII_KEYS ("id:base64,id:base64"). In development,
where none is set, it is made once in var/keys/pii.keys.
"""

import base64
import binascii
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VERSION = 1
NONCE_BYTES = 12
KEY_BYTES = 32


class CannotOpen(Exception):
    """Not sealed by a key of this ring, changed, or moved from another place."""


def seal(plain: bytes, *, place: str) -> bytes:
    """Encrypt with the ring's first key, bound to `place`."""
    key_id, cipher = next(iter(_ring().items()))
    nonce = os.urandom(NONCE_BYTES)
    name = key_id.encode()
    return bytes([VERSION, len(name)]) + name + nonce + cipher.encrypt(nonce, plain, place.encode())


def open_sealed(sealed: bytes | memoryview, *, place: str) -> bytes:
    """Decrypt what `seal` made for the same place.

    :raises CannotOpen: for every other input.
    """
    value = bytes(sealed)
    if len(value) < 2 or value[0] != VERSION:
        raise CannotOpen("not a sealed value")
    key_id, rest = value[2 : 2 + value[1]].decode(errors="replace"), value[2 + value[1] :]
    cipher = _ring().get(key_id)
    if cipher is None:
        raise CannotOpen(f"no key {key_id!r} in the ring")
    try:
        return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen("changed, or moved from another place") from None


def parse_ring(text: str) -> dict[str, AESGCM]:
    """Read "id:base64,id:base64".

    :raises ImproperlyConfigured: with one sentence that never shows a key.
    """
    ring: dict[str, AESGCM] = {}
    for part in filter(None, text.strip().split(",")):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES or not key_id:
            raise ImproperlyConfigured(
                "BOURSE_PII_KEYS: each entry is id:base64 of 32 bytes, separated by commas."
            )
        ring[key_id] = AESGCM(key)
    return ring


def _ring() -> dict[str, AESGCM]:
    configured = settings.ENV.server("bourse_pii_keys").strip(" ,")
    if not configured and settings.BOURSE_ENV == "production":
        raise ImproperlyConfigured("BOURSE_PII_KEYS is not set.")
    return _read_ring(configured, settings.VAR_DIR / "keys" / "pii.keys")


# By what it is read from: another var folder has another key.
@lru_cache(maxsize=2)
def _read_ring(configured: str, path: Path) -> dict[str, AESGCM]:
    return parse_ring(configured or _development_key(path))


def _development_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = f"dev1:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(made)
    try:
        os.link(draft, path)  # atomic: of two processes one wins, both read the winner's
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
