"""How large a mint is: what it costs at the reference, and beside what there is already.

A number too many is seen here before shares are bought for it, and a size beyond
MINT_TOKENS_MAX_VALUE is refused whoever asks; so is one of which nobody knows the worth.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from custody.ledger_purposes import ON_CHAIN_PURPOSES, Purpose
from custody.models import Asset, LedgerAccount
from kernel.money import ceil_div, format_units
from kernel.refusals import Refusal
from reference.queries import get_reference_price

USD_MICROS = 1_000_000
ONE_E18 = 10**18


class MintTooLarge(Refusal):
    """One mint may be worth only so much. Look at the number again."""

    code = "mint_too_large"


class MintPriceUnknown(Refusal):
    """There is no price of the share, so nobody can say what this mint is worth."""

    code = "mint_price_unknown"
    http_status = 409


@dataclass(frozen=True, slots=True)
class MintSize:
    """Units in the token's base units; `value_micros` is None without a reference price."""

    units: int
    value_micros: int | None
    supply_units: int
    inventory_units: int

    @property
    def of_supply(self) -> Decimal | None:
        return _part(self.units, self.supply_units)

    @property
    def of_inventory(self) -> Decimal | None:
        return _part(self.units, self.inventory_units)


def mint_size(*, token: Asset, units: int, now: datetime) -> MintSize:
    """`units` of a token beside its supply, its inventory and its price, as booked now."""
    accounts = LedgerAccount.objects.filter(asset=token)
    supply = accounts.filter(purpose__in=ON_CHAIN_PURPOSES).aggregate(n=Sum("posted_units"))["n"]
    inventory = accounts.filter(purpose=Purpose.INVENTORY).aggregate(n=Sum("posted_units"))["n"]
    return MintSize(units, _value(token, units, now), -(supply or 0), inventory or 0)


def check_mint_size(*, token: Asset, units: int, now: datetime) -> None:
    """:raises MintTooLarge, MintPriceUnknown: worth more than the setting allows, or who knows."""
    value = _value(token, units, now)
    if value is None:
        raise MintPriceUnknown
    limit = settings.ENV.mint_tokens_max_value * USD_MICROS
    if value > limit:
        raise MintTooLarge(
            f"This mint is worth about {value // USD_MICROS:,} USD; one mint may be worth "
            f"{limit // USD_MICROS:,} USD. Look at the number again.",
            value=format_units(value, 6, places_min=2),
            maximum=format_units(limit, 6, places_min=2),
        )


def _value(token: Asset, units: int, now: datetime) -> int | None:
    """In micro-dollars at the reference price, rounded up."""
    if token.instrument_id is None:
        return None
    price = get_reference_price(instrument_id=token.instrument_id, now=now)
    if price.price_per_share_micros is None:
        return None
    per_share = units * int(token.multiplier_e18) * price.price_per_share_micros
    return ceil_div(per_share, ONE_E18 * 10**token.decimals)


def _part(units: int, whole: int) -> Decimal | None:
    return Decimal(units) / Decimal(whole) if whole else None
