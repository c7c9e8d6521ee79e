"""The price feed: a client for Pyth's Hermes HTTP API (v2), prices per share.

    GET /v2/updates/price/latest?ids[]=..&parsed=true
    GET /v2/updates/price/{unix time}?ids[]=..&parsed=true
    GET /v2/price_feeds?asset_type=equity
A price is an integer and an exponent, {"price": "23412345", "expo": -5}; here
it becomes an integer of micro-dollars. Where the text is not a plain integer
("NaN", "1e5"), that one feed is left out and named, the others still count.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from kernel.gateways import GatewayUnavailable

PARTY = "price feed"
TIMEOUT_SECONDS = 5.0
# 100 ids of 64 digits make a URL of about 7 kB, below the usual limit of 8 kB.
IDS_PER_REQUEST_MAX = 100
MICRO_DECIMALS = 6
EXPONENTS = range(-18, 7)

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_FEED_ID = re.compile(r"(?:0x)?([0-9a-f]{64})", re.ASCII)
_PUBLISHED_MAX = 253_402_300_799  # the last second of the year 9999


class MalformedPrice(ValueError):
    """One feed's entry is not a price."""


@dataclass(frozen=True, slots=True)
class PriceUpdate:
    """One published price of one share, in micro-dollars, not yet believed."""

    feed_id: str
    price_micros: int
    confidence_micros: int
    published_at: datetime


@dataclass(frozen=True, slots=True)
class PriceFeed:
    """An entry of the feed's own list."""

    feed_id: str
    symbol: str  # "Equity.US.AAPL/USD"


@dataclass(slots=True)
class Updates:
    """What one call brought: the readable prices, and why others are not."""

    prices: list[PriceUpdate] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


class PricesGateway:
    """A client for one feed; use it as a context manager."""

    def __init__(self, url: str, *, api_key: str = "", timeout_seconds: float = TIMEOUT_SECONDS):
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, headers=headers)

    def __enter__(self) -> "PricesGateway":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def latest(self, feed_ids: Sequence[str]) -> Updates:
        """The newest prices of the named feeds.

        :raises GatewayUnavailable: no answer in time, or not Hermes's.
        """
        return self._updates("/v2/updates/price/latest", feed_ids)

    def at(self, feed_ids: Sequence[str], instant: datetime) -> Updates:
        """The first prices published at or after an instant, e.g. a session's close.

        :raises GatewayUnavailable: no answer in time, or not Hermes's.
        """
        return self._updates(f"/v2/updates/price/{int(instant.timestamp())}", feed_ids)

    def list_feeds(self) -> list[PriceFeed]:
        """All equity feeds that the party publishes.

        :raises GatewayUnavailable: no answer in time, or not Hermes's.
        """
        answer = self._get("/v2/price_feeds", {"asset_type": "equity"})
        try:
            return [
                PriceFeed(parse_feed_id(each["id"]), str(each["attributes"]["symbol"]))
                for each in answer
            ]
        except (KeyError, TypeError, MalformedPrice) as error:
            raise GatewayUnavailable(PARTY, f"unreadable list of feeds: {error!r}") from error

    def _updates(self, path: str, feed_ids: Sequence[str]) -> Updates:
        found = Updates()
        for start in range(0, len(feed_ids), IDS_PER_REQUEST_MAX):
            some = feed_ids[start : start + IDS_PER_REQUEST_MAX]
            # One delisted feed must not cost us all the others.
            options = {"parsed": "true", "ignore_invalid_price_ids": "true"}
            answer = self._get(path, {"ids[]": list(some), **options})
            entries = answer.get("parsed") if isinstance(answer, dict) else None
            if not isinstance(entries, list):
                raise GatewayUnavailable(PARTY, "the answer has no list of parsed prices")
            _collect(entries, found)
        return found

    def _get(self, path: str, query: Mapping[str, str | list[str]]) -> Any:
        try:
            response = self._client.get(path, params=query)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise GatewayUnavailable(PARTY, f"{type(error).__name__}: {error}") from error


def _collect(entries: Iterable[object], found: Updates) -> None:
    for entry in entries:
        try:
            found.prices.append(parse_update(entry))
        except MalformedPrice as error:
            found.malformed.append(str(error))


def parse_update(entry: object) -> PriceUpdate:
    """Read one element of `parsed`.

    :raises MalformedPrice: a field is missing or is not a plain integer.
    """
    match entry:
        case {
            "id": str() as feed_id,
            "price": {
                "price": str() as price,
                "conf": str() as confidence,
                "expo": int() as exponent,
                "publish_time": int() as published,
            },
        }:
            return PriceUpdate(
                feed_id=parse_feed_id(feed_id),
                price_micros=to_micros(price, exponent),
                confidence_micros=to_micros(confidence, exponent),
                published_at=_instant(published),
            )
    raise MalformedPrice(f"not a price entry: {str(entry)[:200]}")


def parse_feed_id(text: object) -> str:
    """A feed's id as 64 hex digits without 0x.

    :raises MalformedPrice: it is something else.
    """
    match = _FEED_ID.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise MalformedPrice(f"not a feed id: {str(text)[:80]}")
    return match.group(1)


def to_micros(text: str, exponent: int) -> int:
    """`text` x 10^`exponent` dollars in micro-dollars; finer digits are cut off.

    :raises MalformedPrice: not a plain integer ("NaN", "1e5", "1.5") or an
        exponent that no price has.
    """
    if _INTEGER.fullmatch(text) is None or exponent not in EXPONENTS:
        raise MalformedPrice(f"not a price: {text[:40]!r} x 10^{exponent}")
    shift = exponent + MICRO_DECIMALS
    scale: int = 10 ** abs(shift)
    number = int(text)
    if shift >= 0:
        return number * scale
    return number // scale if number >= 0 else -(-number // scale)


def _instant(unix_seconds: int) -> datetime:
    if not 0 <= unix_seconds <= _PUBLISHED_MAX:
        raise MalformedPrice(f"not an instant: {unix_seconds}")
    return datetime.fromtimestamp(unix_seconds, UTC)
