"""The one place that turns a no into an answer of the partner API."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from kernel.refusals import Forbidden, NotFound, Refusal

log = structlog.get_logger()


def as_answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """`{"code", "message", "details"}` with the status of the refusal; None for a bug (500)."""
    if isinstance(error, Http404):
        error = NotFound()
    if isinstance(error, PermissionDenied):
        error = Forbidden()
    if isinstance(error, Refusal):
        answer = _answer(error.http_status, error.code, error.message, error.details)
    elif isinstance(error, exceptions.APIException):
        answer = _framework_answer(error)
    else:
        return None
    set_rollback()
    log.info("api_refused", code=answer.data["code"], status=answer.status_code)
    return answer


def _framework_answer(error: exceptions.APIException) -> Response:
    """The framework's own refusals in our shape."""
    details: Any = {}
    message = str(error.detail)
    code = str(error.default_code)
    if isinstance(error, exceptions.ValidationError):
        code, message, details = "invalid", "Some fields are not right.", error.detail
    answer = _answer(error.status_code, code, message, details)
    if getattr(error, "auth_header", None):
        answer["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        answer["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return answer


def _answer(status: int, code: str, message: str, details: Any) -> Response:
    return Response({"code": code, "message": message, "details": details}, status=status)
