"""Reading what clients send: query strings, forms and JSON, in the spellings they use."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from django.http import HttpRequest, QueryDict

from trading.kraken.replies import INVALID_ARGUMENTS, KrakenError

BODY_BYTES_MAX = 64 * 1024
# From here on a number of seconds would be after the year 5138: it is milliseconds.
SECONDS_MAX = 100_000_000_000
NESTED_MAX = 3  # orders[0][close][price]
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
# orders[0], orders[0][volume], orders[0][close][price]
_LISTED = re.compile(
    r"(?P<name>[a-z_]+)\[(?P<place>[0-9]{1,3})\](?:\[(?P<first>\w+)\])?(?P<rest>.*)", re.ASCII
)


class Parameters:
    """The named values of one request; every value is text, as sent.

    What JSON nests is named as a form spells it: `close[price]`, `orders[0][volume]`.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        """:raises KrakenError: a value that neither a database nor a log can hold."""
        if not all(_is_storable(value) for value in values.values()):
            raise KrakenError(INVALID_ARGUMENTS)
        self._values = values

    @classmethod
    def of(cls, request: HttpRequest) -> "Parameters":
        """From the body and, for public methods, the query string.

        :raises KrakenError: the body is neither a form nor a flat JSON object.
        """
        query = _form_values(request.GET) if "/public/" in request.path else {}
        return cls(query | body_values(request))

    def get(self, name: str, default: str = "") -> str:
        return self._values.get(name, default)

    def has(self, name: str) -> bool:
        return self._values.get(name, "") != ""

    def flag(self, name: str) -> bool:
        """Clients send `true` and `True` alike.

        :raises KrakenError: neither true nor false.
        """
        text = self.get(name, "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
        return text in ("true", "1")

    def integer(self, name: str, default: int) -> int:
        """:raises KrakenError: present, but not a whole number."""
        if not self.has(name):
            return default
        if not _INTEGER.fullmatch(self.get(name)):
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
        return int(self.get(name))

    def words(self, name: str) -> list[str]:
        """A comma-separated list."""
        return [word.strip() for word in self.get(name).split(",") if word.strip()]

    def listed(self, name: str) -> "list[Parameters]":
        """A list of groups of values, as JSON and forms send them: `orders[0][volume]`."""
        groups: dict[int, dict[str, str]] = {}
        for key, value in self._values.items():
            found = _LISTED.fullmatch(key)
            if found and found["name"] == name:
                rest = found["first"] + found["rest"] if found["first"] else ""
                groups.setdefault(int(found["place"]), {})[rest] = value
        return [Parameters(groups[place]) for place in sorted(groups)]

    def with_values(self, values: Mapping[str, str]) -> "Parameters":
        """These and `values`, which count where both name the same."""
        return Parameters({**self._values, **values})

    def moment(self, name: str) -> datetime | None:
        """Seconds since the epoch, also with a fraction; milliseconds are taken as such.

        :raises KrakenError: present, but no time.
        """
        if not self.has(name):
            return None
        try:
            seconds = float(self.get(name))
            if seconds >= SECONDS_MAX:
                seconds /= 1000
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}") from None


def body_values(request: HttpRequest) -> dict[str, str]:
    """The body's fields. The raw bytes stay what the signature is checked over."""
    if not request.body:
        return {}
    if len(request.body) > BODY_BYTES_MAX:
        raise KrakenError(INVALID_ARGUMENTS)
    if request.content_type == "application/json":
        return _json_values(request.body)
    try:
        return _form_values(QueryDict(request.body, encoding="utf-8"))
    except ValueError:
        raise KrakenError(INVALID_ARGUMENTS) from None


def _form_values(form: QueryDict) -> dict[str, str]:
    """The last value of each name."""
    return {name: str(value) for name, value in form.items()}


def _json_values(body: bytes) -> dict[str, str]:
    try:
        # Numbers stay the text they were written in: no float on the way to an amount.
        content = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise KrakenError(INVALID_ARGUMENTS) from None
    if not isinstance(content, dict):
        raise KrakenError(INVALID_ARGUMENTS)
    return dict(_flattened(content, "", 0))


def _flattened(content: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every value under its name, nested ones in brackets.

    :raises KrakenError: nested deeper than any request is, or null.
    """
    if isinstance(content, dict | list):
        if depth > NESTED_MAX:
            raise KrakenError(INVALID_ARGUMENTS)
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in pairs:
            yield from _flattened(value, f"{name}[{key}]" if name else str(key), depth + 1)
    else:
        yield name, _as_text(content)


def _is_storable(text: str) -> bool:
    """No NUL and no half of a surrogate pair, which JSON can spell."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise KrakenError(INVALID_ARGUMENTS)
