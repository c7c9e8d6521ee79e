"""What a feed reads from the database: a book to begin with, and what it missed."""

from custody.pages import Holding, list_holdings
from kernel import clock
from trading import queries
from trading.commands import BookUpdate
from trading.live_book import CANDLES_KEPT, TRADES_KEPT, LiveBook
from trading.live_orders import LiveOrders
from trading.market_state import MarketState, read_states
from trading.queries import Candle, ListingView, TradeView, history
from trading.queries.market import DEPTH_LEVELS_MAX, TRADES_MAX, queues


def read_book(view: ListingView) -> LiveBook:
    # Trades and statistics may be a batch newer than the depth: LiveBook.apply knows.
    depth = queries.depth(listing_id=view.id, levels=DEPTH_LEVELS_MAX)
    trades = queries.recent_trades(listing_id=view.id, limit=TRADES_KEPT)
    now = clock.now()
    statistics = queries.statistics(listing_ids=[view.id], now=now)[view.id]
    state = read_states([view.symbol], now=now)[view.symbol]
    book = LiveBook(view, state, depth, statistics, trades[::-1])
    if gathers(state):
        book.indication = history.last_indication(listing_id=view.id)
    return book


def gathers(state: MarketState) -> bool:
    """Whether orders gather for an auction, which then has an indication."""
    return state.allows.gathers


def read_orders(view: ListingView, limit: int | None = None) -> LiveOrders:
    return LiveOrders(view, queues(listing_id=view.id, limit=limit))


def read_candles(view: ListingView, interval_seconds: int) -> list[Candle]:
    return queries.candles(
        listing_id=view.id, interval_seconds=interval_seconds, limit=CANDLES_KEPT
    )


def read_trades(view: ListingView, after_no: int) -> list[TradeView]:
    """Trades that follow a number, oldest first, as many as one read gives."""
    return queries.recent_trades(listing_id=view.id, after_no=after_no, limit=TRADES_MAX)


def read_updates(view: ListingView, seq: int) -> list[BookUpdate] | None:
    return history.updates_after(listing_id=view.id, symbol=view.symbol, seq=seq)


def read_holdings(investor_id: int) -> list[Holding]:
    return list_holdings(investor_id=investor_id)
