"""Reads of trading: listings, the public market, an investor's orders and trades."""

from trading.queries.listings import ListingView, get_listing, list_listings
from trading.queries.market import (
    Candle,
    Depth,
    PriceLevel,
    Statistics,
    TradeView,
    candles,
    depth,
    recent_trades,
    statistics,
)
from trading.queries.orders import OwnTrade, get_order, list_orders, list_trades

__all__ = [
    "Candle",
    "Depth",
    "ListingView",
    "OwnTrade",
    "PriceLevel",
    "Statistics",
    "TradeView",
    "candles",
    "depth",
    "get_listing",
    "get_order",
    "list_listings",
    "list_orders",
    "list_trades",
    "recent_trades",
    "statistics",
]
