"""From which pages a WebSocket may be opened."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameSite:
    """Refuse sockets that another site's page opens with our visitor's cookie.

    Browsers always send Origin. A program sends none, has no cookie and must
    authenticate by key, so its socket is let through.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origin = dict(scope["headers"]).get(b"origin")
        if origin is not None and not is_allowed_origin(origin.decode("latin-1")):
            await send({"type": "websocket.close", "code": 4403})
            return
        await self.inner(scope, receive, send)


def is_allowed_origin(origin: str) -> bool:
    """True for a page of one of ALLOWED_HOSTS or CSRF_TRUSTED_ORIGINS."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host, _ = split_domain_port(urlsplit(origin).netloc)
    return bool(host) and validate_host(host, settings.ALLOWED_HOSTS)
