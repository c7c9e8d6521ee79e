"""Headers that every answer carries, and the policy of the admin's pages."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

# Nothing here asks for these; passkeys are allowed for our own pages.
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(self), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)"
)


class SecurityHeadersMiddleware(MiddlewareMixin):
    """What Django's own SecurityMiddleware does not set."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # A page with somebody's money on it is kept by no cache on the way.
        if getattr(request, "user", None) is not None and request.user.is_authenticated:
            response.setdefault("Cache-Control", "no-store")
        return response


class AdminPolicyMiddleware(MiddlewareMixin):
    """Give /admin its own content security policy; CSPMiddleware reads the mark."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.path_info.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response
