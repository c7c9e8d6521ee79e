"""Fees, rounded up per order and never above what was held for it.

A fee rounded up on every fill would, over many small fills, exceed the fee
that was held once for the whole order. So an order carries its exact fee in
millionths of a base unit; what it has paid is always the ceiling of that, and
a fill pays the difference. See docs/matching.md, "Fees and holds".
"""

from typing import Final

from kernel.money import format_units

MILLION: Final = 1_000_000
TOKEN_DECIMALS: Final = 8
CASH_DECIMALS: Final = 6
TOKEN: Final = 100_000_000  # base units of one whole token


def cash_text(units: int) -> str:
    """Cash, or a price per token, as a refusal names it."""
    return format_units(units, CASH_DECIMALS, places_min=2)


def token_text(units: int) -> str:
    return format_units(units, TOKEN_DECIMALS)


def cash_floor(price_units: int, quantity_units: int) -> int:
    """The cash that moves in a trade: floored once."""
    return price_units * quantity_units // TOKEN


def cash_ceil(price_units: int, quantity_units: int) -> int:
    """The most cash that fills of `quantity_units` at `price_units` can move."""
    return -(-price_units * quantity_units // TOKEN)


def fee_of_fill(millionths_before: int, cash_units: int, rate_e6: int) -> tuple[int, int]:
    """The order's exact fee after a fill, and the whole units this fill pays."""
    millionths = millionths_before + cash_units * rate_e6
    return millionths, -(-millionths // MILLION) + -millionths_before // MILLION


def buy_hold(price_units: int, leaves_units: int, fee_millionths: int, rate_e6: int) -> int:
    """The most that `leaves_units` may still cost at `price_units`, fee included.

    Shrinks at each fill by at least what the fill took, whatever its price (at
    most `price_units`), because ceil(a - b) + floor(b) <= ceil(a).
    """
    cash = cash_ceil(price_units, leaves_units)
    _, fee = fee_of_fill(fee_millionths, cash, rate_e6)
    return cash + fee


def quantity_for(budget_units: int, price_units: int, rate_e6: int, lot_units: int) -> int:
    """The most lots whose cash and fee at `price_units` fit the budget; may be 0."""
    # Two roundings up, at most one unit each, are left out of the estimate and checked below.
    estimate = budget_units * TOKEN * MILLION // (price_units * (MILLION + rate_e6))
    quantity = estimate - estimate % lot_units
    while quantity > 0 and buy_hold(price_units, quantity, 0, rate_e6) > budget_units:
        quantity -= lot_units
    return quantity
