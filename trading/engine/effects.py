"""What one batch has done in memory, for writing it down or for undoing it.

Rows are written once a batch with their final values, so each thing is noted
the first time it is touched, with what it was before.
"""

from typing import NamedTuple
from uuid import UUID

from kernel.ids import uuid7
from trading.engine.book import BookOrder, UndoLog, roll_back
from trading.engine.market import Funds, Market
from trading.engine.matching import Execution

Event = tuple[object, ...]
_COUNTER = (1 << 62) - 1  # the random tail of a UUID


class TradeRecord(NamedTuple):
    """An execution with its identity; `buyer` and `seller` are orders."""

    id: UUID
    text: str  # the id as it is written, three times a trade
    market: Market
    trade_no: int
    execution: Execution
    buyer: BookOrder
    seller: BookOrder
    buyer_fee: int
    seller_fee: int


class Transfer(NamedTuple):
    """A custody.PoolTransfer as judged: units into or out of `funds`."""

    id: UUID
    funds: Funds
    units: int
    is_in: bool
    refused: str  # "" when done, else why not


class Effects:
    """One batch: new and changed orders, trades, balances, events, book levels."""

    __slots__ = (
        "_id_base",
        "batch_no",
        "changed",
        "events",
        "funds_before",
        "levels",
        "markets_before",
        "new",
        "new_funds",
        "now",
        "public_levels",
        "restated",
        "trades",
        "transfers",
        "undo",
    )

    def __init__(self, batch_no: int, now: float) -> None:
        self.batch_no = batch_no
        self.now = now
        self.new: dict[UUID, BookOrder] = {}
        self.changed: dict[UUID, BookOrder] = {}
        self.trades: list[TradeRecord] = []
        self.transfers: list[Transfer] = []
        self.funds_before: dict[Funds, tuple[int, int]] = {}
        self.new_funds: list[Funds] = []
        self.markets_before: dict[int, tuple[Market, int, int, int]] = {}
        self.events: dict[int, list[Event]] = {}
        self.levels: dict[int, set[tuple[bool, int]]] = {}
        # By listing: (is bids, price, what the book now shows there, orders); 0: gone.
        self.public_levels: dict[int, list[tuple[bool, int, int, int]]] = {}
        self.restated: set[str] = set()  # listings whose state, or whose share's, has changed
        self.undo: UndoLog = []
        self._id_base: int | None = None

    def touch_funds(self, funds: Funds) -> None:
        """Note a balance before it moves for the first time."""
        if funds not in self.funds_before:
            self.funds_before[funds] = (funds.posted, funds.held)

    def touch_order(self, order: BookOrder) -> None:
        """Note an order of an earlier batch that changes in this one."""
        if order.id not in self.new:
            self.changed[order.id] = order

    def add_event(self, market: Market, *event: object) -> int:
        """Append an event with the listing's next `event_seq`, and return that."""
        listing_id = market.rules.id
        events = self.events.get(listing_id)
        if events is None:
            events = self.events[listing_id] = []
            before = (market, market.event_seq, market.book_seq, market.trade_no)
            self.markets_before[listing_id] = before
            self.levels[listing_id] = set()
        market.event_seq += 1
        events.append((event[0], market.event_seq, *event[1:]))
        return market.event_seq

    def add_trade(self, market: Market, execution: Execution, taker_is_buy: bool) -> TradeRecord:
        """Note a trade under the listing's next number."""
        maker, taker = execution.maker, execution.taker
        market.trade_no += 1
        if taker_is_buy:
            parties = (taker, maker, execution.taker_fee, execution.maker_fee)
        else:
            parties = (maker, taker, execution.maker_fee, execution.taker_fee)
        id = self._next_id()
        record = TradeRecord(id, str(id), market, market.trade_no, execution, *parties)
        self.trades.append(record)
        return record

    def _next_id(self) -> UUID:
        """A UUIDv7; within a batch they count up from a random one (RFC 9562, 6.2, method 2)."""
        if self._id_base is None:
            self._id_base = uuid7().int
        # Wraps below the variant's bits; 2**62 trades do not fit into a batch.
        value = (self._id_base & ~_COUNTER) | ((self._id_base + len(self.trades)) & _COUNTER)
        return UUID(int=value)

    def close_books(self) -> None:
        """Count one public change for each book that this batch has moved, and note it."""
        for listing_id, levels in self.levels.items():
            if levels:
                market = self.markets_before[listing_id][0]
                market.book_seq += 1
                self.public_levels[listing_id] = [_shown(market, *level) for level in levels]

    def roll_back(self) -> None:
        """Put memory back to where it was before the batch."""
        roll_back(self.undo)
        for funds, (posted, held) in self.funds_before.items():
            funds.posted, funds.held = posted, held
        for market, event_seq, book_seq, trade_no in self.markets_before.values():
            market.event_seq, market.book_seq, market.trade_no = event_seq, book_seq, trade_no


def _shown(market: Market, is_bids: bool, price: int) -> tuple[bool, int, int, int]:
    """What the public book has at a price."""
    side = market.book.bids if is_bids else market.book.asks
    level = side.levels.get(price if is_bids else -price)
    return (is_bids, price, level.quantity, level.count) if level else (is_bids, price, 0, 0)
