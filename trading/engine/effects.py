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
_TAIL = (1 << 64) - 1  # with the variant before it


class TradeRecord:
    """An execution with its number and its id as it is written; `buyer`, `seller` are orders."""

    __slots__ = (
        "buyer",
        "buyer_fee",
        "execution",
        "market",
        "seller",
        "seller_fee",
        "text",
        "trade_no",
    )

    def __init__(self, text: str, market: Market, trade_no: int, execution: Execution) -> None:
        self.text = text
        self.market = market
        self.trade_no = trade_no
        self.execution = execution
        taker = execution.taker
        if taker.is_buy:
            self.buyer, self.buyer_fee = taker, execution.taker_fee
            self.seller, self.seller_fee = execution.maker, execution.maker_fee
        else:
            self.buyer, self.buyer_fee = execution.maker, execution.maker_fee
            self.seller, self.seller_fee = taker, execution.taker_fee


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
        "_events",
        "_id_base",
        "_id_head",
        "_ids",
        "_levels",
        "_market",
        "amended",
        "batch_no",
        "breakers",
        "changed",
        "dead_men",
        "events",
        "fired",
        "funds_before",
        "levels",
        "markets_before",
        "new",
        "new_funds",
        "now",
        "phases",
        "public_levels",
        "restated",
        "to_close",
        "trades",
        "transfers",
        "undo",
    )

    def __init__(self, batch_no: int, now: float) -> None:
        self.batch_no = batch_no
        self.now = now
        self.new: dict[UUID, BookOrder] = {}
        self.changed: dict[UUID, BookOrder] = {}
        # Those among them whose price, quantity, priority or terms are no longer as written.
        self.amended: dict[UUID, BookOrder] = {}
        self.dead_men: dict[int, float | None] = {}  # investor -> when all their orders go
        # Fills of orders with a conditional close, not yet answered by it.
        self.to_close: list[tuple[BookOrder, int]] = []
        self.fired = 0  # conditional orders that came in
        self.trades: list[TradeRecord] = []
        self.transfers: list[Transfer] = []
        self.funds_before: dict[Funds, tuple[int, int]] = {}
        self.new_funds: list[Funds] = []
        # (market, event_seq, book_seq, trade_no, last price)
        self.markets_before: dict[int, tuple[Market, int, int, int, int | None]] = {}
        self.events: dict[int, list[Event]] = {}
        self.levels: dict[int, set[tuple[bool, int]]] = {}
        # By listing: (is bids, price, what the book now shows there, orders); 0: gone.
        self.public_levels: dict[int, list[tuple[bool, int, int, int]]] = {}
        self.restated: set[str] = set()  # listings whose state, or whose share's, has changed
        self.phases: dict[int, Market] = {}  # markets whose phase has changed
        # (trade date, level, price, close of the day before, until) of breakers that fired.
        self.breakers: list[tuple[str, int, int, int, float]] = []
        self.undo: UndoLog = []
        base = uuid7()
        self._id_base = base.int
        self._id_head = str(base)[:19]  # what all ids of the batch begin with
        self._ids = 0
        self._market: Market | None = None  # whose events and levels these are
        self._events: list[Event] = []
        self._levels: set[tuple[bool, int]] = set()

    def touch_funds(self, funds: Funds) -> None:
        """Note a balance before it moves for the first time."""
        if funds not in self.funds_before:
            self.funds_before[funds] = (funds.posted, funds.held)

    def touch_order(self, order: BookOrder) -> None:
        """Note an order of an earlier batch that changes in this one."""
        if order.id not in self.new:
            self.changed[order.id] = order

    def amend(self, order: BookOrder) -> None:
        """Note an order whose price, quantity, priority or terms have changed."""
        if order.id not in self.new:
            self.changed[order.id] = self.amended[order.id] = order

    def _turn_to(self, market: Market) -> None:
        """Let what comes next be noted for this listing."""
        listing_id = market.rules.id
        if listing_id not in self.events:
            before = (market, market.event_seq, market.book_seq, market.trade_no, market.last)
            self.markets_before[listing_id] = before
            self.events[listing_id] = []
            self.levels[listing_id] = set()
        self._market = market
        self._events = self.events[listing_id]
        self._levels = self.levels[listing_id]

    def add_event(self, market: Market, *event: object) -> int:
        """Append an event with the listing's next `event_seq`, and return that."""
        if self._market is not market:
            self._turn_to(market)
        market.event_seq += 1
        self._events.append((event[0], market.event_seq, *event[1:]))
        return market.event_seq

    def add_accepted(self, market: Market, order: BookOrder) -> None:
        """Number an order that has come in: its place in every queue."""
        if self._market is not market:
            self._turn_to(market)
        seq = market.event_seq + 1
        market.event_seq = order.priority = seq
        event: Event
        event = ("accepted", seq, order.id, order.is_buy, order.price, order.quantity, order.cash)
        if order.terms is not None and order.terms.display_units is not None:
            event = (*event, order.terms.display_units)
        self._events.append(event)

    def add_closed(self, market: Market, order: BookOrder, status: str, reason: str) -> None:
        if self._market is not market:
            self._turn_to(market)
        seq = market.event_seq + 1
        market.event_seq = seq
        self._events.append((status, seq, order.id, reason))

    def add_level(self, market: Market, is_buy: bool, price: int) -> None:
        """Note that what stands at a price has changed."""
        if self._market is not market:
            self._turn_to(market)
        self._levels.add((is_buy, price))

    def add_execution(self, market: Market, execution: Execution) -> TradeRecord:
        """Note a trade, and its event, under the listing's next numbers."""
        if self._market is not market:
            self._turn_to(market)
        seq, number = market.event_seq + 1, market.trade_no + 1
        market.event_seq, market.trade_no = seq, number
        maker, taker = execution.maker, execution.taker
        price = execution.price
        self._events.append(
            ("trade", seq, number, maker.id, taker.id, price, execution.quantity, execution.cash)
        )
        record = TradeRecord(self._new_id_text(), market, number, execution)
        self.trades.append(record)
        return record

    def _next_index(self) -> int:
        self._ids += 1
        return self._ids

    def new_id(self) -> UUID:
        """For an order that the engine makes itself, or a link between two."""
        return UUID(int=_id_at(self._id_base, self._next_index()))

    def _new_id_text(self) -> str:
        """As `str(new_id())`, without making a UUID of it."""
        tail = f"{_id_at(self._id_base, self._next_index()) & _TAIL:016x}"
        return f"{self._id_head}{tail[:4]}-{tail[4:]}"

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
        for market, event_seq, book_seq, trade_no, last in self.markets_before.values():
            market.event_seq, market.book_seq, market.trade_no = event_seq, book_seq, trade_no
            market.last = last


def _id_at(base: int, index: int) -> int:
    """A batch's ids count up from a random UUIDv7 (RFC 9562, 6.2, method 2)."""
    # Wraps below the variant's bits; 2**62 of them do not fit into a batch.
    return (base & ~_COUNTER) | ((base + index) & _COUNTER)


def _shown(market: Market, is_bids: bool, price: int) -> tuple[bool, int, int, int]:
    """What the public book has at a price."""
    side = market.book.bids if is_bids else market.book.asks
    level = side.levels.get(price if is_bids else -price)
    return (is_bids, price, level.quantity, level.count) if level else (is_bids, price, 0, 0)
