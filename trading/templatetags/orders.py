"""An order in words: what kind it is, what it waits for, what it is linked with.

static/js/order_words.js says the same of orders that the feed brings.
"""

import json

from django import template

from kernel.money import format_units
from trading.commands import OrderView, TermsView
from trading.engine.fees import cash_text
from trading.models import Order
from trading.order_bodies import PERCENT_DECIMALS
from trading.states import OrderStatus

register = template.Library()

KINDS = {
    "limit": "limit",
    "market": "market",
    "stop_loss": "stop loss",
    "stop_loss_limit": "stop loss",
    "take_profit": "take profit",
    "take_profit_limit": "take profit",
    "trailing_stop": "trailing stop",
    "trailing_stop_limit": "trailing stop",
}
LIFETIMES = {
    "gtc": "until filled or canceled",
    "ioc": "at once or not at all",
    "fok": "all at once or nothing",
    "day": "until the trading day ends",
    "gtd": "until a moment",
}
PREVENTIONS = {
    "cancel_newest": "the newer one is canceled",
    "cancel_oldest": "the older one is canceled",
    "cancel_both": "both are canceled",
    "decrement": "both shrink by the smaller one",
}
REASONS = {
    "requested": "you asked for it",
    "linked": "its other half was triggered, filled or canceled",
    "replaced": "another took its place",
    "self_trade": "it met an order of your own",
    "expired_gtd": "its time was over",
    "expired_day": "the trading day ended",
    "dead_man": "your dead-man switch went off",
    "fok_not_filled": "it could not be filled whole",
    "ioc_rest": "the rest could not be filled at once",
    "no_liquidity": "nobody offered anything",
    "protection_price": "the price ran further than a market order may",
    "price_band": "nothing trades beyond the price band",
    "kill_switch": "trading was stopped",
    "trading_stopped": "trading was stopped",
}


@register.filter
def kind(order: OrderView | Order) -> str:
    """ "limit", "stop loss", "iceberg"."""
    terms = getattr(order, "terms", None)  # a plain order has none
    if terms is not None and terms.display_units is not None:
        return "iceberg"
    return KINDS.get(order.type, order.type)


@register.filter
def waits_for(order: OrderView, quote: str) -> str:
    """What an order that is not in the book yet waits for; empty for any other."""
    terms = order.terms
    if terms is None or order.status != OrderStatus.UNTRIGGERED:
        return ""
    return trigger_words(order, terms, quote)


@register.filter
def trigger(order: OrderView, quote: str) -> str:
    """The trigger of a conditional order, whether it still waits or not; else empty."""
    terms = order.terms
    if terms is None or (terms.trigger_by is None and terms.trigger_price_units is None):
        return ""
    return trigger_words(order, terms, quote)


def trigger_words(order: OrderView, terms: TermsView, quote: str) -> str:
    if terms.trail_units is not None or terms.trail_e6 is not None:
        distance = (
            f"{_price(terms.trail_units)} {quote}"
            if terms.trail_units is not None
            else f"{format_units(terms.trail_e6 or 0, PERCENT_DECIMALS)} %"
        )
        side = "below the highest" if order.side == "sell" else "above the lowest"
        return f"{distance} {side} price, now {_price(terms.trigger_price_units or 0)} {quote}"
    fires_above = order.type.startswith("take_profit") == (order.side == "sell")
    turn = "rises" if fires_above else "falls"
    return f"when it {turn} to {_price(terms.trigger_price_units or 0)} {quote}"


@register.filter
def lifetime(order: OrderView) -> str:
    return LIFETIMES.get(order.time_in_force, order.time_in_force)


@register.filter
def prevention(terms: TermsView) -> str:
    """What happens when it meets an order of its own owner; empty for the usual."""
    if terms.self_trade_prevention == "cancel_newest":
        return ""
    return PREVENTIONS.get(terms.self_trade_prevention, terms.self_trade_prevention)


@register.filter
def reason_words(reason: str) -> str:
    """A reason's code in words, as far as there are some."""
    return REASONS.get(reason, reason.replace("_", " "))


@register.simple_tag
def all_reason_words() -> str:
    """Every reason's words by its code, as JSON: for what the browser is told of an order."""
    return json.dumps(REASONS)


def _price(units: int) -> str:
    """Digits with a comma every three, as the page's other prices have them."""
    whole, _, fraction = cash_text(units).partition(".")
    return f"{int(whole):,}.{fraction}"
