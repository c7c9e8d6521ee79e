"""TradeVolume: the 30-day volume, and each pair's rate, tier and next tier, in percent."""

from datetime import datetime
from typing import Any

from kernel.money import format_units
from trading.engine.rates import Tier
from trading.kraken.pairs import named_pairs
from trading.kraken.parameters import Parameters
from trading.kraken.replies import Result
from trading.offering import reader_of
from trading.queries.fees import FeeCard, get_standing, list_fee_cards

CURRENCY = "USD"
VOLUME_DECIMALS, PERCENT_DECIMALS = 6, 4


def trade_volume(investor_id: int, parameters: Parameters, now: datetime) -> Result:
    """For the pairs named in `pair`, or all. Our own fees are per pair, so both are always told."""
    reader = reader_of(investor_id=investor_id)
    volume = get_standing(investor_id=investor_id).volume_units
    pairs = named_pairs(names=parameters.words("pair"), reader=reader, now=now)
    cards = list_fee_cards(
        listings=[listing for _, listing in pairs], reader=reader, volume_units=volume, now=now
    )
    of_symbol = {symbol: card for card in cards for symbol in card.symbols}
    return {
        "currency": CURRENCY,
        "volume": _volume(volume),
        "fees": {name: _row(of_symbol[each.symbol], "taker_e6") for name, each in pairs},
        "fees_maker": {name: _row(of_symbol[each.symbol], "maker_e6") for name, each in pairs},
    }


def _row(card: FeeCard, side: str) -> dict[str, Any]:
    rates = [getattr(tier, side) for tier in card.tiers]
    upper: Tier | None = card.next
    return {
        "fee": _percent(getattr(card.reached, side)),
        "minfee": _percent(min(rates)),
        "maxfee": _percent(max(rates)),
        "nextfee": None if upper is None else _percent(getattr(upper, side)),
        "nextvolume": None if upper is None else _volume(upper.volume_from),
        "tiervolume": _volume(card.reached.volume_from),
    }


def _percent(rate_e6: int) -> str:
    return format_units(rate_e6, PERCENT_DECIMALS, places_min=PERCENT_DECIMALS)


def _volume(units: int) -> str:
    return format_units(units, VOLUME_DECIMALS, places_min=4)
