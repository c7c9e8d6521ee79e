"""Headers that every answer carries, and the policy of the admin's pages."""

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

# Nothing here asks for these; passkeys are allowed for our own pages.
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(self), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)"
)
# What programs ask, with a signature of their own.
INTERFACES = ("/api/v1/", "/0/private/")


class SecurityHeadersMiddleware(MiddlewareMixin):
    """What Django's own SecurityMiddleware does not set."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # A page with somebody's money on it is kept by no cache on the way.
        # A signed request looks like a visitor's: no cache would know whose answer it is.
        is_own = request.path_info.startswith(INTERFACES) or (
            getattr(request, "user", None) is not None and request.user.is_authenticated
        )
        if is_own:
            response.setdefault("Cache-Control", "no-store")
        return response


class PlainAddressMiddleware(MiddlewareMixin):
    """Refuse addresses with a NUL in them, which no text in the database can hold."""

    def process_request(self, request: HttpRequest) -> None:
        """:raises BadRequest: the path or the query string has one."""
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("an address with a NUL")


class AdminPolicyMiddleware(MiddlewareMixin):
    """Give /admin its own content security policy; CSPMiddleware reads the mark."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.path_info.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response
