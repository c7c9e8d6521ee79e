"""Who asks, and what is offered to them: what is not offered does not exist for them.

One exception, so that nobody is locked in: who holds tokens of a listing, or has
orders open in it, may sell and cancel wherever they live. Such a listing is shown
"sell only". A freeze stops that too.
"""

from dataclasses import dataclass
from typing import Any

from accounts.queries import get_eligibility, get_investor
from custody.pages import list_holdings
from trading.engine.refusals import SellOnly
from trading.models import Order
from trading.states import LIVE_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who asks; without an investor behind them, everything is offered."""

    investor_id: int | None = None
    country: str | None = None  # ISO 3166 alpha-2; None for visitors and before KYC says
    may_buy: bool = True
    may_sell: bool = False


ANYONE = Reader()


def reader_of(*, investor_id: int | None) -> Reader:
    """The investor as a reader, by the eligibility that counts now."""
    if investor_id is None:
        return ANYONE
    snapshot = get_eligibility(investor_id=investor_id)
    known = snapshot.country if snapshot else ""
    country = known or get_investor(investor_id=investor_id).residence_country or None
    return Reader(
        investor_id=investor_id,
        country=country,
        may_buy=snapshot is None or snapshot.may_buy,
        may_sell=snapshot is not None and snapshot.may_sell,
    )


def check_side(listing: Any, side: str) -> None:
    """Refuse a buy of what this reader may only leave, before it goes to the engine.

    The engine judges it too, by the eligibility it knows; a country's rule gets there later.

    :raises SellOnly: as it says.
    """
    if listing.sell_only and side == "buy":
        raise SellOnly


@dataclass(frozen=True, slots=True)
class Exits:
    """What a reader can leave: assets that are held, listings with open orders."""

    asset_ids: frozenset[int] = frozenset()
    listing_ids: frozenset[int] = frozenset()


def exits_of(reader: Reader) -> Exits:
    """Asked for only where something is not offered; nothing for who may not sell."""
    if reader.investor_id is None or not reader.may_sell:
        return Exits()
    holdings = list_holdings(investor_id=reader.investor_id)
    orders = Order.objects.filter(investor_id=reader.investor_id, status__in=LIVE_STATUSES)
    held = (each for each in holdings if each.total_units > each.in_redemption_units)
    return Exits(
        frozenset(each.asset.pk for each in held),
        frozenset(orders.values_list("listing_id", flat=True)),
    )
