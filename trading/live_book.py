"""One public book in the memory of a web process, kept up by the engine's news."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from heapq import nlargest, nsmallest

from trading.commands import BookUpdate
from trading.market_state import MarketState
from trading.queries import Candle, Depth, ListingView, Statistics, TradeView
from trading.queries.charts import start_of

TRADES_KEPT = 50
# Who asks for no older updates than these is answered from memory.
UPDATES_KEPT = 1_000
CANDLES_KEPT = 100


class LiveBook:
    """Levels by price, last trades, the day's statistics, its state; `seq` as in the feed."""

    def __init__(
        self,
        view: ListingView,
        state: MarketState,
        depth: Depth,
        statistics: Statistics,
        trades: list[TradeView],
    ) -> None:
        self.view = view
        self.state = state
        self.seq = depth.seq
        self.statistics = statistics
        self.trades: deque[TradeView] = deque(trades, maxlen=TRADES_KEPT)
        # Price, quantity and imbalance of an auction that gathers, as the engine told last.
        self.indication: tuple[int, int, int] | None = None
        self._candles: dict[int, deque[Candle]] = {}  # by interval, the present one last
        self._updates: deque[BookUpdate] = deque(maxlen=UPDATES_KEPT)
        self._sides = {
            side: {level.price_units: (level.quantity_units, level.orders) for level in levels}
            for side, levels in (("buy", depth.bids), ("sell", depth.asks))
        }

    def apply(self, update: BookUpdate) -> list[TradeView]:
        """Take over the next update, none being missing; returns the trades that are new.

        Trades are read after the depth, so some may be known already.
        """
        assert update.seq == self.seq + 1
        self.seq = update.seq
        self.indication = update.indication
        self._updates.append(update)
        for side, price, quantity, orders in update.levels:
            if quantity:
                self._sides[side][price] = (quantity, orders)
            else:
                self._sides[side].pop(price, None)
        if not update.trades:
            return []
        known_no = self.last_trade_no
        fresh = [trade for trade in trades_of(update) if trade.trade_no > known_no]
        for trade in fresh:
            self._count(trade)
        self.trades.extend(fresh)
        return fresh

    @property
    def last_trade_no(self) -> int:
        return self.trades[-1].trade_no if self.trades else 0

    def updates_after(self, seq: int) -> list[BookUpdate] | None:
        """The updates that follow `seq`, if they are all still known."""
        missing = self.seq - seq
        if missing < 0 or missing > len(self._updates):
            return None
        return list(self._updates)[len(self._updates) - missing :]

    def trades_after(self, trade_no: int) -> list[TradeView]:
        """Trades that follow a number, as far as their updates are still known."""
        known = (trade for update in self._updates for trade in trades_of(update))
        return [trade for trade in known if trade.trade_no > trade_no]

    def _count(self, trade: TradeView) -> None:
        day, price = self.statistics, trade.price_units
        self.statistics = replace(
            day,
            last_units=price,
            open_units=day.open_units or price,
            high_units=max(day.high_units or price, price),
            low_units=min(day.low_units or price, price),
            volume_units=day.volume_units + trade.quantity_units,
            cash_units=day.cash_units + price * trade.quantity_units // 10**8,
            trades=day.trades + 1,
        )
        for interval in self._candles:
            self._count_candle(interval, trade)

    def intervals(self) -> list[int]:
        """Of the candles that are kept."""
        return list(self._candles)

    def knows_candles(self, interval: int) -> bool:
        return interval in self._candles

    def begin_candles(self, interval: int, found: list[Candle]) -> None:
        """Keep candles from what was read, which may be newer or older than this book."""
        self._candles[interval] = deque(found, maxlen=CANDLES_KEPT)
        for trade in self.trades_after(found[-1].last_no if found else 0):
            self._count_candle(interval, trade)

    def candles(self, interval: int) -> list[Candle]:
        return list(self._candles[interval])

    def present_candle(self, interval: int) -> Candle:
        return self._candles[interval][-1]

    def _count_candle(self, interval: int, trade: TradeView) -> None:
        """Let a trade into the present candle, or begin the next with it."""
        price, candles = trade.price_units, self._candles[interval]
        known = candles[-1] if candles else None
        if known is not None and trade.trade_no <= known.last_no:
            return
        start = start_of(trade.traded_at, interval)
        quantity, cash = trade.quantity_units, price * trade.quantity_units // 10**8
        if known is None or start > known.start_at:
            first = (start, price, price, price, price, quantity, cash, 1, trade.trade_no)
            candles.append(Candle(*first))
            return
        candles[-1] = replace(
            known,
            high_units=max(known.high_units, price),
            low_units=min(known.low_units, price),
            close_units=price,
            volume_units=known.volume_units + quantity,
            cash_units=known.cash_units + cash,
            trades=known.trades + 1,
            last_no=trade.trade_no,
        )

    def best(self, side: str, levels: int = 500) -> Iterator[tuple[int, tuple[int, int]]]:
        """(price, (quantity, orders)) from the best price on."""
        found = self._sides[side]
        pick = nlargest if side == "buy" else nsmallest
        for price in pick(levels, found):
            yield price, found[price]

    def best_level(self, side: str) -> tuple[int, int] | None:
        """(price, quantity) at the top, or None."""
        found = self._sides[side]
        if not found:
            return None
        price = max(found) if side == "buy" else min(found)
        return price, found[price][0]


def trades_of(update: BookUpdate) -> list[TradeView]:
    return [
        TradeView(id, number, price, quantity, taker_side, datetime.fromtimestamp(at, UTC))
        for id, number, price, quantity, taker_side, at in update.trades
    ]
