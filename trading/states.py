"""Statuses of orders and listings, and what each allows, as tables.

docs/matching.md prints the same tables for readers.
"""

from enum import StrEnum
from typing import Final


class OrderStatus(StrEnum):
    OPEN = "open"  # resting in the book, partly filled or not
    FILLED = "filled"
    CANCELED = "canceled"  # by its owner, staff, a changed fact or self-trade prevention
    EXPIRED = "expired"  # its time in force was over: the rest of IOC and market orders
    REFUSED = "refused"  # never accepted, kept with its reason


class ListingState(StrEnum):
    ONLINE = "online"
    LIMIT_ONLY = "limit_only"  # no market orders: weekends, thin books
    POST_ONLY = "post_only"  # orders that would match at once are refused
    REDUCE_ONLY = "reduce_only"  # sells alone: a listing that is being wound down
    CANCEL_ONLY = "cancel_only"  # nothing new; what rests may be canceled
    HALTED = "halted"  # trading paused for a reason outside; as cancel_only


# state: (new orders, market orders, orders that take, buys). Canceling is possible in each.
ALLOWS: Final[dict[str, tuple[bool, bool, bool, bool]]] = {
    ListingState.ONLINE: (True, True, True, True),
    ListingState.LIMIT_ONLY: (True, False, True, True),
    ListingState.POST_ONLY: (True, False, False, True),
    ListingState.REDUCE_ONLY: (True, True, True, False),
    ListingState.CANCEL_ONLY: (False, False, False, False),
    ListingState.HALTED: (False, False, False, False),
}
