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
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and not is_allowed_origin(
            origin.decode("latin-1"), host=headers.get(b"host", b"").decode("latin-1")
        ):
            await send({"type": "websocket.close", "code": 4403})
            return
        await self.inner(scope, receive, send)


def is_allowed_origin(origin: str, *, host: str) -> bool:
    """True for a page of the very host and port asked, or of CSRF_TRUSTED_ORIGINS.

    Not of any port of our hosts: browsers send a host's cookies to all its ports,
    so a page of something else on this machine would trade as the visitor. As for
    forms, a page that came without TLS does not count where cookies need it.
    """
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if settings.SESSION_COOKIE_SECURE else ("http", "https")
    name, _ = split_domain_port(parts.netloc)
    return (
        parts.scheme in schemes
        and parts.netloc.lower() == host.lower()
        and bool(name)
        and validate_host(name, settings.ALLOWED_HOSTS)
    )
