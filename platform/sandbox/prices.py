"""The price feed of the sandbox: Pyth's Hermes HTTP API over made-up prices.

    python -m sandbox.prices --port 9104 --state var/sandbox/prices
Hermes:  GET /v2/price_feeds, /v2/updates/price/latest?ids[]=..,
         /v2/updates/price/{unix time}?ids[]=.., /v2/updates/price/stream (SSE)
Nasdaq:  GET /rss.aspx?feed=tradehalts
Knobs:   POST /sandbox/halt   {"ticker": "AAPL", "code": "T1"}, code null lifts it
         POST /sandbox/stale  {"ticker": "AAPL", "stale": true}, "*" is every ticker
         GET  /sandbox/prices what is halted and stale, and each ticker's source
AAPL, GOOG, IBM and MSFT replay real days of 2008 to 2013, all others walk at
random (sandbox/price_paths.py); neither is today's price of anything. Prices
run in all sessions and stand still, with the time of the last one, when the
market is closed. A halted ticker is not published. The signed `binary` part of
an answer is empty: nobody can sign these.
"""

import argparse
import asyncio
import csv
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kernel import clock
from sandbox.clock import write_json
from sandbox.price_paths import (
    SPLITS,
    OffCalendar,
    PricePath,
    read_days,
    replayed_bars,
    simulated_bars,
)
from sandbox.serving import Options, serve

ROOT = Path(__file__).resolve().parents[2]
CALENDAR = ROOT / "platform" / "reference" / "data" / "xnys.csv"
CATALOGUE = ROOT / "demo" / "catalogue.csv"
SEED = 20_261_124

EXPONENT = -5  # as Pyth's US equities
CONFIDENCE_SHARE = 0.0002
STREAM_SECONDS = 1.0
IDS_MAX = 500
EVERYTHING = "*"
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Feed:
    """One ticker's feed: what Hermes tells of it and where its prices come from."""

    feed_id: str
    ticker: str
    name: str
    source: str  # "historical replay" or "simulated"
    path: PricePath

    @property
    def symbol(self) -> str:
        return symbol_of(self.ticker)


@dataclass(slots=True)
class Knobs:
    """What a tester has set: ticker to the unix second since when, and the halt's code."""

    halts: dict[str, dict[str, Any]] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)

    def frozen_at(self, ticker: str) -> int | None:
        """The second after which nothing is published of a ticker, if any."""
        halted = self.halts.get(ticker, {}).get("at")
        candidates = [halted, self.stale.get(ticker), self.stale.get(EVERYTHING)]
        return min((at for at in candidates if at is not None), default=None)


class Market:
    """All feeds and knobs; prices are computed when asked for."""

    def __init__(self, feeds: Sequence[Feed], state: Path) -> None:
        self.feeds: Mapping[str, Feed] = {feed.feed_id: feed for feed in feeds}
        self.tickers = {feed.ticker for feed in feeds}
        self._file = state / "knobs.json"
        self.knobs = _read_knobs(self._file)

    def save(self) -> None:
        write_json(self._file, asdict(self.knobs))

    def latest(self, feed: Feed, now: int) -> dict[str, Any]:
        """The newest entry of `parsed` for a feed."""
        frozen_at = self.knobs.frozen_at(feed.ticker)
        return _entry(feed, now if frozen_at is None else min(now, frozen_at))

    def since(self, feed: Feed, instant: int, now: int) -> dict[str, Any] | None:
        """The first entry published at or after `instant`, or None so far."""
        published = feed.path.next_published(instant)
        frozen_at = self.knobs.frozen_at(feed.ticker)
        if published > now or (frozen_at is not None and published > frozen_at):
            return None
        return _entry(feed, published)


def symbol_of(ticker: str) -> str:
    """How Pyth names the price of a US share; BRK.B is written BRK-B."""
    return f"Equity.US.{ticker.replace('.', '-')}/USD"


def build(options: Options) -> Starlette:
    """The app over the catalogue and calendar that the command line names."""
    extra = options.extra
    return build_app(Market(read_feeds(extra.catalogue, extra.calendar, extra.seed), options.state))


def read_feeds(catalogue: Path, calendar: Path, seed: int) -> list[Feed]:
    """One feed for each row of the catalogue."""
    days = read_days(calendar)
    with catalogue.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    feeds = []
    for row in rows:
        ticker, key = row["ticker"], f"{seed}/{row['ticker']}"
        is_replayed = ticker in SPLITS
        bars = (
            replayed_bars(ticker, len(days))
            if is_replayed
            else simulated_bars(
                key, days, seed_price=float(row["seed_price_usd"]), kind=row["kind"]
            )
        )
        feeds.append(
            Feed(
                feed_id=sha256(symbol_of(ticker).encode()).hexdigest(),
                ticker=ticker,
                name=row["name"],
                source="historical replay" if is_replayed else "simulated",
                path=PricePath(key, days, bars),
            )
        )
    return feeds


def build_app(market: Market) -> Starlette:
    """The HTTP surface over a market."""

    async def price_feeds(request: Request) -> Response:
        wanted = request.query_params.get("query", "").lower()
        kind = request.query_params.get("asset_type", "equity")
        feeds = market.feeds.values() if kind == "equity" else []
        return JSONResponse([_attributes(feed) for feed in feeds if wanted in feed.symbol.lower()])

    async def latest(request: Request) -> Response:
        now = _now()
        return _updates([market.latest(feed, now) for feed in _asked(request, market)])

    async def since(request: Request) -> Response:
        instant, now = request.path_params["publish_time"], _now()
        found = [market.since(feed, instant, now) for feed in _asked(request, market)]
        return _updates([entry for entry in found if entry is not None])

    async def stream(request: Request) -> Response:
        feeds = _asked(request, market)
        return StreamingResponse(events(market, feeds), media_type="text/event-stream")

    async def halts(request: Request) -> Response:
        return Response(_halts_document(market.knobs.halts), media_type="text/xml")

    async def set_halt(request: Request) -> Response:
        command = await _command(request, market)
        code = command.get("code", "T1")
        if code is None:
            market.knobs.halts.pop(command["ticker"], None)
        else:
            market.knobs.halts[command["ticker"]] = {"code": str(code), "at": _now()}
        return _show(market)

    async def set_stale(request: Request) -> Response:
        command = await _command(request, market, every=True)
        if command.get("stale", True):
            market.knobs.stale[command["ticker"]] = _now()
        else:
            market.knobs.stale.pop(command["ticker"], None)
        return _show(market)

    async def show(request: Request) -> Response:
        return JSONResponse(_state(market))

    async def off_calendar(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), status_code=404)

    return Starlette(
        routes=[
            Route("/v2/price_feeds", price_feeds),
            Route("/v2/updates/price/latest", latest),
            Route("/v2/updates/price/stream", stream),
            Route("/v2/updates/price/{publish_time:int}", since),
            Route("/rss.aspx", halts),
            Route("/sandbox/halt", set_halt, methods=["POST"]),
            Route("/sandbox/stale", set_stale, methods=["POST"]),
            Route("/sandbox/prices", show),
        ],
        exception_handlers={OffCalendar: off_calendar},
    )


def _now() -> int:
    return int(clock.now().timestamp())


def _entry(feed: Feed, instant: int) -> dict[str, Any]:
    dollars, published = feed.path.price_at(instant)
    price = {
        "price": str(round(dollars * 10**-EXPONENT)),
        "conf": str(max(1, round(dollars * CONFIDENCE_SHARE * 10**-EXPONENT))),
        "expo": EXPONENT,
        "publish_time": published,
    }
    metadata = {
        "slot": published * 2,
        "proof_available_time": published,
        "prev_publish_time": published - 1,
    }
    return {"id": feed.feed_id, "price": price, "ema_price": price, "metadata": metadata}


def _updates(parsed: list[dict[str, Any]]) -> Response:
    return JSONResponse({"binary": {"encoding": "hex", "data": []}, "parsed": parsed})


def _asked(request: Request, market: Market) -> list[Feed]:
    """The feeds named by `ids[]`.

    :raises HTTPException: 400 for none or too many, 404 for unknown ones unless
        `ignore_invalid_price_ids` is true.
    """
    ids = [text.removeprefix("0x") for text in request.query_params.getlist("ids[]")]
    if not 0 < len(ids) <= IDS_MAX:
        raise HTTPException(400, f"Failed to deserialize query string: 1 to {IDS_MAX} ids[]")
    unknown = [each for each in ids if each not in market.feeds]
    if unknown and request.query_params.get("ignore_invalid_price_ids") != "true":
        raise HTTPException(404, f"Price ids not found: {', '.join('0x' + u for u in unknown)}")
    return [market.feeds[each] for each in dict.fromkeys(ids) if each in market.feeds]


async def events(market: Market, feeds: Sequence[Feed]) -> AsyncIterator[str]:
    """Server-sent events: every entry once, then what is newly published."""
    sent: dict[str, int] = {}
    while True:
        now = _now()
        entries = [market.latest(feed, now) for feed in feeds]
        fresh = [each for each in entries if sent.get(each["id"]) != each["price"]["publish_time"]]
        if fresh:
            sent.update((each["id"], each["price"]["publish_time"]) for each in fresh)
            body = json.dumps({"binary": {"encoding": "hex", "data": []}, "parsed": fresh})
            yield f"data:{body}\n\n"
        await asyncio.sleep(STREAM_SECONDS)


async def _command(request: Request, market: Market, *, every: bool = False) -> dict[str, Any]:
    try:
        command = await request.json()
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    match command:
        case {"ticker": str() as ticker} if ticker in market.tickers:
            return dict(command)
        case {"ticker": "*"} if every:
            return dict(command)
    raise HTTPException(422, "There is no such ticker.")


def _show(market: Market) -> Response:
    market.save()
    return JSONResponse(_state(market))


def _state(market: Market) -> dict[str, Any]:
    sources = {feed.ticker: feed.source for feed in market.feeds.values()}
    return {**asdict(market.knobs), "sources": sources}


def _read_knobs(file: Path) -> Knobs:
    try:
        return Knobs(**json.loads(file.read_text()))
    except FileNotFoundError:
        return Knobs()


def _attributes(feed: Feed) -> dict[str, Any]:
    return {
        "id": feed.feed_id,
        "attributes": {
            "asset_type": "Equity",
            "base": feed.ticker,
            "country": "US",
            "description": f"{feed.name.upper()} / US DOLLAR ({feed.source.upper()})",
            "display_symbol": f"{feed.ticker}/USD",
            "quote_currency": "USD",
            "symbol": feed.symbol,
        },
    }


def _halts_document(halts: Mapping[str, Mapping[str, Any]]) -> str:
    """The halts in force as Nasdaq Trader's RSS."""
    items = "".join(_halt_item(ticker, halt) for ticker, halt in halts.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<rss version="2.0" xmlns:ndaq="http://www.nasdaqtrader.com/"><channel>'
        f"<title>NASDAQTrader.com</title><ndaq:numItems>{len(halts)}</ndaq:numItems>"
        f"{items}</channel></rss>"
    )


def _halt_item(ticker: str, halt: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(halt["at"], UTC).astimezone(NEW_YORK)
    fields = {
        "HaltDate": f"{at:%m/%d/%Y}",
        "HaltTime": f"{at:%H:%M:%S}",
        "IssueSymbol": ticker,
        "ReasonCode": halt["code"],
        "ResumptionDate": "",
        "ResumptionTradeTime": "",
    }
    inner = "".join(f"<ndaq:{name}>{escape(text)}</ndaq:{name}>" for name, text in fields.items())
    return f"<item><title>{escape(ticker)}</title>{inner}</item>"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE)
    parser.add_argument("--calendar", type=Path, default=CALENDAR)
    parser.add_argument("--seed", type=int, default=SEED)


if __name__ == "__main__":
    serve(build, "prices", arguments=_arguments)
