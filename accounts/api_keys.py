"""Keys with which programs sign: making, checking, taking back.

A request is believed when its HMAC over the raw bytes is right and its nonce is
higher than any before. The nonce moves by one compare-and-swap on the key's
row, after the signature was checked: a wrong signature never advances it, and a
request that was recorded never counts twice.

    native  hex(HMAC-SHA256(secret, timestamp \\n nonce \\n METHOD \\n path?query \\n body))
    kraken  base64(HMAC-SHA512(secret, path + SHA256(nonce + body)))
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.encryption import open_sealed, seal
from accounts.models import ApiKey, Investor
from accounts.models.api_keys import SCOPES
from kernel.refusals import NotFound, Refusal

NONCE_MAX = 2**64 - 1
# How far a client's clock may be off. The nonce stops replays; this only stops
# a request that was held back for long.
TIMESTAMP_TOLERANCE_SECONDS = 60
KEYS_PER_INVESTOR_MAX = 20
WEBSOCKET_PATH = "/ws/v1"


class InvalidKey(Refusal):
    """This API key does not exist or has been revoked."""

    code = "invalid_key"
    http_status = 401


class InvalidSignature(Refusal):
    """The signature does not fit the request."""

    code = "invalid_signature"
    http_status = 401


class InvalidNonce(Refusal):
    """The nonce has to be higher than the one before."""

    code = "invalid_nonce"
    http_status = 401


class InvalidTimestamp(Refusal):
    """The timestamp is not a number of seconds near the time now."""

    code = "invalid_timestamp"
    http_status = 401


class ScopeMissing(Refusal):
    """This API key has no permission for that."""

    code = "scope_missing"
    http_status = 403


class UnknownScope(Refusal):
    """Scopes are read, trade and fund; a key has at least one."""

    code = "unknown_scope"


class TooManyKeys(Refusal):
    """Revoke a key before you make another."""

    code = "too_many_keys"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who signed, and what the key may do."""

    investor_id: int
    key_id: str
    scopes: frozenset[str]
    kind: str

    def require(self, scope: str) -> None:
        """:raises ScopeMissing: the key lacks `scope`."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This API key lacks the scope {scope}.")


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What is shown once and never again."""

    key: str
    secret: str


@transaction.atomic
def create(
    *, investor_id: int, kind: str, scopes: Collection[str], label: str = "", now: datetime
) -> NewKey:
    """Make a key; the secret is stored sealed and returned this once (base64 of 32 or 64 bytes).

    :raises UnknownScope, TooManyKeys: as they say.
    """
    if not scopes or set(scopes) - set(SCOPES):
        raise UnknownScope
    Investor.objects.select_for_update(no_key=True).get(id=investor_id)
    if ApiKey.objects.filter(investor_id=investor_id, is_active=True).count() >= (
        KEYS_PER_INVESTOR_MAX
    ):
        raise TooManyKeys
    secret = secrets.token_bytes(64 if kind == ApiKey.Kind.KRAKEN else 32)
    key_id = _new_key_id(kind)
    ApiKey.objects.create(
        investor_id=investor_id, key_id=key_id, kind=ApiKey.Kind(kind), label=label,
        secret_sealed=seal(secret, place=_place(key_id)), scopes=sorted(set(scopes)),
        created_at=now,
    )  # fmt: skip
    return NewKey(key=key_id, secret=base64.b64encode(secret).decode())


def revoke(*, investor_id: int, key_id: str, now: datetime) -> None:
    """Stop a key for good.

    :raises NotFound: no active key of this investor has that name.
    """
    stopped = ApiKey.objects.filter(investor_id=investor_id, key_id=key_id, is_active=True).update(
        is_active=False, revoked_at=now
    )
    if stopped == 0:
        raise NotFound


def list_usable(key_id: str) -> QuerySet[ApiKey]:
    """The key while it counts: not revoked, and its investor's login not shut."""
    # What no key can hold is an unknown key; the database would call it an error.
    if not key_id.isascii() or "\0" in key_id:
        return ApiKey.objects.none()
    usable = ApiKey.objects.filter(key_id=key_id, is_active=True)
    # `exclude` would also drop the house's traders, who have no login at all.
    return usable.filter(Q(investor__user__isnull=True) | Q(investor__user__is_active=True))


def authenticate(
    *, key_id: str, payload: bytes, signature: str, nonce: int, now: datetime
) -> Principal:
    """Check one signed request and use its nonce up.

    :param payload: the bytes that were signed (`native_payload`, `kraken_payload`).
    :param signature: hex (native) or base64 (kraken), as sent.
    :raises InvalidKey, InvalidSignature, InvalidNonce: as they say; nothing changed.
    """
    key = list_usable(key_id).first()
    if key is None:
        raise InvalidKey
    if not _signature_fits(key, payload, signature):
        raise InvalidSignature
    _use_nonce(key, nonce)
    return Principal(
        investor_id=key.investor_id, key_id=key.key_id, scopes=frozenset(key.scopes), kind=key.kind
    )


def authenticate_native(
    *, key_id: str, timestamp: str, nonce: str, signature: str, method: str, target: str,
    body: bytes, wall_seconds: float, now: datetime,
) -> Principal:  # fmt: skip
    """The native scheme from its four headers (or WebSocket fields), as text.

    :param target: path and query exactly as sent.
    :param wall_seconds: real time. A client signs with its own clock, which no
        sandbox moves; `now` is what records carry.
    :raises InvalidTimestamp: and as `authenticate`.
    """
    _check_timestamp(timestamp, wall_seconds)
    number = parse_nonce(nonce)
    payload = native_payload(
        timestamp=timestamp, nonce=nonce, method=method, target=target, body=body
    )
    return authenticate(key_id=key_id, payload=payload, signature=signature, nonce=number, now=now)


def authenticate_kraken(
    *, key_id: str, nonce: str, signature: str, path: str, body: bytes, now: datetime
) -> Principal:
    """Kraken's scheme: `path` without host ("/0/private/AddOrder"), `body` as received."""
    number = parse_nonce(nonce)
    payload = kraken_payload(path=path, nonce=nonce, body=body)
    return authenticate(key_id=key_id, payload=payload, signature=signature, nonce=number, now=now)


def authenticate_websocket(
    *, message: dict[str, object], wall_seconds: float, now: datetime
) -> Principal:
    """The first message of a socket: {"type": "authenticate", "key", "timestamp", "nonce",
    "signature"}, signed as method WS, path /ws/v1, no body.

    :raises InvalidKey, InvalidTimestamp, InvalidNonce, InvalidSignature: as they say.
    """
    key, timestamp, nonce, signature = (
        str(message.get(name, "")) for name in ("key", "timestamp", "nonce", "signature")
    )
    principal = authenticate_native(
        key_id=key, timestamp=timestamp, nonce=nonce, signature=signature, method="WS",
        target=WEBSOCKET_PATH, body=b"", wall_seconds=wall_seconds, now=now,
    )  # fmt: skip
    if principal.kind != ApiKey.Kind.NATIVE:
        raise InvalidKey("This key is for the Kraken-compatible surface.")
    return principal


def native_payload(*, timestamp: str, nonce: str, method: str, target: str, body: bytes) -> bytes:
    return f"{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body


def kraken_payload(*, path: str, nonce: str, body: bytes) -> bytes:
    return path.encode() + hashlib.sha256(nonce.encode() + body).digest()


def parse_nonce(text: str) -> int:
    """An unsigned 64-bit number in plain digits.

    :raises InvalidNonce: anything else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= NONCE_MAX):
        raise InvalidNonce("The nonce is an unsigned 64-bit number in plain digits.")
    return int(text)


def _signature_fits(key: ApiKey, payload: bytes, signature: str) -> bool:
    secret = open_sealed(key.secret_sealed, place=_place(key.key_id))
    if key.kind == ApiKey.Kind.KRAKEN:
        expected = base64.b64encode(hmac.digest(secret, payload, "sha512"))
    else:
        expected = hmac.digest(secret, payload, "sha256").hex().encode()
    return hmac.compare_digest(expected, signature.encode())


def _use_nonce(key: ApiKey, nonce: int) -> None:
    moved = ApiKey.objects.filter(pk=key.pk, is_active=True, nonce_high__lt=nonce).update(
        nonce_high=nonce
    )
    if moved == 0:
        raise InvalidNonce


def _check_timestamp(text: str, wall_seconds: float) -> None:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidTimestamp
    if abs(int(text) - wall_seconds) > TIMESTAMP_TOLERANCE_SECONDS:
        raise InvalidTimestamp


def _new_key_id(kind: str) -> str:
    # Kraken's clients show and store 56 characters; ours name what they are.
    if kind == ApiKey.Kind.KRAKEN:
        return base64.b64encode(secrets.token_bytes(42)).decode()
    return f"bk_{secrets.token_hex(16)}"


def _place(key_id: str) -> str:
    return f"api_key:{key_id}"
