"""Kraken's envelope: HTTP 200 with `error` and `result`, and its words for our refusals."""

from typing import Any

from django.http import JsonResponse

from kernel.refusals import OutcomeUnknown, Refusal

# Clients match on these strings; docs/reference/kraken.md lists them with our codes.
UNKNOWN_METHOD = "EGeneral:Unknown method"
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
UNKNOWN_ASSET = "EQuery:Unknown asset"
INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
INVALID_KEY = "EAPI:Invalid key"
PERMISSION_DENIED = "EGeneral:Permission denied"
RATE_LIMIT = "EAPI:Rate limit exceeded"
UNKNOWN_ORDER = "EOrder:Unknown order"
INTERNAL = "EGeneral:Internal error"
DEADLINE = "EService:Deadline elapsed"

INVALID_PRICE = "EOrder:Invalid price:Invalid price argument"
TIMEOUT = "EService:Timeout"

WORDS = {
    "not_found": UNKNOWN_ORDER,
    "order_not_found": UNKNOWN_ORDER,
    "order_not_open": UNKNOWN_ORDER,
    "listing_not_found": UNKNOWN_PAIR,
    "forbidden": PERMISSION_DENIED,
    "scope_missing": PERMISSION_DENIED,
    "not_eligible": PERMISSION_DENIED,
    "sell_only": "EService:Market in reduce_only mode",
    "disclosure_not_accepted": "EOrder:Trading agreement required",
    "invalid_key": INVALID_KEY,
    "invalid_signature": "EAPI:Invalid signature",
    "invalid_nonce": "EAPI:Invalid nonce",
    "malformed_order": INVALID_ARGUMENTS,
    "malformed_amount": f"{INVALID_ARGUMENTS}:volume",
    "price_not_on_tick": INVALID_PRICE,
    "price_outside_collar": INVALID_PRICE,
    "price_outside_band": INVALID_PRICE,
    "quantity_not_on_lot": f"{INVALID_ARGUMENTS}:volume",
    "order_too_large": f"{INVALID_ARGUMENTS}:volume",
    "order_too_small": "EOrder:Order minimum not met",
    "insufficient_funds": "EOrder:Insufficient funds",
    "post_only_would_take": "EOrder:Post only order",
    "trading_stopped": "EService:Market in cancel_only mode",
    "too_many_messages": "EOrder:Rate limit exceeded",
    "too_many_open_orders": "EOrder:Orders limit exceeded",
    "too_many_trailing_stops": "EOrder:Orders limit exceeded",
    "nothing_to_reduce": "EOrder:Reduce only:No position exists",
    "client_order_id_reused": f"{INVALID_ARGUMENTS}:cl_ord_id",
    "listing_closed": "EService:Market in cancel_only mode",
    "session_closed": "EService:Market in cancel_only mode",
    "underlying_halted": "EService:Market in cancel_only mode",
    "reference_stale": "EService:Market in cancel_only mode",
    "trading_paused": "EService:Market in cancel_only mode",
    "market_breaker": "EService:Market in cancel_only mode",
    "listing_restricted": "EService:Market in limit_only mode",
    "deadline_passed": DEADLINE,
    "overloaded": "EService:Busy",
    "command_failed": INTERNAL,
}


class KrakenError(Exception):
    """The request ends here, with this string in the answer's error list."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def answer(result: object) -> JsonResponse:
    return JsonResponse({"error": [], "result": result})


def failure(word: str) -> JsonResponse:
    """A refusal keeps HTTP 200: clients look at the list."""
    return JsonResponse({"error": [word]})


def word_for(refusal: Refusal) -> str:
    """Kraken's string for a refusal; one of our own when Kraken has none.

    An unknown outcome names the order's id, to ask by before it is sent again.
    """
    if isinstance(refusal, OutcomeUnknown):
        return f"{TIMEOUT}:{refusal.details.get('order_id', '')}"
    return WORDS.get(refusal.code, f"EOrder:{refusal.code}")


Result = dict[str, Any] | list[Any]
