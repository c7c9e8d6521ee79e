"""Settings of the partner API: closed unless a view opens, one shape of error, no floats."""

from typing import Any

API_TITLE = "Bourse API"

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    # A view that names no permission answers nobody.
    "DEFAULT_PERMISSION_CLASSES": ["bourse.permissions.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["bourse.api_parser.StrictJsonParser"],
    "DEFAULT_THROTTLE_CLASSES": [
        "bourse.api_throttles.VisitorThrottle",
        "bourse.api_throttles.CallerThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"visitor": "600/min", "caller": "3000/min"},
    # Never X-Forwarded-For from the request: the server resolves its own proxies.
    "NUM_PROXIES": 0,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "bourse.api_errors.as_answer",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": API_TITLE,
    "DESCRIPTION": (
        "Amounts are plain decimal digits in strings. Every refusal is "
        '`{"code", "message", "details"}`; codes are stable. Times are UTC.'
    ),
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1/",
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
