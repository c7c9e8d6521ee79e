"""A partner's program in tests: requests signed as docs/reference/http-api.md says."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from accounts import api_keys
from accounts.models import ApiKey
from kernel import clock


@dataclass
class Partner:
    """One native key of an investor; every request is signed, the answer is parsed."""

    key: str
    secret: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=True))
    nonces: Any = field(default_factory=lambda: itertools.count(time.time_ns()))

    @classmethod
    def of(cls, investor_id: int, *scopes: str) -> "Partner":
        made = api_keys.create(
            investor_id=investor_id,
            kind=ApiKey.Kind.NATIVE,
            scopes=scopes or ("read", "trade", "fund"),
            now=clock.now(),
        )
        return cls(made.key, made.secret)

    def get(self, target: str, **changed: str) -> tuple[int, Any]:
        return self.send("GET", target, b"", **changed)

    def post(self, target: str, body: Any, **changed: str) -> tuple[int, Any]:
        return self.send("POST", target, json.dumps(body).encode(), **changed)

    def delete(self, target: str, **changed: str) -> tuple[int, Any]:
        return self.send("DELETE", target, b"", **changed)

    def send(self, method: str, target: str, body: bytes, **changed: str) -> tuple[int, Any]:
        """:param changed: headers that are sent differently from what was signed."""
        headers = self.sign(method, target, body) | changed
        answer = self.client.generic(
            method, target, body, content_type="application/json", headers=headers
        )
        return answer.status_code, answer.json() if answer.content else None

    def sign(self, method: str, target: str, body: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(time.time())), str(next(self.nonces))
        payload = f"{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
        digest = hmac.new(base64.b64decode(self.secret), payload, hashlib.sha256)
        return {
            "Bourse-Key": self.key,
            "Bourse-Timestamp": timestamp,
            "Bourse-Nonce": nonce,
            "Bourse-Signature": digest.hexdigest(),
        }


@dataclass
class KrakenClient:
    """A client of /0/ with the Django test client; answers are (errors, result)."""

    key: str = ""
    secret: str = ""
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))
    nonces: Any = field(default_factory=lambda: itertools.count(time.time_ns() // 1_000_000))

    @classmethod
    def of(cls, investor_id: int, *scopes: str) -> "KrakenClient":
        made = api_keys.create(
            investor_id=investor_id,
            kind=ApiKey.Kind.KRAKEN,
            scopes=scopes or ("read", "trade", "fund"),
            now=clock.now(),
        )
        return cls(made.key, made.secret)

    def public(self, method: str, **parameters: str) -> tuple[list[str], Any]:
        return _parsed(self.client.get(f"/0/public/{method}", parameters))

    def private(self, method: str, **parameters: str) -> tuple[list[str], Any]:
        body = urlencode({"nonce": str(next(self.nonces)), **parameters}).encode()
        return self.raw(method, body, "application/x-www-form-urlencoded")

    def raw(
        self, method: str, body: bytes, content_type: str, nonce: str | None = None
    ) -> tuple[list[str], Any]:
        """The body as it is; the nonce is read out of a form unless it is given."""
        nonce = nonce or dict(pair.split("=", 1) for pair in body.decode().split("&"))["nonce"]
        path = f"/0/private/{method}"
        headers = {"API-Key": self.key, "API-Sign": self.signature(path, nonce, body)}
        return _parsed(
            self.client.generic("POST", path, body, content_type=content_type, headers=headers)
        )

    def signature(self, path: str, nonce: str, body: bytes) -> str:
        payload = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
        digest = hmac.new(base64.b64decode(self.secret), payload, hashlib.sha512).digest()
        return base64.b64encode(digest).decode()


def _parsed(answer: Any) -> tuple[list[str], Any]:
    assert answer.status_code == 200
    content = answer.json()
    return content["error"], content.get("result")
