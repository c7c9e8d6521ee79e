"""What a listing takes now, and why not more: the same for pages, feed and ticket.

Three facts that change by themselves: the listing's own state, a halt of the
share behind it, and a reference price that has grown old.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reference.queries import ReferenceView, list_reference_prices
from trading.queries import ListingView
from trading.queries.listings import views_by_symbol
from trading.states import ALLOWS, ListingState


@dataclass(frozen=True, slots=True)
class MarketState:
    """`is_stale`: the price of the share is older than it should be in this session."""

    state: str
    reason: str
    until: datetime | None  # when it is expected to end
    is_share_halted: bool
    halt_reason: str
    is_stale: bool

    @property
    def limited_by(self) -> str:
        """What limits trading most: a state, `share_halted`, `reference_stale`, or nothing."""
        if not ALLOWS[self.state][0]:
            return self.state
        if self.is_share_halted:
            return "share_halted"
        if self.state != ListingState.ONLINE:
            return self.state
        return "reference_stale" if self.is_stale else ""

    @property
    def takes_orders(self) -> bool:
        return ALLOWS[self.state][0] and not self.is_share_halted

    @property
    def takes_market_orders(self) -> bool:
        return self.takes_orders and ALLOWS[self.state][1]

    @property
    def takes_buys(self) -> bool:
        return self.takes_orders and ALLOWS[self.state][3]


def market_state(listing: ListingView, reference: ReferenceView | None) -> MarketState:
    return MarketState(
        state=listing.state,
        reason=listing.state_reason,
        until=listing.state_until,
        is_share_halted=reference is not None and reference.is_halted,
        halt_reason=reference.halt_reason if reference is not None else "",
        is_stale=reference is None or reference.is_stale,
    )


def read_states(symbols: Iterable[str], *, now: datetime) -> dict[str, MarketState]:
    """The states of the listings named, as committed."""
    views = views_by_symbol(symbols)
    instruments = [view.instrument_id for view in views.values() if view.instrument_id]
    references = list_reference_prices(now=now, instrument_ids=instruments)
    return {
        symbol: market_state(view, references.get(view.instrument_id or 0))
        for symbol, view in views.items()
    }
