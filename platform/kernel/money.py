"""Money is integers in base units; text and Decimal exist only at the edge.

One strict grammar reads amounts: plain ASCII digits, at most one point, at most
the asset's decimals. No sign, exponent, space, thousands separator or bare
point. Each rounding names its direction.
"""

import re
from decimal import Decimal
from typing import NewType

from kernel.refusals import Refusal

# Base units of an asset: 1 USDC = 1_000_000, 1 AAPLx = 100_000_000.
Units = NewType("Units", int)

UNITS_MAX = 2**63 - 1  # what PostgreSQL's bigint holds
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,18}))?", re.ASCII)


class MalformedAmount(Refusal):
    code = "malformed_amount"


def parse_units(text: object, decimals: int) -> Units:
    """Read an amount such as "1.25" into base units of an asset with `decimals`.

    :raises MalformedAmount: any other spelling, more decimals than the asset
        has, or more units than bigint holds. Trailing zeros beyond the
        decimals are refused too: what was written is what is booked.
    """
    match = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise MalformedAmount("Write the amount in plain digits, like 12 or 12.50.")
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > decimals:
        raise MalformedAmount(f"Use at most {decimals} digits after the point.")
    units = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    if units > UNITS_MAX:
        raise MalformedAmount("The amount is too large.")
    return Units(units)


def format_units(units: int, decimals: int, *, places_min: int = 0) -> str:
    """Write base units as plain digits, exactly; at least `places_min` decimals."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units))
    if not decimals:
        return sign + digits
    digits = digits.rjust(decimals + 1, "0")
    whole, fraction = digits[:-decimals], digits[-decimals:].rstrip("0")
    fraction = fraction.ljust(min(places_min, decimals), "0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def truncate_units(units: int, decimals: int, places: int) -> str:
    """Write base units with exactly `places` decimals, towards zero (display)."""
    assert 0 <= places <= decimals
    step = 10 ** (decimals - places)
    shown = abs(units) // step
    text = format_units(shown, places, places_min=places)
    return f"-{text}" if units < 0 and shown else text


def to_decimal(units: int, decimals: int) -> Decimal:
    """Base units as a Decimal of whole assets, exact."""
    return Decimal(units).scaleb(-decimals)


def floor_div(numerator: int, denominator: int) -> int:
    """Divide towards minus infinity: cash paid out, tokens minted."""
    assert denominator > 0
    return numerator // denominator


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide towards plus infinity: fees, tokens taken, cash held."""
    assert denominator > 0
    return -(-numerator // denominator)
