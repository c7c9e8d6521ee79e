"""Statuses of orders and listings, and what each allows, as tables.

docs/matching.md prints the same tables for readers; a test compares them.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class OrderStatus(StrEnum):
    OPEN = "open"  # resting in the book, partly filled or not
    UNTRIGGERED = "untriggered"  # not in the book: waits for its trigger, and holds
    FILLED = "filled"
    CANCELED = "canceled"  # by its owner, staff, a changed fact or self-trade prevention
    EXPIRED = "expired"  # its time in force was over: the rest of IOC and market orders
    REFUSED = "refused"  # never accepted, kept with its reason


# Orders that live: in the book, or waiting to enter it.
LIVE_STATUSES: Final = (OrderStatus.OPEN.value, OrderStatus.UNTRIGGERED.value)


class ListingState(StrEnum):
    ONLINE = "online"
    LIMIT_ONLY = "limit_only"  # no market orders: weekends, thin books
    POST_ONLY = "post_only"  # orders that would match at once are refused
    REDUCE_ONLY = "reduce_only"  # sells alone: a listing that is being wound down
    CANCEL_ONLY = "cancel_only"  # nothing new; what rests may be canceled
    HALTED = "halted"  # trading paused for a reason outside; as cancel_only
    AUCTION = "auction"  # limit orders gather, nothing matches until they are all matched at once


class TradingHours(StrEnum):
    """When a listing trades, by the calendar of its share."""

    ALWAYS = "24/7"
    WEEKDAYS = "24/5"  # pre-market, regular, post-market and overnight sessions
    REGULAR = "regular"  # 9:30 to 16:00 Eastern, 13:00 on early closes


class MarketPhase(StrEnum):
    """What the price protection has made of a listing; the engine alone moves it."""

    CONTINUOUS = "continuous"
    LIMIT_STATE = "limit_state"  # the best price stands at its band: 15 seconds to leave it
    PAUSE = "pause"  # nothing matches; ends in an auction
    AUCTION = "auction"
    BREAKER = "breaker"  # the whole market has fallen too far


class Condition(StrEnum):
    """What limits a listing, besides its state and phase."""

    SESSION_CLOSED = "session_closed"  # outside the listing's hours
    SHARE_HALTED = "share_halted"  # halted at its exchange
    REFERENCE_STALE = "reference_stale"  # its outside price has not been heard of for too long


class Allows(NamedTuple):
    """What may be done. Canceling is not here: it is possible always."""

    places: bool  # new orders
    market: bool  # market orders
    takes: bool  # orders that match at once, so IOC and FOK
    buys: bool
    conditional: bool  # orders that wait for a trigger may be placed
    triggers: bool  # triggers fire
    amends: bool  # an order may be changed
    gathers: bool = False  # orders stand in the book unmatched, until one auction matches them

    def __and__(self, other: "Allows") -> "Allows":
        """The stricter of both in each point; who gathers on one side gathers."""
        return Allows(
            self.places and other.places,
            self.market and other.market,
            self.takes and other.takes,
            self.buys and other.buys,
            self.conditional and other.conditional,
            self.triggers and other.triggers,
            self.amends and other.amends,
            self.gathers or other.gathers,
        )


EVERYTHING: Final = Allows(True, True, True, True, True, True, True)
NOTHING: Final = Allows(False, False, False, False, False, False, False)
GATHERING: Final = Allows(True, False, False, True, True, False, True, gathers=True)

ALLOWS: Final[dict[str, Allows]] = {
    ListingState.ONLINE: EVERYTHING,
    ListingState.LIMIT_ONLY: EVERYTHING._replace(market=False),
    ListingState.POST_ONLY: Allows(True, False, False, True, True, False, True),
    ListingState.REDUCE_ONLY: EVERYTHING._replace(buys=False),
    ListingState.CANCEL_ONLY: NOTHING,
    ListingState.HALTED: NOTHING,
    ListingState.AUCTION: GATHERING,
}

PHASE_ALLOWS: Final[dict[str, Allows]] = {
    MarketPhase.CONTINUOUS: EVERYTHING,
    MarketPhase.LIMIT_STATE: EVERYTHING,  # inside its band
    MarketPhase.PAUSE: NOTHING,
    MarketPhase.AUCTION: GATHERING,
    MarketPhase.BREAKER: NOTHING,
}

CONDITION_ALLOWS: Final[dict[str, Allows]] = {
    Condition.SESSION_CLOSED: NOTHING,
    Condition.SHARE_HALTED: NOTHING,
    Condition.REFERENCE_STALE: NOTHING,
}

# The sessions of the share's market in which a listing of these hours trades.
OPEN_SESSIONS: Final[dict[str, frozenset[str]]] = {
    # "": beyond the calendar who trades always goes on.
    TradingHours.ALWAYS: frozenset(
        {"pre", "regular", "post", "overnight", "weekend", "holiday", ""},
    ),
    TradingHours.WEEKDAYS: frozenset({"pre", "regular", "post", "overnight"}),
    TradingHours.REGULAR: frozenset({"regular"}),
}


class Permission(NamedTuple):
    """What a listing takes now, and the rule that says so: a state, condition or phase."""

    allows: Allows
    limited_by: str  # "" when nothing limits it


def permission(
    *, state: str, hours: str, session: str, is_halted: bool, is_stale: bool, phase: str
) -> Permission:
    """The strictest of all rules, and the first of them, the hardest first.

    :param session: of the share's market; "" when the calendar does not say.
    """
    rules: list[tuple[str, Allows]] = []
    if state != ListingState.ONLINE:
        rules.append((state, ALLOWS[state]))
    if session not in OPEN_SESSIONS[hours]:
        rules.append((Condition.SESSION_CLOSED, CONDITION_ALLOWS[Condition.SESSION_CLOSED]))
    if is_halted:
        rules.append((Condition.SHARE_HALTED, CONDITION_ALLOWS[Condition.SHARE_HALTED]))
    if is_stale:
        rules.append((Condition.REFERENCE_STALE, CONDITION_ALLOWS[Condition.REFERENCE_STALE]))
    if phase != MarketPhase.CONTINUOUS:
        rules.append((phase, PHASE_ALLOWS[phase]))
    allows = EVERYTHING
    for _, each in rules:
        allows &= each
    closing = [name for name, each in rules if not each.places]
    return Permission(allows, (closing or [name for name, _ in rules] or [""])[0])
