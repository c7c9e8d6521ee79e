"""May this order come in? Its form, its sender, the listing's state, its price.

Everything is decided on plain values before anything changes; each no is a
refusal with its own code. Funds are judged later, on the plan of its fills
(trading/engine/pool.py). docs/matching.md lists the codes.
"""

from datetime import UTC, datetime

from kernel.refusals import Refusal
from trading.commands import PlaceOrder
from trading.engine.book import BookOrder
from trading.engine.fees import MILLION, TOKEN, cash_text, token_text
from trading.engine.market import Eligibility, Market, Rules
from trading.engine.refusals import (
    DisclosureNotAccepted,
    ListingClosed,
    ListingRestricted,
    MalformedOrder,
    MarketBroken,
    NotEligible,
    OrderTooLarge,
    OrderTooSmall,
    PriceNotOnTick,
    PriceOutsideBand,
    PriceOutsideCollar,
    QuantityNotOnLot,
    ReferenceStale,
    SellOnly,
    SessionClosed,
    TradingPaused,
    UnderlyingHalted,
)
from trading.engine.terms import TRIGGERED_TYPES
from trading.states import ALLOWS, EVERYTHING, Condition, MarketPhase

# More than any order on this venue is worth; keeps every product within bigint.
ORDER_CASH_MAX = 10**14  # 100 million USDC
ORDER_QUANTITY_MAX = 10**16  # 100 million tokens
PRICE_MAX = ORDER_CASH_MAX  # of a whole token
CLIENT_ORDER_ID_LENGTH_MAX = 64
WITH_LIMIT = ("limit", "stop_loss_limit", "take_profit_limit")
AT_ONCE = ("ioc", "fok")


def check_form(command: PlaceOrder, rules: Rules) -> None:
    """Refuse an order that contradicts itself or the listing's steps."""
    if (command.quantity_units is None) == (command.cash_units is None):
        raise MalformedOrder("Name either a quantity or an amount of cash.")
    if (command.price_units is None) == (command.type in WITH_LIMIT):
        raise MalformedOrder("A limit order has a price, a market order has none.")
    if command.post_only and (command.type != "limit" or command.time_in_force in AT_ONCE):
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
        check_quantity(quantity, rules)
    if cash is not None and cash < rules.min_cash:
        raise too_small(rules)
    if cash is not None and cash > rules.max_cash:
        raise OrderTooLarge(maximum=cash_text(rules.max_cash))
    if price is not None:
        check_price(price, rules)
        if quantity is not None:
            check_value(price, quantity, rules)


def check_value(price: int, quantity: int, rules: Rules) -> None:
    """Refuse what is worth more at this price than one order may be."""
    if price * quantity > rules.max_cash * TOKEN:
        raise OrderTooLarge(maximum=cash_text(rules.max_cash))


def check_quantity(quantity: int, rules: Rules) -> None:
    """Refuse a quantity that is none, too much, or not in lots."""
    if quantity <= 0:
        raise too_small(rules)
    if quantity > rules.max_quantity:
        raise OrderTooLarge(maximum_quantity=token_text(rules.max_quantity))
    if quantity % rules.lot:
        raise QuantityNotOnLot(lot=token_text(rules.lot))


def check_price(price: int, rules: Rules) -> None:
    """Refuse a price that is none or off the tick; a lot must be worth a unit of cash."""
    if price > PRICE_MAX:
        raise MalformedOrder("A price is not beyond all bounds.")
    if price < lowest_price(rules) or price % rules.tick:
        raise PriceNotOnTick(tick=cash_text(rules.tick))


def lowest_price(rules: Rules) -> int:
    """The least price on the tick at which a lot is worth a unit of cash."""
    least = -(-TOKEN // rules.lot)
    return least + -least % rules.tick


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
    """Refuse what the listing does not take now; `market.guard` has worked it out."""
    allows = market.guard.allows
    if allows is EVERYTHING:
        return
    if not allows.places:
        raise why_closed(market)
    if command.type == "market" and not allows.market:
        raise ListingRestricted("Market orders are off now; use a limit order.")
    if command.side == "buy" and not allows.buys:
        raise ListingRestricted("This listing is being wound down: it can only be sold.")
    if command.time_in_force in ("ioc", "fok") and not allows.takes:
        raise ListingRestricted("Nothing matches at once now; place an order that may rest.")
    if command.type in TRIGGERED_TYPES and not allows.conditional:
        raise ListingRestricted("Orders that wait for a price are off now.")


def check_amend(market: Market) -> None:
    """Refuse to change an order while the listing takes nothing new."""
    if not market.guard.allows.amends:
        raise why_closed(market)


def why_closed(market: Market) -> Refusal:
    """The refusal of the rule that closes the market, with its reason and expected end."""
    guard, rules = market.guard, market.rules
    until = {"until": moment_text(guard.phase_until)} if guard.phase_until else {}
    match guard.limited_by:
        case Condition.SESSION_CLOSED:
            opens = {"opens_at": moment_text(guard.opens_at)} if guard.opens_at else {}
            return SessionClosed(hours=rules.hours, **opens)
        case Condition.SHARE_HALTED:
            reason = guard.outside.halt_reason if guard.outside else ""
            return UnderlyingHalted(**({"reason": reason} if reason else {}))
        case Condition.REFERENCE_STALE:
            return ReferenceStale()
        case MarketPhase.PAUSE:
            return TradingPaused(**until)
        case MarketPhase.BREAKER:
            return MarketBroken(reason=guard.phase_reason, **until)
    details = {"state": rules.state}
    if rules.state_reason:
        details["reason"] = rules.state_reason
    if rules.state_until:
        details["until"] = moment_text(rules.state_until)
    return ListingClosed(**details)


def moment_text(moment: float) -> str:
    """As 2026-11-25T14:30:00Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def check_triggered(order: BookOrder, market: Market) -> None:
    """Refuse a triggered order that the listing does not take at this moment."""
    allows = market.guard.allows
    if not allows.takes:
        raise why_closed(market)
    if order.is_buy and not allows.buys:
        raise ListingRestricted("This listing is being wound down: it can only be sold.")


def check_amended(order: BookOrder, market: Market) -> None:
    """Refuse an amended order that could not come in now, or wait for its trigger."""
    if order.price is not None:
        check_collar(order.price, market)
        check_value(order.price, order.quantity or 0, market.rules)
    if order.is_buy and not market.guard.allows.buys:
        raise ListingRestricted("This listing is being wound down: it can only be sold.")


def check_stays(order: BookOrder, rules: Rules) -> None:
    """Refuse what may not go on living: buys of a listing that is being wound down."""
    if order.is_buy and not ALLOWS[rules.state].buys and ALLOWS[rules.state].places:
        raise ListingRestricted("This listing is being wound down: it can only be sold.")


def may_trigger(market: Market) -> bool:
    """Whether orders that wait for a price may fire."""
    return market.guard.allows.triggers


def may_take(market: Market) -> bool:
    """Whether orders may match at once."""
    return market.guard.allows.takes


def is_beyond_band(is_buy: bool, price: int, market: Market) -> bool:
    """Whether an order at this price, once it has taken what it may, may not rest.

    It would buy above the band or sell below it, or cross what already stands beyond it.
    """
    guard = market.guard
    if not guard.width or guard.allows.gathers:
        return False
    best = market.book.opposite(is_buy).best()
    if is_buy:
        return price > guard.high or (best is not None and price >= best.price < guard.low)
    return price < guard.low or (best is not None and price <= best.price > guard.high)


def clip_to_band(is_buy: bool, limit: int, market: Market) -> int | None:
    """How far an order may take: its limit, or the band. None: not at all.

    That is so where the other side has been left beyond the band by a band that moved.
    """
    guard = market.guard
    best = market.book.opposite(is_buy).best()
    if is_buy:
        if best is not None and best.price < guard.low:
            return None
        return min(limit, guard.high)
    if best is not None and best.price > guard.high:
        return None
    return max(limit, guard.low)


def outside_band(market: Market) -> PriceOutsideBand:
    low, high = market.guard.low, market.guard.high
    return PriceOutsideBand(low=cash_text(low), high=cash_text(high))


def protection_price(market: Market, *, is_buy: bool) -> int | None:
    """How far a market order may run: a share of the best price. None: nothing to take.

    The collar around the reference and the price band bound it as well, so a market
    order never pays what a limit order could not have named.
    """
    best = market.book.opposite(is_buy).best()
    if best is None:
        return None
    rules, guard = market.rules, market.guard
    if is_buy:
        limit = best.price * (MILLION + rules.protection_e6) // MILLION
        if market.reference is not None:
            limit = min(limit, market.reference * (MILLION + rules.collar_e6) // MILLION)
        return max(min(limit - limit % rules.tick, guard.high), 1)
    limit = -(-best.price * (MILLION - rules.protection_e6) // MILLION)
    if market.reference is not None:
        limit = max(limit, -(-market.reference * (MILLION - rules.collar_e6) // MILLION))
    return max(limit + -limit % rules.tick, guard.low)
