"""The two doors, `/0/public/<method>` and `/0/private/<method>`; everything else is refused.

Requests carry signatures, not cookies, so Django's CSRF check has nothing to
protect here; a session is never looked at.
"""

import structlog
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import api_keys
from kernel import clock
from kernel.refusals import Refusal
from trading.kraken import private, public, replies
from trading.kraken.order_changes import Caller
from trading.kraken.parameters import Parameters
from trading.kraken.replies import KrakenError
from trading.offering import Reader, reader_of

log = structlog.get_logger()

RATE_WINDOW_SECONDS = 60
PUBLIC_REQUESTS_PER_WINDOW_MAX = 600
PRIVATE_REQUESTS_PER_WINDOW_MAX = 1_200


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
def public_method(request: HttpRequest, method: str) -> HttpResponse:
    """Older clients POST public methods too."""
    try:
        handler = public.METHODS.get(method)
        if handler is None:
            raise KrakenError(replies.UNKNOWN_METHOD)
        _count_request(f"ip:{request.META.get('REMOTE_ADDR', '')}", PUBLIC_REQUESTS_PER_WINDOW_MAX)
        return replies.answer(handler(Parameters.of(request), _reader(request), clock.now()))
    except (KrakenError, Refusal) as error:
        return _failure(error)


@csrf_exempt
@login_not_required
@require_http_methods(["POST"])
def private_method(request: HttpRequest, method: str) -> HttpResponse:
    """A signed call: the signature first, over the bytes as received, then the scope."""
    try:
        if method not in private.METHODS:
            raise KrakenError(replies.UNKNOWN_METHOD)
        scope, handler = private.METHODS[method]
        principal = _authenticate(request)
        if scope not in principal.scopes:
            raise KrakenError(replies.PERMISSION_DENIED)
        _count_request(f"key:{principal.key_id}", PRIVATE_REQUESTS_PER_WINDOW_MAX)
        caller = Caller(investor_id=principal.investor_id)
        return replies.answer(handler(caller, Parameters.of(request), clock.now()))
    except (KrakenError, Refusal) as error:
        return _failure(error)


@csrf_exempt
@login_not_required
def unknown_path(request: HttpRequest) -> HttpResponse:
    return replies.failure(replies.UNKNOWN_METHOD)


def _reader(request: HttpRequest) -> Reader:
    """Of the investor whose key is named, signed or not: nothing secret is shown."""
    key = api_keys.list_usable(request.headers.get("API-Key", "")).first()
    return reader_of(investor_id=key.investor_id if key else None)


def _authenticate(request: HttpRequest) -> api_keys.Principal:
    """:raises Refusal: and KrakenError: the key, signature or nonce is not right."""
    principal = api_keys.authenticate_kraken(
        key_id=request.headers.get("API-Key", ""),
        nonce=Parameters.of(request).get("nonce"),
        signature=request.headers.get("API-Sign", ""),
        path=request.path,
        body=request.body,
        now=clock.now(),
    )
    if principal.kind != "kraken":
        raise KrakenError(replies.INVALID_KEY)
    return principal


def _count_request(who: str, requests_max: int) -> None:
    """:raises KrakenError: too many requests in this window."""
    window = int(clock.now().timestamp()) // RATE_WINDOW_SECONDS
    key = f"kraken-rate:{who}:{window}"
    cache.add(key, 0, timeout=2 * RATE_WINDOW_SECONDS)
    if cache.incr(key) > requests_max:
        raise KrakenError(replies.RATE_LIMIT)


def _failure(error: KrakenError | Refusal) -> HttpResponse:
    word = error.word if isinstance(error, KrakenError) else replies.word_for(error)
    log.info("kraken_refused", word=word)
    return replies.failure(word)
