"""Which listings are offered, and their rules.

A listing that is not offered in a country does not exist there: it is left out
of lists and is "not found" by name, in every interface alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from kernel.refusals import NotFound
from reference.models import CountryRule
from trading.models import Listing


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing's rules; units as in models.Listing."""

    id: int
    symbol: str
    wsname: str
    base: str  # asset codes
    quote: str
    base_id: int
    quote_id: int
    base_decimals: int
    quote_decimals: int
    instrument_id: int | None
    name: str
    tick_units: int
    lot_units: int
    min_cash_units: int
    maker_fee_e6: int
    taker_fee_e6: int
    state: str
    state_reason: str
    state_until: datetime | None


def list_listings(*, country: str | None, now: datetime) -> list[ListingView]:
    """What is offered in `country`, by symbol; every listing when it is unknown (None)."""
    return [_view(listing) for listing in _offered(country).order_by("symbol")]


def get_listing(*, symbol: str, country: str | None) -> ListingView:
    """One listing by its symbol or wsname, in any case.

    :raises NotFound: unknown, or not offered in `country`; the answer is the same.
    """
    field = "wsname" if "/" in symbol else "symbol"
    listing = _offered(country).filter(**{f"{field}__iexact": symbol}).first()
    if listing is None:
        raise NotFound("There is no such listing.")
    return _view(listing)


def views_by_id(listing_ids: Iterable[int]) -> dict[int, ListingView]:
    """Listings by id, wherever they are offered: for an investor's own history."""
    found = Listing.objects.filter(id__in=set(listing_ids)).select_related("asset", "quote")
    return {listing.pk: _view(listing) for listing in found}


def views_by_symbol(symbols: Iterable[str]) -> dict[str, ListingView]:
    """Listings by symbol, wherever they are offered: for an investor's own history."""
    found = Listing.objects.filter(symbol__in=set(symbols)).select_related("asset", "quote")
    return {listing.symbol: _view(listing) for listing in found}


def _offered(country: str | None) -> QuerySet[Listing]:
    listings = Listing.objects.select_related("asset", "quote")
    if country is None:
        return listings
    if CountryRule.objects.filter(country=country, status="blocked").exists():
        return listings.none()
    return listings.exclude(blocks__country=country)


def _view(listing: Listing) -> ListingView:
    return ListingView(
        id=listing.pk,
        symbol=listing.symbol,
        wsname=listing.wsname,
        base=listing.asset.code,
        quote=listing.quote.code,
        base_id=listing.asset_id,
        quote_id=listing.quote_id,
        base_decimals=listing.asset.decimals,
        quote_decimals=listing.quote.decimals,
        instrument_id=listing.asset.instrument_id,
        name=listing.asset.name,
        tick_units=listing.tick_units,
        lot_units=listing.lot_units,
        min_cash_units=listing.min_cash_units,
        maker_fee_e6=listing.maker_fee_e6,
        taker_fee_e6=listing.taker_fee_e6,
        state=listing.state,
        state_reason=listing.state_reason,
        state_until=listing.state_until,
    )
