"""Orders, trades and candles in Kraken's words. Times are float seconds, amounts text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from trading.commands import OrderView, PlaceOrder
from trading.kraken.pairs import cash_text, price_text, volume_text
from trading.queries import Candle, ListingView, OwnTrade, PriceLevel, TradeView
from trading.states import LIVE_STATUSES

# Ours to theirs; a refused order was never accepted and counts as canceled.
STATUSES = {
    "open": "open",
    "untriggered": "open",
    "filled": "closed",
    "canceled": "canceled",
    "expired": "expired",
    "refused": "canceled",
}


def seconds(moment: datetime) -> float:
    return moment.timestamp()


def nanoseconds(moment: datetime) -> str:
    """The 19 digits that clients page trades by."""
    return str((int(moment.timestamp()) * 1_000_000 + moment.microsecond) * 1_000)


def order_words(order: PlaceOrder | OrderView, listing: ListingView) -> str:
    """`descr.order`, which clients split at spaces and read by position."""
    if order.quantity_units is not None:
        volume = volume_text(listing, order.quantity_units)
    else:
        volume = cash_text(listing, order.cash_units or 0)
    terms = (
        "market" if order.price_units is None else f"limit {price_text(listing, order.price_units)}"
    )
    return f"{order.side} {volume} {listing.symbol} @ {terms}"


def order_row(
    order: OrderView, listing: ListingView, trade_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """An order of OpenOrders, ClosedOrders and QueryOrders."""
    average = order.average_price_units or 0
    row: dict[str, Any] = {
        "refid": None,
        "userref": order.user_ref,
        "cl_ord_id": order.client_order_id,
        "status": STATUSES[order.status],
        "reason": order.reason or None,
        "opentm": seconds(order.accepted_at),
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": listing.symbol,
            "aclass": "tokenized_asset",
            "type": order.side,
            "ordertype": order.type,
            "price": price_text(listing, order.price_units or 0),
            "price2": "0",
            "leverage": "none",
            "order": order_words(order, listing),
            "close": "",
        },
        "vol": _volume(order, listing),
        "vol_exec": volume_text(listing, order.filled_units),
        "cost": cash_text(listing, order.filled_cash_units),
        "fee": cash_text(listing, order.fee_units),
        "price": price_text(listing, average),
        "stopprice": price_text(listing, 0),
        "limitprice": price_text(listing, 0),
        "misc": "",
        "oflags": _flags(order),
        "timeinforce": order.time_in_force.upper(),
    }
    if order.status not in LIVE_STATUSES:
        row["closetm"] = seconds(order.updated_at)
    if trade_ids:
        row["trades"] = list(trade_ids)
    return row


def own_trade_row(trade: OwnTrade, listing: ListingView, order_type: str) -> dict[str, Any]:
    """A trade of TradesHistory."""
    return {
        "ordertxid": str(trade.order_id),
        "postxid": str(trade.id),
        "pair": listing.symbol,
        "aclass": "tokenized_asset",
        "time": seconds(trade.traded_at),
        "type": trade.side,
        "ordertype": order_type,
        "price": price_text(listing, trade.price_units),
        "cost": cash_text(listing, trade.cash_units),
        "fee": cash_text(listing, trade.fee_units),
        "vol": volume_text(listing, trade.quantity_units),
        "margin": cash_text(listing, 0),
        "leverage": "0",
        "misc": "",
        "trade_id": trade.trade_no,
        "maker": trade.role == "maker",
    }


def public_trade_row(trade: TradeView, listing: ListingView, order_type: str = "l") -> list[Any]:
    """A trade of Trades: price, volume, time, side, order type, misc, number."""
    return [
        price_text(listing, trade.price_units),
        volume_text(listing, trade.quantity_units),
        seconds(trade.traded_at),
        trade.taker_side[0],
        order_type,
        "",
        trade.trade_no,
    ]


def level_row(level: PriceLevel, listing: ListingView, now: datetime) -> list[Any]:
    """A price level of Depth."""
    return [
        price_text(listing, level.price_units),
        volume_text(listing, level.quantity_units),
        int(seconds(now)),
    ]


def candle_row(candle: Candle, listing: ListingView) -> list[Any]:
    """A candle of OHLC: time, open, high, low, close, vwap, volume, count."""
    prices = (candle.open_units, candle.high_units, candle.low_units, candle.close_units)
    return [
        int(seconds(candle.start_at)),
        *(price_text(listing, price) for price in prices),
        price_text(listing, average_price(candle.cash_units, candle.volume_units, listing)),
        volume_text(listing, candle.volume_units),
        candle.trades,
    ]


def average_price(cash_units: int, quantity_units: int, listing: ListingView) -> int:
    """Cash per whole token, floored; 0 without any."""
    if not quantity_units:
        return 0
    return int(cash_units * 10**listing.base_decimals // quantity_units)


def _volume(order: OrderView, listing: ListingView) -> str:
    """In tokens; in cash for a market order that named cash (flag viqc)."""
    if order.quantity_units is not None:
        return volume_text(listing, order.quantity_units)
    return cash_text(listing, order.cash_units or 0)


def _flags(order: OrderView) -> str:
    flags = ["fciq"]  # fees are always taken in the quote currency
    if order.post_only:
        flags.append("post")
    if order.quantity_units is None:
        flags.append("viqc")
    return ",".join(flags)
