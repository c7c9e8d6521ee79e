"""Trading halts of the underlying: a client for Nasdaq Trader's halts feed.

    GET /rss.aspx?feed=tradehalts
An RSS list of the halts of all US exchanges with reason codes (T1 news pending,
LUDP volatility pause, MWC1 market-wide breaker); an entry with a resumption
trade time in the past is over. A price feed does not tell any of this.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx
from lxml import etree

from kernel.gateways import GatewayUnavailable

PARTY = "halts feed"
TIMEOUT_SECONDS = 5.0
ANSWER_BYTES_MAX = 4_000_000
NEW_YORK = ZoneInfo("America/New_York")
_NS = {"ndaq": "http://www.nasdaqtrader.com/"}

# Codes and their words: Nasdaq Trader, "Trade Halt Codes".
REASONS = {
    "T1": "news pending",
    "T2": "news released",
    "T3": "news out, resumption times set",
    "T5": "volatility pause of a single stock",
    "T6": "extraordinary market activity",
    "T8": "the fund's holdings are halted",
    "T12": "more information requested by the exchange",
    "H4": "non-compliance with listing rules",
    "H9": "filings not current",
    "H10": "suspended by the SEC",
    "H11": "regulatory concern",
    "LUDP": "volatility pause (limit up, limit down)",
    "LUDS": "volatility pause, straddle condition",
    "MWC1": "market-wide circuit breaker, level 1",
    "MWC2": "market-wide circuit breaker, level 2",
    "MWC3": "market-wide circuit breaker, level 3",
    "M": "volatility pause",
    "D": "deleted from the exchange",
}


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force: ticker, code and words."""

    ticker: str
    code: str
    halted_at: datetime

    @property
    def reason(self) -> str:
        words = REASONS.get(self.code)
        return f"{self.code}: {words}" if words else self.code


class HaltsGateway:
    """A client for one feed; use it as a context manager."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS):
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds)

    def __enter__(self) -> "HaltsGateway":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def list_halts(self, *, now: datetime) -> list[Halt]:
        """The halts in force at `now`.

        :raises GatewayUnavailable: no answer in time, or not this feed's.
        """
        try:
            response = self._client.get("/rss.aspx", params={"feed": "tradehalts"})
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise GatewayUnavailable(PARTY, f"{type(error).__name__}: {error}") from error
        return parse_halts(response.content, now=now)


def parse_halts(content: bytes, *, now: datetime) -> list[Halt]:
    """Read the RSS document; halts that have ended by `now` are left out.

    :raises GatewayUnavailable: it is not the feed, or one entry is unreadable:
        a halt that we cannot read must not pass for no halt.
    """
    if len(content) > ANSWER_BYTES_MAX:
        raise GatewayUnavailable(PARTY, "the answer is too large")
    # No entities, no network: the document comes from outside.
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(content, parser)
        if root.tag != "rss":
            raise ValueError("not RSS")
        items = [_parse_item(item) for item in root.iterfind("channel/item")]
    except (etree.XMLSyntaxError, ValueError) as error:
        raise GatewayUnavailable(PARTY, f"unreadable: {error}") from error
    return [halt for halt, resumes_at in items if resumes_at is None or resumes_at > now]


def _parse_item(item: etree._Element) -> tuple[Halt, datetime | None]:
    ticker, code = _text(item, "IssueSymbol"), _text(item, "ReasonCode")
    halted_at = _eastern(_text(item, "HaltDate"), _text(item, "HaltTime"))
    if not ticker or not code or halted_at is None:
        raise ValueError(f"an entry without symbol, code or time: {ticker!r}")
    resumes_at = _eastern(_text(item, "ResumptionDate"), _text(item, "ResumptionTradeTime"))
    return Halt(ticker=ticker, code=code, halted_at=halted_at), resumes_at


def _text(item: etree._Element, name: str) -> str:
    return (item.findtext(f"ndaq:{name}", namespaces=_NS) or "").strip()


def _eastern(date: str, time: str) -> datetime | None:
    """An instant from "11/27/2026" and "09:41:02" (or .123) Eastern; None when empty."""
    if not date or not time:
        return None
    local = datetime.strptime(f"{date} {time.split('.', maxsplit=1)[0]}", "%m/%d/%Y %H:%M:%S")  # noqa: DTZ007
    return local.replace(tzinfo=NEW_YORK).astimezone(UTC)
