"""The feed's messages as JSON text; docs/reference/websocket.md describes each.

Amounts are plain decimals in text, as everywhere on the wire.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from custody.pages import Holding
from kernel.money import format_units
from trading.api_shapes import candle_json, trade_json
from trading.commands import BookUpdate, OrderView
from trading.live_book import LiveBook, trades_of
from trading.live_orders import ENTRIES_MAX, Entry, LiveOrders
from trading.market_state import MarketState
from trading.order_shapes import order_json
from trading.queries import ListingView, TradeView

# More prices than anybody looks at; the rest comes with updates when it moves.
SNAPSHOT_LEVELS_MAX = 500

_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(message: dict[str, Any]) -> str:
    return _encoder.encode(message).decode()


def book_snapshot(book: LiveBook) -> str:
    sides = {
        name: [_level(book.view, price, *level) for price, level in book.best(side)]
        for name, side in (("bids", "buy"), ("asks", "sell"))
    }
    return encode({**_head("snapshot", "book", book.view, book.seq), **sides})


def book_update(update: BookUpdate, view: ListingView) -> str:
    """Prices that moved and what stands there now; quantity 0: the price is gone."""
    return encode({**_head("update", "book", view, update.seq), **_levels(update, view)})


def update_fields(update: BookUpdate, view: ListingView) -> dict[str, Any]:
    """An update as it was told, with its trades."""
    rows = [trade_json(trade, view) for trade in trades_of(update)]
    return {"seq": update.seq, **_levels(update, view), "trades": rows}


def _levels(update: BookUpdate, view: ListingView) -> dict[str, list[list[Any]]]:
    sides: dict[str, list[list[Any]]] = {"bids": [], "asks": []}
    for side, price, quantity, orders in update.levels:
        sides["bids" if side == "buy" else "asks"].append(_level(view, price, quantity, orders))
    return sides


def trades(kind: str, found: Iterable[TradeView], view: ListingView) -> str:
    """Trades oldest first; `seq` is the last one's number."""
    rows = [trade_json(trade, view) for trade in found]
    seq = rows[-1]["trade_no"] if rows else 0
    return encode({**_head(kind, "trades", view, seq), "trades": rows})


def level3_snapshot(book: LiveOrders) -> str:
    return encode({"type": "snapshot", "channel": "level3", **level3_fields(book)})


def level3_fields(book: LiveOrders, limit: int = ENTRIES_MAX) -> dict[str, Any]:
    """Orders, at most `limit` a side, in the order in which they would be matched."""
    head = {"listing": book.view.symbol, "seq": book.seq}
    return {**head, **_queues(book.view, book.entries(limit))}


def level3_update(seq: int, changes: Iterable[Entry], view: ListingView) -> str:
    """Orders that came, shrank or went (quantity 0)."""
    return encode({**_head("update", "level3", view, seq), **_queues(view, changes)})


def _queues(view: ListingView, entries: Iterable[Entry]) -> dict[str, list[list[Any]]]:
    sides: dict[str, list[list[Any]]] = {"bids": [], "asks": []}
    for side, price, quantity, priority, id in entries:
        row = [id, _cash(view, price), _quantity(view, quantity), priority]
        sides["bids" if side == "buy" else "asks"].append(row)
    return sides


def candles(kind: str, book: LiveBook, interval: int) -> str:
    """A snapshot's candles, oldest first, or the present one; `seq` is its last trade's number."""
    found = book.candles(interval) if kind == "snapshot" else [book.present_candle(interval)]
    rows = [candle_json(candle, book.view) for candle in found]
    head = _head(kind, "candles", book.view, found[-1].last_no if found else 0)
    return encode({**head, "interval_seconds": interval, "candles": rows})


def resumed(channel: str, view: ListingView, *, after: int, seq: int) -> str:
    """What follows are the updates that were missed, up to `seq`, and then the present ones."""
    return encode({**_head("resumed", channel, view, seq), "from_seq": after})


def ticker(kind: str, book: LiveBook) -> str:
    return encode({"type": kind, "channel": "ticker", **ticker_fields(book)})


def ticker_fields(book: LiveBook) -> dict[str, Any]:
    """Level 1, the last 24 hours, and what the listing takes now."""
    bid, ask, day = book.best_level("buy"), book.best_level("sell"), book.statistics
    view = book.view
    found = {
        "bid": _cash(view, bid and bid[0]),
        "bid_quantity": _quantity(view, bid and bid[1]),
        "ask": _cash(view, ask and ask[0]),
        "ask_quantity": _quantity(view, ask and ask[1]),
        "last": _cash(view, day.last_units),
        "open_24h": _cash(view, day.open_units),
        "high_24h": _cash(view, day.high_units),
        "low_24h": _cash(view, day.low_units),
        "volume_24h": _quantity(view, day.volume_units),
        "cash_24h": _cash(view, day.cash_units),
        "vwap_24h": _cash(view, day.vwap_units),
        "change_24h": _cash(view, day.change_units),
        "trades_24h": day.trades,
    }
    head = {"listing": view.symbol, "seq": book.seq}
    return {**head, **found, **_indication(book), **state(book.state)}


def _indication(book: LiveBook) -> dict[str, Any]:
    """What an auction that gathers orders would come to, if there is one."""
    price, quantity, imbalance = book.indication or (None, None, None)
    return {
        "auction_price": _cash(book.view, price),
        "auction_quantity": _quantity(book.view, quantity),
        "auction_imbalance": _quantity(book.view, imbalance),
    }


def state(found: MarketState) -> dict[str, Any]:
    """What the listing takes now, why not more, and until when."""
    return {
        "state": found.state,
        "state_reason": found.reason,
        "state_until": found.until,
        "share_halted": found.is_share_halted,
        "share_halt_reason": found.halt_reason,
        "reference_stale": found.is_stale,
        "hours": found.hours,
        "session": found.session,
        "phase": found.phase,
        "limited_by": found.limited_by,
        "limited_until": found.limited_until,
        "takes_orders": found.takes_orders,
        "takes_market_orders": found.takes_market_orders,
        "takes_buys": found.takes_buys,
    }


def orders(kind: str, found: Iterable[tuple[OrderView, ListingView]], seq: int) -> str:
    rows = [order_json(order, view) for order, view in found]
    return encode({"type": kind, "channel": "orders", "seq": seq, "orders": rows})


def balances(kind: str, holdings: Iterable[Holding]) -> str:
    rows = [
        {
            "asset": holding.asset.code,
            "total": format_units(holding.total_units, holding.asset.decimals),
            "available": format_units(holding.available_units, holding.asset.decimals),
            "in_orders": format_units(holding.in_orders_units, holding.asset.decimals),
            "in_redemption": format_units(holding.in_redemption_units, holding.asset.decimals),
            "pledged": format_units(holding.pledged_units, holding.asset.decimals),
            "on_the_way": format_units(holding.on_the_way_units, holding.asset.decimals),
        }
        for holding in holdings
    ]
    return encode({"type": kind, "channel": "balances", "balances": rows})


def _head(kind: str, channel: str, view: ListingView, seq: int) -> dict[str, Any]:
    return {"type": kind, "channel": channel, "listing": view.symbol, "seq": seq}


def _level(view: ListingView, price: int, quantity: int, orders: int) -> list[Any]:
    return [_cash(view, price), _quantity(view, quantity), orders]


def _cash(view: ListingView, units: int | None) -> str | None:
    return None if units is None else format_units(units, view.quote_decimals, places_min=2)


def _quantity(view: ListingView, units: int | None) -> str | None:
    return None if units is None else format_units(units, view.base_decimals)
