"""The public methods: no key, the same for everybody.

A client that names its key all the same gets what is offered to its investor.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from custody.models import Asset
from trading import queries
from trading.kraken import reads, wording
from trading.kraken.pairs import (
    asset_row,
    check_class,
    find_pair,
    named_pairs,
    pair_row,
    price_text,
    spelled,
    volume_text,
)
from trading.kraken.parameters import Parameters
from trading.kraken.replies import INVALID_ARGUMENTS, UNKNOWN_ASSET, KrakenError, Result
from trading.offering import Reader
from trading.queries import Candle, ListingView, PriceLevel, Statistics
from trading.queries.fees import public_tiers

DEPTH_DEFAULT, DEPTH_MAX = 100, 500
TRADES_DEFAULT, TRADES_MAX = 1_000, 1_000
CANDLES_MAX = 720
INTERVALS_MINUTES = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
NANOSECOND_DIGITS = 16  # a shorter `since` is seconds
NANOSECOND_DIGITS_MAX = 20  # the year 5138
# Shown decimals, as Kraken shows them: cents and hundred-thousandths of a token.
DISPLAY_DECIMALS_CASH, DISPLAY_DECIMALS_TOKEN = 2, 5


def time(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    rfc1123 = now.strftime("%a, %d %b %y %H:%M:%S +0000")
    return {"unixtime": int(now.timestamp()), "rfc1123": rfc1123}


def system_status(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    return {"status": "online", "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def assets(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    """Every asset that is traded or quoted, tokenized ones without asking for them."""
    check_class(parameters.get("aclass"))
    listings = queries.list_listings(reader=reader, now=now)
    ids = {each.base_id for each in listings} | {each.quote_id for each in listings}
    rows = {
        asset.code: asset_row(
            code=asset.code,
            decimals=asset.decimals,
            display_decimals=(
                DISPLAY_DECIMALS_TOKEN if asset.kind == "token" else DISPLAY_DECIMALS_CASH
            ),
            is_token=asset.kind == "token",
        )
        for asset in Asset.objects.filter(id__in=ids).order_by("code")
    }
    return _named_assets(rows, parameters.words("asset"))


def asset_pairs(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    check_class(parameters.get("aclass_base"))
    pairs = named_pairs(names=parameters.words("pair"), reader=reader, now=now)
    # Everybody's tiers: a key that is only named, not signed with, tells no partner's.
    tiers = public_tiers(listings=[listing for _, listing in pairs], now=now)
    return {key: pair_row(listing, tiers[listing.id]) for key, listing in pairs}


def ticker(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    check_class(parameters.get("asset_class"))
    pairs = named_pairs(names=parameters.words("pair"), reader=reader, now=now)
    ids = [listing.id for _, listing in pairs]
    days = queries.statistics(listing_ids=ids, now=now)
    tops = reads.tops(ids)
    return {
        key: _ticker_row(listing, days.get(listing.id, NO_DAY), tops[listing.id])
        for key, listing in pairs
    }


def depth(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    listing = find_pair(name=parameters.get("pair"), reader=reader)
    count = _between(parameters.integer("count", DEPTH_DEFAULT), 1, DEPTH_MAX)
    book = queries.depth(listing_id=listing.id, levels=count)
    return {
        spelled(parameters.get("pair"), listing): {
            "asks": [wording.level_row(level, listing, now) for level in book.asks],
            "bids": [wording.level_row(level, listing, now) for level in book.bids],
        }
    }


def trades(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    """`last` is what a client sends as `since` for the next page."""
    listing = find_pair(name=parameters.get("pair"), reader=reader)
    count = _between(parameters.integer("count", TRADES_DEFAULT), 1, TRADES_MAX)
    since = _since(parameters)
    page = reads.trades_since(listing_id=listing.id, since=since, limit=count)
    last = page[-1].traded_at if page else since or now
    return {
        spelled(parameters.get("pair"), listing): [
            wording.public_trade_row(trade, listing) for trade in page
        ],
        "last": wording.nanoseconds(last),
    }


def ohlc(parameters: Parameters, reader: Reader, now: datetime) -> Result:
    """Candles in order without gaps; the last one is not finished."""
    listing = find_pair(name=parameters.get("pair"), reader=reader)
    minutes = parameters.integer("interval", 1)
    if minutes not in INTERVALS_MINUTES:
        raise KrakenError(f"{INVALID_ARGUMENTS}:interval")
    step = minutes * 60
    earliest = now - timedelta(seconds=step * (CANDLES_MAX - 1))
    since = parameters.moment("since")
    start_at = max(_floor(max(since or earliest, earliest), step), _floor(earliest, step))
    found = queries.candles(
        listing_id=listing.id,
        interval_seconds=step,
        start_at=start_at,
        limit=CANDLES_MAX,
    )
    rows = [wording.candle_row(each, listing) for each in _without_gaps(found, step, now)]
    last = rows[-2][0] if len(rows) > 1 else int(start_at.timestamp())
    return {spelled(parameters.get("pair"), listing): rows, "last": last}


METHODS: dict[str, Callable[[Parameters, Reader, datetime], Result]] = {
    "Time": time,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    "Ticker": ticker,
    "Depth": depth,
    "Trades": trades,
    "OHLC": ohlc,
}

NO_DAY = Statistics(None, None, None, None, 0, 0, 0)


def _named_assets(rows: dict[str, dict[str, Any]], names: list[str]) -> Result:
    if not names:
        return rows
    known = {code.lower(): row for code, row in rows.items()}
    try:
        return {name: known[name.lower()] for name in names}
    except KeyError:
        raise KrakenError(UNKNOWN_ASSET) from None


def _ticker_row(listing: ListingView, day: Statistics, top: reads.Top) -> dict[str, Any]:
    """Kraken gives today and 24 hours; ours are 24 hours both."""
    last = price_text(listing, day.last_units or 0)
    # Nothing traded in 24 hours: the last price is the day's only one.
    high, low, opened = (
        price_text(listing, units) if units is not None else last
        for units in (day.high_units, day.low_units, day.open_units)
    )
    volume = volume_text(listing, day.volume_units)
    average = wording.average_price(day.cash_units, day.volume_units, listing)
    vwap = price_text(listing, average) if day.volume_units else last
    return {
        "a": _best(listing, top.ask),
        "b": _best(listing, top.bid),
        "c": [last, volume_text(listing, 0)],
        "v": [volume, volume],
        "p": [vwap, vwap],
        "t": [day.trades, day.trades],
        "l": [low, low],
        "h": [high, high],
        "o": opened,
    }


def _best(listing: ListingView, level: PriceLevel | None) -> list[str]:
    """Price, whole lots, volume."""
    if level is None:
        return [price_text(listing, 0), "0", volume_text(listing, 0)]
    whole = level.quantity_units // 10**listing.base_decimals
    return [
        price_text(listing, level.price_units),
        str(whole),
        volume_text(listing, level.quantity_units),
    ]


def _since(parameters: Parameters) -> datetime | None:
    """Seconds, or the nanoseconds of an earlier answer's `last`; 0 means from the beginning."""
    text = parameters.get("since")
    if (
        NANOSECOND_DIGITS <= len(text) <= NANOSECOND_DIGITS_MAX
        and text.isascii()
        and text.isdigit()
    ):
        micros = int(text) // 1_000
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    return parameters.moment("since")


def _floor(moment: datetime, step_seconds: int) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % step_seconds, UTC)


def _without_gaps(found: list[Candle], step: int, now: datetime) -> list[Candle]:
    """Fill intervals without trades with the close before them."""
    filled: list[Candle] = []
    interval = timedelta(seconds=step)
    for candle in found:
        while filled and filled[-1].start_at + interval < candle.start_at:
            filled.append(_still(filled[-1], filled[-1].start_at + interval))
        filled.append(candle)
    while filled and filled[-1].start_at + interval <= now:
        filled.append(_still(filled[-1], filled[-1].start_at + interval))
    return filled[-CANDLES_MAX:]


def _still(before: Candle, start_at: datetime) -> Candle:
    close = before.close_units
    return Candle(start_at, close, close, close, close, 0, 0, 0)


def _between(number: int, least: int, most: int) -> int:
    return max(least, min(number, most))
