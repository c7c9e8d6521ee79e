"""Our pool behind the protocol of tracebook-conformance, which compares it with its own engine.

Holds no matching logic: it turns each of its events into a command, the pool's trades and
books into its records, and names into ids. Run as a process that speaks on stdin and stdout.
"""

import sys
from dataclasses import replace
from uuid import UUID

from tracebook.conformance.model import (
    BookSnapshot,
    BookState,
    ConformanceConfig,
    EngineMetadata,
    Observation,
    Outcome,
    RestingOrder,
    TradeFill,
    canonical_decimal,
)
from tracebook.conformance.protocol import serve_stdio
from tracebook.core.order import OrderSide, OrderType, SelfTradePolicy
from tracebook.events import MarketEvent

from kernel.ids import uuid7
from kernel.money import to_decimal
from kernel.refusals import Refusal
from tests.desk import RULES
from trading.commands import AmendOrder, CancelOrder, PlaceOrder, ReplaceOrder
from trading.engine.book import BookOrder, BookSide
from trading.engine.effects import Effects, TradeRecord
from trading.engine.fees import CASH_DECIMALS, TOKEN_DECIMALS
from trading.engine.market import Eligibility, Funds, Market, Rules
from trading.engine.pool import Pool

PLENTY = 10**17
PREVENTIONS = {
    SelfTradePolicy.CANCEL_RESTING: "cancel_oldest",
    SelfTradePolicy.CANCEL_INCOMING: "cancel_newest",
}
TIMES = {OrderType.LIMIT: "gtc", OrderType.IOC: "ioc", OrderType.FOK: "fok"}


class NameWrong(Exception):
    """A name that stands for no order, or for another one; the message is their reason."""


class Adapter:
    """One listing a symbol, one rich investor an order."""

    metadata = EngineMetadata("bourse", "0.1.0", "Python")

    def __init__(self, config: ConformanceConfig) -> None:
        self._tick = round(config.tick_size * 10**CASH_DECIMALS)
        self._policy = config.self_trade_policy
        self._pool = Pool()
        self._orders: dict[tuple[str, int], UUID] = {}  # the newest under a name
        self._names: dict[UUID, tuple[int, int]] = {}  # its name and its owner's
        self._investors = 0

    def apply(self, event: MarketEvent, index: int) -> Observation:
        effects = Effects(index, float(index))
        try:
            getattr(self, f"_{event.op}")(event, effects)
            outcome = Outcome("applied")
        except NameWrong as wrong:
            outcome = Outcome("rejected", str(wrong))
        except Refusal as refusal:
            reason = "INVALID_REPLACEMENT" if event.op == "replace" else "INVALID_ORDER"
            outcome = Outcome("rejected", reason, refusal.message)
        self._pool.check_invariants()
        state = self.snapshot()
        trades = tuple(self._fill(trade) for trade in effects.trades)
        return Observation(index, outcome, trades, state.digest(), state.order_count)

    def _new(self, event: MarketEvent, effects: Effects) -> None:
        self._market(event.symbol)
        key = (event.symbol, event.order_id)
        if self._orders.get(key) in self._pool.orders:
            raise NameWrong("DUPLICATE_ORDER_ID")
        command = self._command(event)
        self._names[command.id] = (event.order_id, event.owner)
        self._pool.place(command, effects)
        self._orders[key] = command.id

    def _cancel(self, event: MarketEvent, effects: Effects) -> None:
        order = self._active(event)
        command = CancelOrder(investor_id=order.investor_id, order_id=order.id)
        self._pool.cancel(command, effects)

    def _reduce(self, event: MarketEvent, effects: Effects) -> None:
        """Theirs names what goes, ours what is left; all of it gone is a cancel."""
        order = self._active(event)
        units = _units(event.quantity)
        if units == order.leaves:
            self._cancel(event, effects)
            return
        command = AmendOrder(
            investor_id=order.investor_id,
            order_id=order.id,
            quantity_units=order.quantity - units,
        )
        self._pool.amend(command, effects)

    def _replace(self, event: MarketEvent, effects: Effects) -> None:
        old = self._active(event)
        name = self._names[old.id]
        command = PlaceOrder(
            listing=event.symbol,
            investor_id=old.investor_id,
            side="buy" if old.is_buy else "sell",
            type="limit",
            price_units=old.price if event.price is None else self._price(event.price),
            quantity_units=old.leaves if event.quantity is None else _units(event.quantity),
            self_trade_prevention=PREVENTIONS.get(self._policy, "cancel_newest"),
            id=uuid7(),
        )
        self._names[command.id] = name
        ask = ReplaceOrder(investor_id=old.investor_id, order_id=old.id, order=command)
        self._pool.replace(ask, effects)
        self._orders[event.symbol, event.order_id] = command.id

    def _clear(self, event: MarketEvent, effects: Effects) -> None:
        book = self._market(event.symbol).book
        for side in (book.bids, book.asks):
            for order in [order for level in side for order in level]:
                command = CancelOrder(investor_id=order.investor_id, order_id=order.id)
                self._pool.cancel(command, effects)

    def _active(self, event: MarketEvent) -> BookOrder:
        order = self._pool.orders.get(self._orders.get((event.symbol, event.order_id)))
        if order is None:
            raise NameWrong("ORDER_NOT_ACTIVE")
        return order

    def _command(self, event: MarketEvent) -> PlaceOrder:
        is_market = event.order_type == OrderType.MARKET
        return PlaceOrder(
            listing=event.symbol,
            investor_id=self._investor(event),
            side="buy" if event.side == OrderSide.BUY else "sell",
            type="market" if is_market else "limit",
            price_units=None if is_market else self._price(event.price),
            quantity_units=_units(event.quantity),
            time_in_force=TIMES.get(event.order_type, "gtc"),
            self_trade_prevention=PREVENTIONS.get(self._policy, "cancel_newest"),
            id=uuid7(),
        )

    def _investor(self, event: MarketEvent) -> int:
        """Somebody new, of the owner's group where self-trades are to be prevented."""
        self._investors += 1
        rules = self._market(event.symbol).rules
        alone = UUID(int=(1 << 64) + self._investors)
        group = alone if self._policy == SelfTradePolicy.NONE else UUID(int=event.owner + 1)
        accepted = frozenset([rules.base_code])
        self._pool.eligibility[self._investors] = Eligibility(1, group, True, True, "DE", accepted)
        for asset in (rules.base_id, rules.quote_id):
            self._pool.funds[self._investors, asset] = Funds(self._investors, asset, PLENTY)
        return self._investors

    def _market(self, symbol: str) -> Market:
        if symbol in self._pool.markets:
            return self._pool.markets[symbol]
        number = len(self._pool.markets) + 1
        rules = replace(
            Rules(**RULES),
            id=number,
            symbol=symbol,
            tick=self._tick,
            min_cash=1,
            protection_e6=999_999,  # theirs has no protection price
        )
        return self._pool.add_market(rules)

    def _price(self, price: float) -> int:
        """Theirs are snapped to the nearest tick."""
        return round(price * 10**CASH_DECIMALS / self._tick) * self._tick

    # What is there, in their words.

    def _fill(self, trade: TradeRecord) -> TradeFill:
        return TradeFill(
            trade.market.rules.symbol,
            self._names[trade.buyer.id][0],
            self._names[trade.seller.id][0],
            _text(trade.execution.price, CASH_DECIMALS),
            _text(trade.execution.quantity, TOKEN_DECIMALS),
        )

    def snapshot(self) -> BookState:
        return BookState(
            tuple(
                BookSnapshot(symbol, self._resting(book.bids), self._resting(book.asks))
                for symbol, book in sorted((m.rules.symbol, m.book) for m in self._all())
            )
        )

    def _all(self) -> list[Market]:
        return list(self._pool.markets.values())

    def _resting(self, side: BookSide) -> tuple[RestingOrder, ...]:
        return tuple(
            RestingOrder(
                self._names[order.id][0],
                _text(level.price, CASH_DECIMALS),
                _text(order.leaves, TOKEN_DECIMALS),
                self._names[order.id][1],
            )
            for level in side
            for order in level
        )

    def close(self) -> None:
        """Nothing to let go."""


def _units(quantity: float) -> int:
    return round(quantity * 10**TOKEN_DECIMALS)


def _text(units: int, decimals: int) -> str:
    return canonical_decimal(to_decimal(units, decimals))


if __name__ == "__main__":
    sys.exit(serve_stdio(Adapter))
