"""Orders, trades and candles in Kraken's words. Times are float seconds, amounts text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kernel.money import format_units
from trading.commands import OrderView, PlaceOrder, TermsView
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
NO_TERMS = TermsView()  # of a plain order
PERCENT_DECIMALS = 4


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
    return f"{order.side} {volume} {listing.symbol} @ {_price_words(order, listing)}"


def close_words(order: PlaceOrder | OrderView, listing: ListingView) -> str:
    """`descr.close`: what closes the order's fills; empty when nothing does."""
    terms = terms_of(order)
    closes = (
        ("stop loss", terms.close_stop_loss_units),
        ("take profit", terms.close_take_profit_units),
    )
    words = [f"{name} {price_text(listing, units)}" for name, units in closes if units is not None]
    return f"close position @ {' or '.join(words)}" if words else ""


def described(order: PlaceOrder | OrderView, listing: ListingView) -> dict[str, str]:
    """`descr` of an order that was just placed."""
    words = {"order": order_words(order, listing)}
    if close := close_words(order, listing):
        words["close"] = close
    return words


def _price_words(order: PlaceOrder | OrderView, listing: ListingView) -> str:
    """ "limit 1.00", "stop loss 2.00 -> limit 1.00", "trailing stop +5.0000% -> limit -1.00"."""
    first, second = descr_prices(order, listing)
    name = order.type.removesuffix("_limit").replace("_", " ")
    if order.type == "market":
        return name
    return f"{name} {first}" if second is None else f"{name} {first} -> limit {second}"


def descr_prices(
    order: PlaceOrder | OrderView, listing: ListingView
) -> tuple[str | None, str | None]:
    """`price` and `price2` of `descr`: a trigger comes before its limit."""
    terms = terms_of(order)
    limit = None if order.price_units is None else price_text(listing, order.price_units)
    if order.type in ("limit", "market"):
        return limit, None
    if order.type.startswith("trailing"):
        offset = terms.limit_offset_units
        return _trail_text(terms, listing), None if offset is None else _signed(listing, offset)
    return price_text(listing, terms.trigger_price_units or 0), limit


def _trail_text(terms: PlaceOrder | TermsView, listing: ListingView) -> str:
    if terms.trail_e6 is not None:
        return f"+{format_units(terms.trail_e6, PERCENT_DECIMALS, places_min=PERCENT_DECIMALS)}%"
    return f"+{price_text(listing, terms.trail_units or 0)}"


def _signed(listing: ListingView, units: int) -> str:
    return f"{'-' if units < 0 else '+'}{price_text(listing, abs(units))}"


def terms_of(order: PlaceOrder | OrderView) -> PlaceOrder | TermsView:
    """Where an order's further terms are: both name them alike."""
    return order if isinstance(order, PlaceOrder) else order.terms or NO_TERMS


def type_of(order: PlaceOrder | OrderView) -> str:
    """Kraken's name of the order's type; a limit order that hides a part is an iceberg."""
    if order.type == "limit" and terms_of(order).display_units is not None:
        return "iceberg"
    return order.type.replace("_", "-")


def order_row(
    order: OrderView, listing: ListingView, trade_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """An order of OpenOrders, ClosedOrders and QueryOrders."""
    average = order.average_price_units or 0
    terms = order.terms or NO_TERMS
    first, second = descr_prices(order, listing)
    row: dict[str, Any] = {
        "refid": None if terms.parent_id is None else str(terms.parent_id),
        "userref": order.user_ref,
        "cl_ord_id": order.client_order_id,
        "status": STATUSES[order.status],
        "reason": order.reason or None,
        "opentm": seconds(order.accepted_at),
        "starttm": 0,
        "expiretm": 0 if terms.expires_at is None else seconds(terms.expires_at),
        "descr": {
            "pair": listing.symbol,
            "aclass": "tokenized_asset",
            "type": order.side,
            "ordertype": type_of(order),
            "price": first or price_text(listing, 0),
            "price2": second or "0",
            "leverage": "none",
            "order": order_words(order, listing),
            "close": close_words(order, listing),
        },
        "vol": _volume(order, listing),
        "vol_exec": volume_text(listing, order.filled_units),
        "cost": cash_text(listing, order.filled_cash_units),
        "fee": cash_text(listing, order.fee_units),
        "price": price_text(listing, average),
        "stopprice": price_text(listing, terms.trigger_price_units or 0),
        "limitprice": price_text(listing, _triggered_limit(order, terms)),
        "misc": _misc(order, terms),
        "oflags": _flags(order),
        "timeinforce": order.time_in_force.upper(),
        "reduce_only": terms.reduce_only,
    }
    if terms.trigger_by is not None:
        row["trigger"] = terms.trigger_by
    if order.status not in LIVE_STATUSES:
        row["closetm"] = seconds(order.updated_at)
    if trade_ids:
        row["trades"] = list(trade_ids)
    return row


def _triggered_limit(order: OrderView, terms: TermsView) -> int:
    """The limit of a conditional order once it has been triggered."""
    return (order.price_units or 0) if terms.triggered_at is not None else 0


def _misc(order: OrderView, terms: TermsView) -> str:
    """`stopped` by its stop price, `touched` by its take-profit price."""
    if terms.triggered_at is None:
        return ""
    return "touched" if order.type.startswith("take_profit") else "stopped"


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
