"""Loading what is kept in files: trading days, countries, the product catalogue.

Each load is idempotent: rows are updated in place by their natural key, so a
corrected file is loaded again over the old rows. Days and countries that are
not in the file any more are kept, instruments too: others refer to them.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from stdnum import isin

from kernel.refusals import Refusal
from reference.gateways.prices import PriceFeed
from reference.models import CountryRule, Instrument, TradingDay
from reference.states import CountryStatus, Exchange, InstrumentKind, PriceSource

DATA_DIR = Path(__file__).resolve().parent / "data"
CALENDAR_FILE = DATA_DIR / "xnys.csv"
COUNTRIES_FILE = DATA_DIR / "countries.csv"
CATALOGUE_FILE: Path = settings.BASE_DIR / "demo" / "catalogue.csv"

HOURS = ["overnight_open_at", "pre_open_at", "open_at", "close_at", "post_close_at"]

# The tickers whose prices the sandbox replays from history (sandbox/prices.py).
REPLAYED_TICKERS = frozenset({"AAPL", "GOOG", "IBM", "MSFT"})


class MalformedFile(Refusal):
    """A row of the file is not what it should be."""

    code = "malformed_file"


def read_trading_days(path: Path = CALENDAR_FILE) -> list[dict[str, Any]]:
    """The rows of a calendar file as fields of TradingDay, instants in UTC."""
    return [
        {
            "date": date.fromisoformat(row["date"]),
            "is_early_close": row["is_early_close"] == "true",
            **{name: datetime.fromisoformat(row[name]) for name in HOURS},
        }
        for row in _rows(path)
    ]


def read_countries(path: Path = COUNTRIES_FILE) -> list[dict[str, Any]]:
    """The rows of a countries file as fields of CountryRule."""
    return [
        {
            "country": row["country"],
            "name": row["name"],
            "status": CountryStatus(row["status"]),
            "reason": row["reason"],
        }
        for row in _rows(path)
    ]


def read_catalogue(path: Path = CATALOGUE_FILE) -> list[dict[str, Any]]:
    """The rows of a catalogue as fields of Instrument.

    :raises MalformedFile: an ISIN has a wrong check digit, or a kind or
        exchange is unknown; the message names the ticker.
    """
    return [_instrument_fields(row) for row in _rows(path)]


@transaction.atomic
def load_trading_days(*, rows: Iterable[dict[str, Any]]) -> int:
    """Insert or correct trading days; how many the file holds."""
    days = [TradingDay(**row) for row in rows]
    TradingDay.objects.bulk_create(
        days,
        update_conflicts=True,
        unique_fields=["date"],
        update_fields=[*HOURS, "is_early_close"],
    )
    return len(days)


@transaction.atomic
def load_countries(*, rows: Iterable[dict[str, Any]]) -> int:
    """Insert or change country rules; how many were new or different."""
    changed = 0
    for row in rows:
        changed += _put(CountryRule, "country", row)
    return changed


@transaction.atomic
def load_catalogue(*, rows: Iterable[dict[str, Any]]) -> int:
    """Insert or correct instruments; how many were new or different."""
    changed = 0
    for row in rows:
        changed += _put(Instrument, "ticker", row)
    return changed


@transaction.atomic
def link_feeds(*, feeds: Iterable[PriceFeed]) -> tuple[int, list[str]]:
    """Give instruments the ids of a real feed, by symbol; how many, and who has none."""
    by_symbol = {feed.symbol: feed.feed_id for feed in feeds}
    missing = []
    for instrument in Instrument.objects.select_for_update().order_by("id"):
        feed_id = by_symbol.get(symbol_of(instrument.ticker))
        if feed_id is None:
            missing.append(instrument.ticker)
            continue
        instrument.price_feed_id, instrument.price_source = feed_id, PriceSource.LIVE
        instrument.save()
    return Instrument.objects.count() - len(missing), missing


def _put(model: type[CountryRule] | type[Instrument], key: str, row: dict[str, Any]) -> bool:
    """Save one row if it differs, so that the audit trail shows changes alone."""
    existing = model._default_manager.filter(**{key: row[key]}).first()
    instance = existing or model()
    if existing and all(getattr(existing, name) == value for name, value in row.items()):
        return False
    for name, value in row.items():
        setattr(instance, name, value)
    instance.save()
    return True


def _instrument_fields(row: dict[str, str]) -> dict[str, Any]:
    ticker = row["ticker"]
    if not isin.is_valid(row["isin"]):
        raise MalformedFile(f"{ticker}: {row['isin']!r} is not an ISIN.")
    try:
        kind, exchange = InstrumentKind(row["kind"]), Exchange(row["exchange"])
    except ValueError as error:
        raise MalformedFile(f"{ticker}: {error}.") from error
    is_replayed = ticker in REPLAYED_TICKERS
    return {
        "ticker": ticker,
        "name": row["name"],
        "kind": kind,
        "exchange": exchange,
        "isin": row["isin"],
        "isin_source": row["isin_source"],
        "price_feed_id": feed_id_of(ticker),
        "price_source": PriceSource.REPLAY if is_replayed else PriceSource.SIMULATED,
    }


def feed_id_of(ticker: str) -> str:
    """The sandbox feed's id of a ticker; `link_price_feeds` replaces it by a real party's."""
    return sha256(symbol_of(ticker).encode()).hexdigest()


def symbol_of(ticker: str) -> str:
    """How Pyth names the price of a US share; BRK.B is written BRK-B."""
    return f"Equity.US.{ticker.replace('.', '-')}/USD"


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
