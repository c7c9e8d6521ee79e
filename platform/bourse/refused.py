"""The pages' one place where a refusal becomes an answer.

A page view lets a refusal fly that it has nothing better to do with; the
interfaces for programs (API, Kraken) turn theirs into answers themselves.
"""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from kernel.refusals import Refusal

log = structlog.get_logger(__name__)
TITLES = {
    403: "This is not open to you",
    404: "There is nothing here",
    422: "That did not go through",
    504: "No answer yet",
}


class RefusalMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Show a refusal as a page with its own status, its words and what to do next."""
        if not isinstance(exception, Refusal):
            return None
        log.info("refused", code=exception.code, path=request.path)
        status = exception.http_status
        title = TITLES.get(status, TITLES[422])
        context = {"title": title, "refusal": exception, "status": status}
        return render(request, "refused.html", context, status=status)
