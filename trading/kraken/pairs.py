"""Naming assets and pairs as Kraken does, in the spelling that the client used.

Clients upper-case what they were told and then look for their own spelling in
the answer, so a name is matched without regard to case and echoed as it came.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kernel.money import format_units
from kernel.refusals import NotFound
from trading import queries
from trading.engine.rates import Tier
from trading.kraken.replies import INVALID_ARGUMENTS, UNKNOWN_PAIR, KrakenError
from trading.offering import Reader
from trading.queries import ListingView
from trading.states import ALLOWS, ListingState

PAIRS_NAMED_MAX = 200
TOKENIZED = "tokenized_asset"
CURRENCY = "currency"
ANY = ("", "currency", TOKENIZED, "all")

# Kraken knows no halt: nothing new is accepted, what rests may be canceled.
STATUSES = {ListingState.HALTED.value: "cancel_only"}


def find_pair(*, name: str, reader: Reader) -> ListingView:
    """The listing that `name` means.

    :raises KrakenError: unknown, or not offered to `reader`.
    """
    try:
        return queries.get_listing(symbol=name, reader=reader)
    except NotFound:
        raise KrakenError(UNKNOWN_PAIR) from None


def named_pairs(
    *, names: Sequence[str], reader: Reader, now: datetime
) -> list[tuple[str, ListingView]]:
    """Each name with its listing, keyed by what the client asked for; all when none is named.

    :raises KrakenError: a name is unknown, or there are too many.
    """
    if len(names) > PAIRS_NAMED_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:pair")
    listings = queries.list_listings(reader=reader, now=now)
    if not names:
        return [(listing.symbol, listing) for listing in listings]
    known = {listing.symbol.lower(): listing for listing in listings}
    known |= {listing.wsname.lower(): listing for listing in listings}
    try:
        return [(spelled(name, known[name.lower()]), known[name.lower()]) for name in names]
    except KeyError:
        raise KrakenError(UNKNOWN_PAIR) from None


def spelled(name: str, listing: ListingView) -> str:
    """The key to answer under: the client's spelling with a slash, else the canonical id."""
    return name if "/" in name else listing.symbol


def check_class(asset_class: str) -> None:
    """Accept the classes that clients send for tokenized assets; require none.

    :raises KrakenError: a class that we do not have.
    """
    if asset_class not in ANY:
        raise KrakenError(f"{INVALID_ARGUMENTS}:asset_class")


def pair_row(listing: ListingView, tiers: Sequence[Tier]) -> dict[str, Any]:
    """A row of AssetPairs; fees as [30-day volume, percent], the lowest volume first."""
    return {
        "altname": listing.symbol,
        "wsname": listing.wsname,
        "aclass_base": TOKENIZED,
        "base": listing.base,
        "aclass_quote": CURRENCY,
        "quote": listing.quote,
        "lot": "unit",
        "cost_decimals": listing.quote_decimals,
        "pair_decimals": price_places(listing),
        "lot_decimals": lot_places(listing),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[tier.volume_from // 10**6, tier.taker_e6 / 10_000] for tier in tiers],
        "fees_maker": [[tier.volume_from // 10**6, tier.maker_e6 / 10_000] for tier in tiers],
        "fee_volume_currency": listing.quote,
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": format_units(listing.lot_units, listing.base_decimals),
        "costmin": format_units(listing.min_cash_units, listing.quote_decimals),
        "tick_size": format_units(listing.tick_units, listing.quote_decimals),
        "status": _status(listing),
        "execution_venue": "international",
    }


def _status(listing: ListingView) -> str:
    """The pair's state, and no more than this client may do in it."""
    if listing.sell_only and ALLOWS[listing.state][0]:
        return ListingState.REDUCE_ONLY.value
    return STATUSES.get(listing.state, listing.state)


def asset_row(*, code: str, decimals: int, display_decimals: int, is_token: bool) -> dict[str, Any]:
    """A row of Assets."""
    return {
        "aclass": TOKENIZED if is_token else CURRENCY,
        "altname": code,
        "decimals": decimals,
        "display_decimals": display_decimals,
        "status": "enabled",
    }


def price_places(listing: ListingView) -> int:
    """How many decimals a price has: those of the tick."""
    return _places(listing.tick_units, listing.quote_decimals)


def lot_places(listing: ListingView) -> int:
    """How many decimals a volume has: those of the lot."""
    return _places(listing.lot_units, listing.base_decimals)


def price_text(listing: ListingView, units: int) -> str:
    return format_units(units, listing.quote_decimals, places_min=price_places(listing))


def volume_text(listing: ListingView, units: int) -> str:
    """Volumes always carry all the asset's decimals, as Kraken's do."""
    return format_units(units, listing.base_decimals, places_min=listing.base_decimals)


def cash_text(listing: ListingView, units: int) -> str:
    return format_units(units, listing.quote_decimals, places_min=listing.quote_decimals)


def _places(step_units: int, decimals: int) -> int:
    """Decimals that a multiple of `step_units` needs: a tick of 10_000 of 1e-6 needs 2."""
    places = decimals
    while places > 0 and step_units % 10 ** (decimals - places + 1) == 0:
        places -= 1
    return places
