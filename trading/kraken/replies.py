"""Kraken's envelope: HTTP 200 with `error` and `result`, and its words for our refusals."""

from typing import Any

from django.http import JsonResponse

from kernel.refusals import Refusal

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

WORDS = {
    "not_found": UNKNOWN_ORDER,
    "forbidden": PERMISSION_DENIED,
    "outcome_unknown": "EService:Busy",
    "malformed_amount": "EGeneral:Invalid arguments:volume",
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
    """Kraken's string for a refusal; one of our own when Kraken has none."""
    return WORDS.get(refusal.code, f"EOrder:{refusal.code}")


Result = dict[str, Any] | list[Any]
