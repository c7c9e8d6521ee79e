"""Reads of trading: listings, the public market, an investor's orders and trades."""

from trading.queries.charts import Candle, Statistics, candles, statistics
from trading.queries.listings import (
    ListingView,
    get_listing,
    list_if_all_offered,
    list_listings,
    listing_to_change,
    views_by_id,
    views_by_symbol,
)
from trading.queries.market import Depth, PriceLevel, TradeView, depth, recent_trades
from trading.queries.orders import (
    OwnTrade,
    find_order,
    get_order,
    get_status,
    list_open_ids,
    list_order_trades,
    list_orders,
    list_related,
    list_trades,
)

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
    "find_order",
    "get_listing",
    "get_order",
    "get_status",
    "list_if_all_offered",
    "list_listings",
    "list_open_ids",
    "list_order_trades",
    "list_orders",
    "list_related",
    "list_trades",
    "listing_to_change",
    "recent_trades",
    "statistics",
    "views_by_id",
    "views_by_symbol",
]
