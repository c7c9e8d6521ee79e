"""What the market maker wants to have in the book of one listing: prices and sizes, from values.

Money is integers in base units, as in the product; nothing here speaks to anybody.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kernel.money import ceil_div, floor_div

Side = Literal["buy", "sell"]
SIDES: tuple[Side, Side] = ("buy", "sell")
MILLION = 1_000_000
TOKEN_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Manner:
    """How to quote; fractions in parts per million."""

    levels: int = 3
    half_spread_e6: int = 1_500
    level_step_e6: int = 2_000
    # A reference that moved less than this leaves the quotes where they are.
    requote_e6: int = 1_000
    # What one level shows, in quote base units, before the seeded variation of a half to double.
    level_cash_units: int = 1_000 * MILLION
    # Of the budget that falls on a listing and side, so much may lie in orders.
    budget_used_e6: int = 800_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The listing's rules that a quote has to keep."""

    tick_units: int
    lot_units: int
    cash_min_units: int
    fee_e6: int


@dataclass(frozen=True, slots=True)
class Quote:
    """One order to place."""

    side: Side
    price_units: int
    quantity_units: int


def wanted_quotes(
    *,
    reference_units: int,
    cash_budget_units: int,
    token_budget_units: int,
    rules: Rules,
    manner: Manner,
    seed: str,
) -> list[Quote]:
    """Both sides around the reference, the best level first.

    :param reference_units: quote units per whole token.
    :param cash_budget_units: what bids of this listing may hold, fees included.
    :param token_budget_units: what asks of this listing may hold.
    """
    # The same listing always shows the same sizes; nothing secret hangs on them.
    source = random.Random(seed)  # noqa: S311
    sizes = [_level_cash(manner, source) for _ in range(manner.levels)]
    prices = {side: _prices(side, reference_units, rules, manner) for side in SIDES}
    return [
        *_side("buy", prices["buy"], sizes, _usable(cash_budget_units, manner), rules),
        *_side("sell", prices["sell"], sizes, _usable(token_budget_units, manner), rules),
    ]


def has_moved(*, quoted_units: int, reference_units: int, manner: Manner) -> bool:
    """Whether the reference is far enough from the one that the quotes stand for."""
    return abs(reference_units - quoted_units) * MILLION > quoted_units * manner.requote_e6


def _side(
    side: Side, prices: Sequence[int], sizes: Sequence[int], budget_units: int, rules: Rules
) -> list[Quote]:
    """What of the wanted sizes the budget and the listing's rules allow."""
    left = budget_units
    quotes = []
    for level, (price, cash) in enumerate(zip(prices, sizes, strict=True)):
        if price <= 0:
            break
        quantity = _quantity(side, price, cash, left // (len(sizes) - level), rules)
        if floor_div(quantity * price, 10**TOKEN_DECIMALS) < rules.cash_min_units:
            continue
        quotes.append(Quote(side, price, quantity))
        left -= _held(side, price, quantity, rules)
    return quotes


def _prices(side: Side, reference_units: int, rules: Rules, manner: Manner) -> list[int]:
    """Bids round down to the tick and asks up: never closer than the spread."""
    tick = rules.tick_units
    found = []
    for level in range(manner.levels):
        away_e6 = manner.half_spread_e6 + level * manner.level_step_e6
        if side == "buy":
            found.append(floor_div(reference_units * (MILLION - away_e6), MILLION * tick) * tick)
        else:
            found.append(ceil_div(reference_units * (MILLION + away_e6), MILLION * tick) * tick)
    return found


def _usable(budget_units: int, manner: Manner) -> int:
    return floor_div(budget_units * manner.budget_used_e6, MILLION)


def _quantity(side: Side, price: int, cash: int, budget: int, rules: Rules) -> int:
    """Tokens for `cash`, or for what the budget allows, in whole lots."""
    if side == "buy":
        cash = min(cash, floor_div(budget * MILLION, MILLION + rules.fee_e6))
    tokens = floor_div(cash * 10**TOKEN_DECIMALS, price)
    if side == "sell":
        tokens = min(tokens, budget)
    return tokens // rules.lot_units * rules.lot_units


def _held(side: Side, price: int, quantity: int, rules: Rules) -> int:
    """What the order will hold: tokens of an ask, cash and fee of a bid."""
    if side == "sell":
        return quantity
    cash = ceil_div(quantity * price, 10**TOKEN_DECIMALS)
    return cash + ceil_div(cash * rules.fee_e6, MILLION)


def _level_cash(manner: Manner, source: random.Random) -> int:
    return int(manner.level_cash_units * source.uniform(0.5, 2.0))
