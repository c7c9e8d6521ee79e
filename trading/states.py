"""Statuses of orders and listings, and what each allows, as tables.

docs/matching.md prints the same tables for readers.
"""

from enum import StrEnum
from typing import Final


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


# state: (new orders, market orders, orders that take, buys). Canceling is possible in each.
ALLOWS: Final[dict[str, tuple[bool, bool, bool, bool]]] = {
    ListingState.ONLINE: (True, True, True, True),
    ListingState.LIMIT_ONLY: (True, False, True, True),
    ListingState.POST_ONLY: (True, False, False, True),
    ListingState.REDUCE_ONLY: (True, True, True, False),
    ListingState.CANCEL_ONLY: (False, False, False, False),
    ListingState.HALTED: (False, False, False, False),
    ListingState.AUCTION: (True, False, False, True),
}
