"""Two questions a load balancer asks: is this process alive, can it do its work."""

from collections.abc import Callable
from typing import Any

import structlog
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = structlog.get_logger()


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "live"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when every server that a request needs answers, else 503 with which do not."""
    answers = {"database": _answers(_ask_database), "valkey": _answers(_ask_valkey)}
    is_ready = all(answers.values())
    body = {"status": "ready" if is_ready else "not ready", "answers": answers}
    return JsonResponse(body, status=200 if is_ready else 503)


def _answers(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except Exception as problem:  # whatever it is, the server does not answer
        log.warning("not ready", problem=str(problem))
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_valkey() -> None:
    cache.get("health")
