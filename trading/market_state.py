"""What a listing takes now, and why not more: the same for pages, feed and ticket.

The facts are those the engine goes by (trading/engine/phases.py), read as
committed: the listing's own state and hours, a halt of the share behind it, a
reference price that has grown old, and what the price protection has made of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reference.queries import ReferenceView, list_reference_prices
from reference.sessions import CalendarExhausted, SessionView, session_at
from trading.engine.protection import STALE_AFTER_SECONDS, STALE_GRACE_SECONDS
from trading.models import Listing, ListingPhase
from trading.states import (
    Allows,
    Condition,
    MarketPhase,
    Permission,
    TradingHours,
    permission,
)

STOPS_WHEN_OLDER = timedelta(seconds=STALE_AFTER_SECONDS + STALE_GRACE_SECONDS)


@dataclass(frozen=True, slots=True)
class MarketState:
    """`is_stale`: the price of the share is older than it should be in this session."""

    state: str
    reason: str
    until: datetime | None  # when the state is expected to end
    is_share_halted: bool
    halt_reason: str
    is_stale: bool
    hours: str = TradingHours.ALWAYS
    session: str = ""  # of the share's market; "" beyond the calendar
    opens_at: datetime | None = None  # when its hours begin again, while they are over
    phase: str = MarketPhase.CONTINUOUS
    phase_until: datetime | None = None
    stops_for_age: bool = False  # stale for so long that nothing is taken

    @property
    def permission(self) -> Permission:
        return permission(
            state=self.state,
            hours=self.hours,
            session=self.session,
            is_halted=self.is_share_halted,
            is_stale=self.stops_for_age,
            phase=self.phase,
        )

    @property
    def allows(self) -> Allows:
        return self.permission.allows

    @property
    def limited_by(self) -> str:
        """What limits trading most: a state, condition or phase, or nothing."""
        found = self.permission.limited_by
        return found or (Condition.REFERENCE_STALE.value if self.is_stale else "")

    @property
    def limited_until(self) -> datetime | None:
        """When that is expected to end, as far as anybody knows."""
        limit = self.limited_by
        if limit == Condition.SESSION_CLOSED:
            return self.opens_at
        if limit == self.state:
            return self.until
        return self.phase_until if limit == self.phase else None

    @property
    def takes_orders(self) -> bool:
        return self.allows.places

    @property
    def takes_market_orders(self) -> bool:
        return self.takes_orders and self.allows.market

    @property
    def takes_buys(self) -> bool:
        return self.takes_orders and self.allows.buys


def read_states(symbols: Iterable[str], *, now: datetime) -> dict[str, MarketState]:
    """The states of the listings named, as committed."""
    rows = Listing.objects.filter(symbol__in=set(symbols)).select_related("asset")
    listings = list(rows)
    phases = ListingPhase.objects.in_bulk([listing.pk for listing in listings])
    instruments = [listing.asset.instrument_id for listing in listings]
    wanted = [each for each in instruments if each is not None]
    references = list_reference_prices(now=now, instrument_ids=wanted)
    session = _session(now)
    return {
        listing.symbol: _market_state(
            listing,
            phases.get(listing.pk),
            references.get(listing.asset.instrument_id or 0),
            session,
        )
        for listing in listings
    }


def _session(now: datetime) -> SessionView | None:
    try:
        return session_at(now)
    except CalendarExhausted:
        return None


def _market_state(
    listing: Listing,
    phase: ListingPhase | None,
    reference: ReferenceView | None,
    session: SessionView | None,
) -> MarketState:
    return MarketState(
        state=listing.state,
        reason=listing.state_reason,
        until=listing.state_until,
        is_share_halted=reference is not None and reference.is_halted,
        halt_reason=reference.halt_reason if reference is not None else "",
        is_stale=reference is None or reference.is_stale,
        hours=listing.hours,
        session=session.session.value if session else "",
        opens_at=_opens_at(listing, session),
        phase=phase.phase if phase else MarketPhase.CONTINUOUS.value,
        phase_until=phase.until if phase else None,
        stops_for_age=_stops_for_age(reference, session),
    )


def _opens_at(listing: Listing, session: SessionView | None) -> datetime | None:
    if session is None or listing.hours == TradingHours.ALWAYS:
        return None
    if listing.hours == TradingHours.REGULAR:
        return None if session.is_regular else session.next_regular_open_at
    return None if session.has_prices else session.next_change_at


def _stops_for_age(reference: ReferenceView | None, session: SessionView | None) -> bool:
    """As protection.is_old, and for longer than its grace. A missing price stops nothing."""
    if reference is None or session is None or not reference.is_stale:
        return False
    return reference.age_seconds is not None and (
        timedelta(seconds=reference.age_seconds) >= STOPS_WHEN_OLDER
    )
