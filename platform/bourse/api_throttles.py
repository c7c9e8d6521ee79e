"""How often one caller may ask. Counted in the cache: losing it only resets the counts."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.api_keys import Principal

if TYPE_CHECKING:
    # rest_framework.views asks for the defaults, and so for this module, while it loads.
    from rest_framework.views import APIView


class VisitorThrottle(SimpleRateThrottle):
    """Requests by nobody in particular, by address."""

    scope = "visitor"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        if _caller(request) is not None:
            return None
        return f"throttle:visitor:{self.get_ident(request)}"


class CallerThrottle(SimpleRateThrottle):
    """Requests with a key or a session, by key or login."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        caller = _caller(request)
        return None if caller is None else f"throttle:caller:{caller}"


def _caller(request: Request) -> str | None:
    if isinstance(request.auth, Principal):
        return f"key:{request.auth.key_id}"
    if request.user is not None and request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return None
