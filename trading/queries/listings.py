"""Which listings are offered, and their rules.

A listing that is not offered to a reader does not exist for them: it is left out
of lists and is "not found" by name, in every interface alike. What a reader may
still leave is there, "sell only" (trading/offering.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, QuerySet, Value

from kernel.refusals import NotFound
from reference.models import CountryRule
from trading.commands import OrderView
from trading.models import Listing, ListingCountryBlock
from trading.offering import Reader, check_side, exits_of, reader_of


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
    protection_e6: int  # how far a market order may run from the best price
    state: str
    state_reason: str
    state_until: datetime | None
    hours: str = "24/7"
    band_e6: int = 100_000  # how far trades may run from the last five minutes' mean
    max_cash_units: int = 10**14
    max_quantity_units: int = 10**16
    sell_only: bool = False  # to this reader: sold and canceled, not bought


def list_listings(*, reader: Reader, now: datetime) -> list[ListingView]:
    """What is offered to `reader`, by symbol, and what they may still sell."""
    return _views_for(reader, Listing.objects.order_by("symbol"))


def list_if_all_offered(*, reader: Reader) -> list[ListingView] | None:
    """What is offered to everybody who lives and trades as `reader` does; None: not all is.

    Then it depends on what each of them holds.
    """
    views = _views_for(replace(reader, investor_id=None), Listing.objects.order_by("symbol"))
    return views if len(views) == Listing.objects.count() else None


def get_listing(*, symbol: str, reader: Reader) -> ListingView:
    """One listing by its symbol or wsname, in any case.

    :raises NotFound: unknown, or not offered to `reader`; the answer is the same.
    """
    if "\0" in symbol:  # which the database would not even compare
        raise NotFound("There is no such listing.")
    field = "wsname" if "/" in symbol else "symbol"
    found = _views_for(reader, Listing.objects.filter(**{f"{field}__iexact": symbol}))
    if not found:
        raise NotFound("There is no such listing.")
    return found[0]


def listing_to_change(order: OrderView) -> ListingView:
    """The listing of an own order whose price or size is to be changed.

    :raises NotFound, SellOnly: a buy of what its owner may only leave by now; it can be canceled.
    """
    if order.side == "buy":
        reader = reader_of(investor_id=order.investor_id)
        check_side(get_listing(symbol=order.listing, reader=reader), order.side)
    return views_by_symbol([order.listing])[order.listing]


def views_by_id(listing_ids: Iterable[int]) -> dict[int, ListingView]:
    """Listings by id, wherever they are offered: for an investor's own history."""
    found = Listing.objects.filter(id__in=set(listing_ids)).select_related("asset", "quote")
    return {listing.pk: _view(listing) for listing in found}


def views_by_symbol(symbols: Iterable[str]) -> dict[str, ListingView]:
    """Listings by symbol, wherever they are offered: for an investor's own history."""
    found = Listing.objects.filter(symbol__in=set(symbols)).select_related("asset", "quote")
    return {listing.symbol: _view(listing) for listing in found}


def _views_for(reader: Reader, listings: QuerySet[Listing]) -> list[ListingView]:
    found = listings.select_related("asset", "quote").annotate(is_offered=_is_offered(reader))
    rows = list(found)
    if not all(row.is_offered for row in rows):
        exits = exits_of(reader)
        rows = [
            row
            for row in rows
            if row.is_offered or row.asset_id in exits.asset_ids or row.pk in exits.listing_ids
        ]
    is_leaving = reader.may_sell and not reader.may_buy
    return [_view(row, sell_only=is_leaving or not row.is_offered) for row in rows]


def _is_offered(reader: Reader) -> Any:
    """Whether a listing is offered where the reader lives."""
    condition: Any = Value(True)
    if reader.country is not None:
        if CountryRule.objects.filter(country=reader.country, status="blocked").exists():
            condition = Value(False)
        else:
            blocks = ListingCountryBlock.objects.filter(
                listing=OuterRef("pk"), country=reader.country
            )
            condition = ~Exists(blocks)
    return ExpressionWrapper(condition, output_field=BooleanField())


def _view(listing: Listing, *, sell_only: bool = False) -> ListingView:
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
        protection_e6=listing.protection_e6,
        state=listing.state,
        state_reason=listing.state_reason,
        state_until=listing.state_until,
        hours=listing.hours,
        band_e6=listing.band_e6,
        max_cash_units=listing.max_cash_units,
        max_quantity_units=listing.max_quantity_units,
        sell_only=sell_only,
    )
