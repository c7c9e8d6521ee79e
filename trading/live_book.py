"""One public book in the memory of a web process, kept up by the engine's news."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from heapq import nlargest, nsmallest

from trading.commands import BookUpdate
from trading.market_state import MarketState
from trading.queries import Depth, ListingView, Statistics, TradeView

TRADES_KEPT = 50


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
        self._sides = {
            side: {level.price_units: (level.quantity_units, level.orders) for level in levels}
            for side, levels in (("buy", depth.bids), ("sell", depth.asks))
        }

    def apply(self, update: BookUpdate, trades: list[TradeView]) -> list[TradeView]:
        """Take over the next update, none being missing; returns the trades that are new.

        Trades are read after the depth, so some may be known already.
        """
        assert update.seq == self.seq + 1
        self.seq = update.seq
        for side, price, quantity, orders in update.levels:
            if quantity:
                self._sides[side][price] = (quantity, orders)
            else:
                self._sides[side].pop(price, None)
        known_no = self.trades[-1].trade_no if self.trades else 0
        fresh = [trade for trade in trades if trade.trade_no > known_no]
        for trade in fresh:
            self._count(trade)
        self.trades.extend(fresh)
        return fresh

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
