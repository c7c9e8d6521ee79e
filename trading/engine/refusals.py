"""What the engine refuses: each no with its own code and its sentence.

Beside the modules that raise them, which may be compiled (platform/bourse/native.py):
a compiled class keeps no docstring, and that is the sentence. docs/matching.md lists them.
"""

from kernel.refusals import NotFound, Refusal


class InsufficientFunds(Refusal):
    """You have less available than this order needs."""

    code = "insufficient_funds"


class TooManyOpenOrders(Refusal):
    """You have as many open orders as one investor may have."""

    code = "too_many_open_orders"


class OrderNotOpen(Refusal):
    """The order is closed already."""

    code = "order_not_open"


class OrderUnknown(NotFound):
    """There is no such open order."""

    code = "order_not_found"


class ListingUnknown(NotFound):
    """There is no such listing."""

    code = "listing_not_found"


class MalformedOrder(Refusal):
    """The order contradicts itself."""

    code = "malformed_order"


class PriceNotOnTick(Refusal):
    """The price is not a multiple of the listing's tick."""

    code = "price_not_on_tick"


class QuantityNotOnLot(Refusal):
    """The quantity is not a multiple of the listing's lot."""

    code = "quantity_not_on_lot"


class OrderTooSmall(Refusal):
    """The order is worth less than the listing's minimum."""

    code = "order_too_small"


class OrderTooLarge(Refusal):
    """The order is worth more than one order may be."""

    code = "order_too_large"


class NotEligible(Refusal):
    """You may not trade this now."""

    code = "not_eligible"


class SellOnly(Refusal):
    """You can sell what you hold of it and cancel your orders, not buy."""

    code = "sell_only"
    http_status = 403


class DisclosureNotAccepted(Refusal):
    """Read and accept the token's disclosure first."""

    code = "disclosure_not_accepted"


class ListingClosed(Refusal):
    """The listing takes no new orders now. What rests can be canceled."""

    code = "listing_closed"


class SessionClosed(Refusal):
    """It is outside this listing's trading hours. What rests can be canceled."""

    code = "session_closed"


class UnderlyingHalted(Refusal):
    """The share behind this token is halted at its exchange."""

    code = "underlying_halted"


class ReferenceStale(Refusal):
    """The price of the share has not been heard of for too long; trading waits for it."""

    code = "reference_stale"


class TradingPaused(Refusal):
    """The price has moved too far too fast: trading pauses, then reopens by an auction."""

    code = "trading_paused"


class MarketBroken(Refusal):
    """The whole market has fallen too far: trading in every listing is stopped for now."""

    code = "market_breaker"


class ListingRestricted(Refusal):
    """The listing's present state does not take orders of this kind."""

    code = "listing_restricted"


class PriceOutsideCollar(Refusal):
    """The price is too far from the reference price."""

    code = "price_outside_collar"


class PriceOutsideBand(Refusal):
    """Nothing trades beyond the price band now, so this order could neither match nor rest."""

    code = "price_outside_band"


class WouldTake(Refusal):
    """A post-only order would have matched at once."""

    code = "post_only_would_take"


class TooManyTrailingStops(Refusal):
    """As many trailing stops wait as are followed at a time."""

    code = "too_many_trailing_stops"


class NothingToReduce(Refusal):
    """A reduce-only order sells what you have, and nothing is available."""

    code = "nothing_to_reduce"


class ReferenceMissing(Refusal):
    """There is no price yet that this order could watch."""

    code = "reference_missing"


class TradingStopped(Refusal):
    """Trading is stopped for now. You can still cancel your orders."""

    code = "trading_stopped"
    http_status = 403


class TooManyMessages(Refusal):
    """You send more messages a second than one investor may. Cancels are still taken."""

    code = "too_many_messages"
    http_status = 429
