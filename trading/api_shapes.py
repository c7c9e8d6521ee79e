"""How listings and market data look in JSON, and the shapes that the schema documents.

Amounts are text in whole units of their asset; a price is quote per whole token.
"""

from typing import Any

from rest_framework import serializers

from kernel.money import format_units
from trading.pages import MarketRow
from trading.queries import (
    Candle,
    Depth,
    ListingView,
    PriceLevel,
    TradeView,
)
from trading.queries.charts import CANDLES_MAX, INTERVALS_SECONDS
from trading.queries.market import DEPTH_LEVELS_MAX

MULTIPLIER_DECIMALS = 18
EPOCH_SECONDS_MAX = 4_102_444_800  # the year 2100
Shape = serializers.Serializer[dict[str, Any]]


class DepthQuery(Shape):
    levels = serializers.IntegerField(min_value=1, max_value=DEPTH_LEVELS_MAX, default=50)


class CandleQuery(Shape):
    interval_seconds = serializers.ChoiceField(choices=INTERVALS_SECONDS, default=60)
    start_at = serializers.IntegerField(
        min_value=0, max_value=EPOCH_SECONDS_MAX, required=False, help_text="seconds since 1970"
    )
    before = serializers.IntegerField(
        min_value=0,
        max_value=EPOCH_SECONDS_MAX,
        required=False,
        help_text="candles that begin before these seconds: the first one's, to page back",
    )
    adjusted = serializers.BooleanField(
        default=False, help_text="prices per share and volume in shares, by the multiplier then"
    )
    limit = serializers.IntegerField(min_value=1, max_value=CANDLES_MAX, default=500)


class ReferenceSerializer(Shape):
    """The underlying's price per TOKEN; stale and halted are two facts."""

    price = serializers.CharField(allow_null=True)
    age_seconds = serializers.IntegerField(allow_null=True)
    is_stale = serializers.BooleanField()
    is_halted = serializers.BooleanField()
    session = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]


class ListingSerializer(Shape):
    symbol = serializers.CharField()
    name = serializers.CharField()
    base = serializers.CharField()
    quote = serializers.CharField()
    instrument = serializers.CharField(help_text="the underlying's ticker")
    shares_per_token = serializers.CharField()
    base_decimals = serializers.IntegerField()
    quote_decimals = serializers.IntegerField()
    tick = serializers.CharField()
    lot = serializers.CharField()
    cash_min = serializers.CharField()
    cash_max = serializers.CharField(help_text="the largest order, in cash")
    quantity_max = serializers.CharField(help_text="the largest order, in tokens")
    band = serializers.CharField(help_text="a fraction of the last five minutes' mean")
    hours = serializers.CharField(help_text="24/7, 24/5 or regular")
    maker_fee = serializers.CharField(help_text="a fraction: 0.001 is 0.1 %")
    taker_fee = serializers.CharField()
    state = serializers.CharField()
    state_reason = serializers.CharField()
    state_until = serializers.DateTimeField(allow_null=True)
    sell_only = serializers.BooleanField(help_text="you may sell it and cancel, not buy it")
    bid = serializers.CharField(allow_null=True)
    ask = serializers.CharField(allow_null=True)
    reference = ReferenceSerializer(allow_null=True)
    last = serializers.CharField(allow_null=True)
    open_24h = serializers.CharField(allow_null=True)
    high_24h = serializers.CharField(allow_null=True)
    low_24h = serializers.CharField(allow_null=True)
    volume_24h = serializers.CharField()
    cash_24h = serializers.CharField()
    trades_24h = serializers.IntegerField()


class DepthSerializer(Shape):
    listing = serializers.CharField()
    seq = serializers.IntegerField(help_text="the book's sequence number, as in the feed")
    bids = serializers.ListField(help_text="[price, quantity, orders], best first")
    asks = serializers.ListField(help_text="[price, quantity, orders], best first")


class TradeSerializer(Shape):
    id = serializers.UUIDField()
    trade_no = serializers.IntegerField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    taker_side = serializers.CharField()
    traded_at = serializers.DateTimeField()


class CandleSerializer(Shape):
    start_at = serializers.DateTimeField()
    open = serializers.CharField()
    high = serializers.CharField()
    low = serializers.CharField()
    close = serializers.CharField()
    volume = serializers.CharField()
    cash = serializers.CharField()
    vwap = serializers.CharField(help_text="the average price, weighted by volume")
    trades = serializers.IntegerField()


class TradePage(Shape):
    results = TradeSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def listing_json(row: MarketRow) -> dict[str, Any]:
    listing, day = row.listing, row.statistics
    return {
        "symbol": listing.symbol,
        "name": listing.name,
        "base": listing.base,
        "quote": listing.quote,
        "instrument": row.instrument.ticker,
        "shares_per_token": format_units(int(row.asset.multiplier_e18), MULTIPLIER_DECIMALS),
        "base_decimals": listing.base_decimals,
        "quote_decimals": listing.quote_decimals,
        "tick": _cash(listing, listing.tick_units),
        "lot": _quantity(listing, listing.lot_units),
        "cash_min": _cash(listing, listing.min_cash_units),
        "cash_max": _cash(listing, listing.max_cash_units),
        "quantity_max": _quantity(listing, listing.max_quantity_units),
        "band": format_units(listing.band_e6, 6),
        "hours": listing.hours,
        "maker_fee": format_units(listing.maker_fee_e6, 6),
        "taker_fee": format_units(listing.taker_fee_e6, 6),
        "state": listing.state,
        "state_reason": listing.state_reason,
        "state_until": listing.state_until,
        "sell_only": listing.sell_only,
        "bid": _cash(listing, row.best.bid_units),
        "ask": _cash(listing, row.best.ask_units),
        "reference": _reference_json(row),
        "last": _cash(listing, day.last_units),
        "open_24h": _cash(listing, day.open_units),
        "high_24h": _cash(listing, day.high_units),
        "low_24h": _cash(listing, day.low_units),
        "volume_24h": _quantity(listing, day.volume_units),
        "cash_24h": _cash(listing, day.cash_units),
        "trades_24h": day.trades,
    }


def _reference_json(row: MarketRow) -> dict[str, Any] | None:
    found = row.reference
    if found is None:
        return None
    return {
        "price": _cash(row.listing, row.reference_units),
        "age_seconds": found.age_seconds,
        "is_stale": found.is_stale,
        "is_halted": found.is_halted,
        "session": str(found.session.value),
        "source": str(found.source.value),
    }


def depth_json(depth: Depth, listing: ListingView) -> dict[str, Any]:
    return {
        "listing": listing.symbol,
        "seq": depth.seq,
        "bids": [_level(level, listing) for level in depth.bids],
        "asks": [_level(level, listing) for level in depth.asks],
    }


def trade_json(trade: TradeView, listing: ListingView) -> dict[str, Any]:
    return {
        "id": trade.id,
        "trade_no": trade.trade_no,
        "price": _cash(listing, trade.price_units),
        "quantity": _quantity(listing, trade.quantity_units),
        "taker_side": trade.taker_side,
        "traded_at": trade.traded_at,
    }


def candle_json(candle: Candle, listing: ListingView) -> dict[str, Any]:
    return {
        "start_at": candle.start_at,
        "open": _cash(listing, candle.open_units),
        "high": _cash(listing, candle.high_units),
        "low": _cash(listing, candle.low_units),
        "close": _cash(listing, candle.close_units),
        "volume": _quantity(listing, candle.volume_units),
        "cash": _cash(listing, candle.cash_units),
        "vwap": _cash(listing, candle.vwap_units),
        "trades": candle.trades,
    }


def _level(level: PriceLevel, listing: ListingView) -> list[Any]:
    return [
        _cash(listing, level.price_units),
        _quantity(listing, level.quantity_units),
        level.orders,
    ]


def _cash(listing: ListingView, units: int | None) -> str | None:
    """Quote units, at least cents."""
    return None if units is None else format_units(units, listing.quote_decimals, places_min=2)


def _quantity(listing: ListingView, units: int | None) -> str | None:
    return None if units is None else format_units(units, listing.base_decimals)
