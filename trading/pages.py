"""What the trading pages show: listings with their market and their reference.

A listing's price is per token, its reference per share; the reference is turned
into a price per token here, once, before the two are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max, Min, Q

from custody.models import Asset
from kernel.money import floor_div
from reference.models import Instrument
from reference.queries import ReferenceView, list_reference_prices, list_ticks
from trading import queries
from trading.models import Order
from trading.offering import Reader
from trading.queries import ListingView, Statistics
from trading.queries.fees import with_own_rates
from trading.states import OrderStatus

MULTIPLIER_ONE_E18 = 10**18
NO_STATISTICS = Statistics(None, None, None, None, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Best:
    """Best bid and ask, in quote base units per token; None where the side is empty."""

    bid_units: int | None = None
    ask_units: int | None = None

    @property
    def mid_units(self) -> int | None:
        if self.bid_units is None or self.ask_units is None:
            return None
        return (self.bid_units + self.ask_units) // 2


@dataclass(frozen=True, slots=True)
class MarketRow:
    """One listing as the markets page, the trade page and the portfolio show it."""

    listing: ListingView
    asset: Asset
    quote: Asset
    instrument: Instrument
    reference: ReferenceView | None
    statistics: Statistics
    best: Best

    @property
    def price_units(self) -> int | None:
        """The last trade's price, or the middle of the book before the first trade."""
        last = self.statistics.last_units
        if last is not None or self.best.mid_units is None:
            return last
        return self.best.mid_units // self.listing.tick_units * self.listing.tick_units

    @property
    def is_price_traded(self) -> bool:
        return self.statistics.last_units is not None

    @property
    def reference_units(self) -> int | None:
        """The reference in micro-dollars per TOKEN: per share times shares per token."""
        if self.reference is None or self.reference.price_per_share_micros is None:
            return None
        return self.per_token(self.reference.price_per_share_micros)

    def per_token(self, per_share_micros: int) -> int:
        """A price per share as one per token, with the shares that a token stands for now."""
        return floor_div(per_share_micros * int(self.asset.multiplier_e18), MULTIPLIER_ONE_E18)

    @property
    def premium(self) -> Decimal | None:
        """How far the token's price lies above the reference, as a ratio."""
        return _ratio(self.price_units, self.reference_units)

    @property
    def change(self) -> Decimal | None:
        """The last price against the first of the last 24 hours."""
        return _ratio(self.statistics.last_units, self.statistics.open_units)

    @property
    def is_tradable(self) -> bool:
        return self.listing.state not in ("halted", "cancel_only")

    @property
    def source_label(self) -> str:
        """Empty for live prices; else what the reference really is."""
        return (
            "" if not self.instrument.is_simulated else self.instrument.get_price_source_display()
        )


def list_market_rows(*, reader: Reader, now: datetime) -> list[MarketRow]:
    """Every listing offered to `reader`, and what they may still sell, by symbol."""
    listings = queries.list_listings(reader=reader, now=now)
    return market_rows(with_own_rates(listings, reader=reader, now=now), now=now)


def get_market_row(*, symbol: str, reader: Reader, now: datetime) -> MarketRow:
    """:raises NotFound: there is no such listing, or it is not offered to `reader`."""
    listing = queries.get_listing(symbol=symbol, reader=reader)
    return market_rows(with_own_rates([listing], reader=reader, now=now), now=now)[0]


def market_rows(listings: Sequence[ListingView], *, now: datetime) -> list[MarketRow]:
    """Market, best prices and reference of each listing, in a fixed number of queries."""
    ids = [listing.id for listing in listings]
    assets = Asset.objects.select_related("instrument").in_bulk(
        {each for listing in listings for each in (listing.base_id, listing.quote_id)}
    )
    references = list_reference_prices(
        now=now, instrument_ids=[each.instrument_id for each in listings if each.instrument_id]
    )
    statistics = queries.statistics(listing_ids=ids, now=now)
    best = _best_prices(ids)
    rows = []
    for listing in listings:
        asset = assets[listing.base_id]
        assert asset.instrument is not None, "a listing sells tokens of an instrument"
        rows.append(
            MarketRow(
                listing=listing,
                asset=asset,
                quote=assets[listing.quote_id],
                instrument=asset.instrument,
                reference=references.get(asset.instrument.pk),
                statistics=statistics.get(listing.id, NO_STATISTICS),
                best=best.get(listing.id, Best()),
            )
        )
    return rows


def reference_line(
    row: MarketRow, *, since: datetime, interval_seconds: int
) -> list[tuple[int, int]]:
    """(seconds, micro-dollars per token) of the reference, the last one of each interval."""
    line: dict[int, int] = {}
    for tick in list_ticks(instrument_id=row.instrument.pk, since=since):
        seconds = int(tick.published_at.timestamp())
        start = seconds - seconds % interval_seconds
        line[start] = row.per_token(tick.price_per_share_micros)
    return sorted(line.items())


SORTS: dict[str, Any] = {
    "ticker": lambda row: row.instrument.ticker,
    "price": lambda row: row.price_units or 0,
    "change": lambda row: row.change or 0,
    "premium": lambda row: row.premium or 0,
    "volume": lambda row: row.statistics.cash_units,
}


def narrow(
    rows: Sequence[MarketRow], *, text: str = "", kind: str = "", only_open: bool = False
) -> list[MarketRow]:
    """The rows whose ticker or name contains `text`, of a kind ("stock", "etf"), tradable now."""
    wanted = text.strip().casefold()
    return [
        row
        for row in rows
        if wanted in f"{row.instrument.ticker} {row.asset.code} {row.instrument.name}".casefold()
        and kind in ("", row.instrument.kind)
        and (row.is_tradable or not only_open)
    ]


def ordered(rows: Sequence[MarketRow], *, sort: str) -> list[MarketRow]:
    """Rows by a name of SORTS, a leading "-" for descending; unknown names sort by ticker."""
    name = sort.removeprefix("-")
    return sorted(rows, key=SORTS.get(name, SORTS["ticker"]), reverse=sort.startswith("-"))


def _best_prices(listing_ids: Sequence[int]) -> dict[int, Best]:
    found = (
        Order.objects.filter(status=OrderStatus.OPEN.value, listing_id__in=listing_ids)
        .values("listing_id")
        .annotate(
            bid=Max("price_units", filter=Q(side="buy")),
            ask=Min("price_units", filter=Q(side="sell")),
        )
    )
    return {row["listing_id"]: Best(row["bid"], row["ask"]) for row in found}


def _ratio(value: int | None, base: int | None) -> Decimal | None:
    if value is None or not base:
        return None
    return Decimal(value) / Decimal(base) - 1
