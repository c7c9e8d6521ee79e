"""Kill switches as the engine knows them: whose orders may not live for now.

Set and lifted through the inbox, so each takes effect at a known batch. Cancels
never ask here. See docs/fees.md for who sets and lifts them.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from trading.engine.book import BookOrder
from trading.engine.market import Eligibility
from trading.engine.refusals import TradingStopped

KILL_SWITCH = "kill_switch"  # the reason of orders that a switch has pulled


class StopScope(StrEnum):
    INVESTOR = "investor"
    LISTING = "listing"
    PARTNER = "partner"
    VENUE = "venue"


class Stop(NamedTuple):
    """A switch that is set; `words` are the public ones, "" where the usual ones do."""

    id: int
    scope: str
    key: int
    words: str


class Stops:
    """All switches that are set; replaced whole when one of them moves."""

    __slots__ = ("_by_key", "active")

    def __init__(self, active: Iterable[Stop] = ()) -> None:
        self.active = tuple(active)
        self._by_key = {(stop.scope, stop.key): stop for stop in self.active}

    def __bool__(self) -> bool:
        return bool(self.active)

    def stop_for(self, investor_id: int, partner_id: int | None, listing_id: int) -> Stop | None:
        """The switch that stops this investor in this listing, the widest first."""
        for key in (
            (StopScope.VENUE, 0),
            (StopScope.LISTING, listing_id),
            (StopScope.PARTNER, partner_id or 0),
            (StopScope.INVESTOR, investor_id),
        ):
            if key in self._by_key:
                return self._by_key[key]
        return None

    def cover(self, order: BookOrder, sender: Eligibility | None) -> bool:
        """Whether a resting order may not live."""
        if not self.active:
            return False
        partner_id = sender.partner_id if sender else None
        return self.stop_for(order.investor_id, partner_id, order.listing_id) is not None

    def check(self, investor_id: int, partner_id: int | None, listing_id: int) -> None:
        """:raises TradingStopped: a switch stops this investor in this listing."""
        if self.active:
            stop = self.stop_for(investor_id, partner_id, listing_id)
            if stop is not None:
                raise TradingStopped(stop.words)
