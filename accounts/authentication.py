"""Signed requests to /api/v1: the headers Bourse-Key, -Timestamp, -Nonce and -Signature."""

import time

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.api_keys import InvalidKey, Principal, authenticate_native
from accounts.models import ApiKey, User
from kernel import clock

KEY_HEADER = "Bourse-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """Who signed, from the raw bytes; `request.auth` is the Principal, `request.user` its login."""

    def authenticate(self, request: Request) -> tuple[User | None, Principal] | None:
        """None without the key header, so that a session may answer instead.

        :raises kernel.refusals.Refusal: the key, time, nonce or signature is not right.
        """
        key_id = request.headers.get(KEY_HEADER)
        if key_id is None:
            return None
        principal = authenticate_native(
            key_id=key_id,
            timestamp=request.headers.get("Bourse-Timestamp", ""),
            nonce=request.headers.get("Bourse-Nonce", ""),
            signature=request.headers.get("Bourse-Signature", ""),
            method=str(request.method),
            target=request.get_full_path(),
            body=request.body,
            wall_seconds=time.time(),
            now=clock.now(),
        )
        if principal.kind != ApiKey.Kind.NATIVE:
            raise InvalidKey("This key is for the Kraken-compatible surface.")
        return _login_of(principal), principal

    def authenticate_header(self, request: Request) -> str:
        return "Bourse"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema shows it."""

    target_class = ApiKeyAuthentication
    name = "api_key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": KEY_HEADER,
            "description": "With Bourse-Timestamp, Bourse-Nonce and Bourse-Signature.",
        }


def _login_of(principal: Principal) -> User | None:
    """The investor's login; None for an investor without one, such as the house."""
    return User.objects.filter(investor__id=principal.investor_id).first()
