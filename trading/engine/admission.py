"""May this order come in? Its form, its sender, the listing's state, its price.

Everything is decided on plain values before anything changes; each no is a
refusal with its own code. Funds are judged later, on the plan of its fills
(trading/engine/pool.py). docs/matching.md lists the codes.
"""

from kernel.refusals import NotFound, Refusal
from trading.commands import PlaceOrder
from trading.engine.fees import MILLION, TOKEN, cash_floor, cash_text, token_text
from trading.engine.market import Eligibility, Market, Rules
from trading.states import ALLOWS

# More than any order on this venue is worth; keeps every product within bigint.
ORDER_CASH_MAX = 10**14  # 100 million USDC
ORDER_QUANTITY_MAX = 10**16  # 100 million tokens
CLIENT_ORDER_ID_LENGTH_MAX = 64


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


class UnderlyingHalted(Refusal):
    """The share behind this token is halted at its exchange."""

    code = "underlying_halted"


class ListingRestricted(Refusal):
    """The listing's present state does not take orders of this kind."""

    code = "listing_restricted"


class PriceOutsideCollar(Refusal):
    """The price is too far from the reference price."""

    code = "price_outside_collar"


def check_form(command: PlaceOrder, rules: Rules) -> None:
    """Refuse an order that contradicts itself or the listing's steps."""
    if (command.quantity_units is None) == (command.cash_units is None):
        raise MalformedOrder("Name either a quantity or an amount of cash.")
    if (command.price_units is None) == (command.type == "limit"):
        raise MalformedOrder("A limit order has a price, a market order has none.")
    if command.post_only and (command.type != "limit" or command.time_in_force != "gtc"):
        raise MalformedOrder("Post-only is for limit orders that stay until canceled.")
    _check_client_order_id(command.client_order_id)
    _check_steps(command, rules)


def _check_client_order_id(client_order_id: str | None) -> None:
    if client_order_id is None:
        return
    if not 0 < len(client_order_id) <= CLIENT_ORDER_ID_LENGTH_MAX:
        raise MalformedOrder(f"client_order_id has 1 to {CLIENT_ORDER_ID_LENGTH_MAX} characters.")


def _check_steps(command: PlaceOrder, rules: Rules) -> None:
    price, quantity, cash = command.price_units, command.quantity_units, command.cash_units
    if quantity is not None:
        if quantity <= 0:
            raise too_small(rules)
        if quantity > ORDER_QUANTITY_MAX:
            raise OrderTooLarge(maximum_quantity=token_text(ORDER_QUANTITY_MAX))
        if quantity % rules.lot:
            raise QuantityNotOnLot(lot=token_text(rules.lot))
    if cash is not None and cash < rules.min_cash:
        raise too_small(rules)
    if cash is not None and cash > ORDER_CASH_MAX:
        raise OrderTooLarge(maximum=cash_text(ORDER_CASH_MAX))
    if price is not None:
        # A lot must be worth a unit of cash, or a trade could move none.
        if price <= 0 or price % rules.tick or cash_floor(price, rules.lot) < 1:
            raise PriceNotOnTick(tick=cash_text(rules.tick))
        if quantity is not None and price * quantity > ORDER_CASH_MAX * TOKEN:
            raise OrderTooLarge(maximum=cash_text(ORDER_CASH_MAX))


def too_small(rules: Rules) -> OrderTooSmall:
    return OrderTooSmall(minimum=cash_text(rules.min_cash))


def check_sender(eligibility: Eligibility | None, rules: Rules, *, is_buy: bool) -> None:
    """Refuse who may not buy, or sell, this listing.

    Selling what one has stays possible wherever a listing is no longer offered.
    """
    if eligibility is None:
        raise NotEligible("Finish your verification before you trade.", reason="no_snapshot")
    if not (eligibility.may_buy if is_buy else eligibility.may_sell):
        raise NotEligible(reason=eligibility.reason_code)
    if is_buy and eligibility.country in rules.blocked_countries:
        raise SellOnly
    if is_buy and not eligibility.is_house and rules.base_code not in eligibility.accepted:
        raise DisclosureNotAccepted


def check_state(command: PlaceOrder, market: Market) -> None:
    """Refuse what the listing's state, or a halt of the share behind it, does not take."""
    allows = ALLOWS[market.rules.state]
    if not allows.places:
        raise ListingClosed
    if market.underlying_halted:
        raise UnderlyingHalted
    if command.type == "market" and not allows.market:
        raise ListingRestricted("Market orders are off now; use a limit order.")
    if command.side == "buy" and not allows.buys:
        raise ListingRestricted("This listing is being wound down: it can only be sold.")


def check_collar(price: int, market: Market) -> None:
    """Refuse a limit too far from the reference; without a fresh one there is no collar."""
    if market.reference is None:
        return
    band = market.reference * market.rules.collar_e6 // MILLION
    if abs(price - market.reference) > band:
        tick = market.rules.tick
        low, high = market.reference - band, market.reference + band
        raise PriceOutsideCollar(
            low=cash_text(max(low + -low % tick, tick)),
            high=cash_text(high - high % tick),
            reference=cash_text(market.reference),
        )


def may_take(market: Market) -> bool:
    """Whether orders may match at once in the listing's state."""
    return ALLOWS[market.rules.state].takes


def protection_price(market: Market, *, is_buy: bool) -> int | None:
    """How far a market order may run: a share of the best price. None: nothing to take.

    With a fresh reference the collar bounds it as well, so a market order never
    pays what a limit order could not have named.
    """
    best = market.book.opposite(is_buy).best()
    if best is None:
        return None
    rules = market.rules
    if is_buy:
        limit = best.price * (MILLION + rules.protection_e6) // MILLION
        if market.reference is not None:
            limit = min(limit, market.reference * (MILLION + rules.collar_e6) // MILLION)
        return max(limit - limit % rules.tick, 1)
    limit = -(-best.price * (MILLION - rules.protection_e6) // MILLION)
    if market.reference is not None:
        limit = max(limit, -(-market.reference * (MILLION - rules.collar_e6) // MILLION))
    return limit + -limit % rules.tick
