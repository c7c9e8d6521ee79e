"""Replaying a listing's stored events: the book that follows from them, and nothing else.

Events say what happened, not what was asked, so a replay needs no rule, no clock and no
price from outside: those have had their effect in the events. What it arrives at is
compared with all that is stored beside the events: the live orders, the trades, and the
public book's change in each batch.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Event = list[Any]
Levels = dict[tuple[bool, int], tuple[int, int]]  # (is bids, price) -> units shown, orders


class CannotReplay(Exception):
    """The events contradict themselves; the message says where."""


@dataclass(slots=True)
class ReplayedOrder:
    """An order as far as the events tell; `leaves` is None for a market order by cash."""

    id: str
    is_buy: bool
    price: int | None
    leaves: int | None
    priority: int
    display: int | None = None
    filled: int = 0
    waits: bool = False  # for its trigger

    def shown(self) -> int:
        leaves = self.leaves or 0
        if self.display is None:
            return leaves
        return min(leaves, self.display - self.filled % self.display)

    def line(self) -> list[object]:
        """As the canonical encoding has it."""
        side = "buy" if self.is_buy else "sell"
        return [self.id, side, self.waits, self.price, self.leaves, self.shown(), self.priority]


class ReplayedBook:
    """What the events of one listing come to, batch by batch."""

    def __init__(self) -> None:
        self.orders: dict[str, ReplayedOrder] = {}
        self.public: Levels = {}
        self.trades: list[tuple[object, ...]] = []
        self.event_seq = self.book_seq = self.trade_no = self.batch_no = 0

    def apply(self, row: "StoredRow") -> None:
        """Take one batch's events.

        :raises CannotReplay: a number is missing, or the public book is another.
        """
        self.batch_no = row.batch_no
        self._expect("first_event_seq", row.first_event_seq, self.event_seq + 1)
        for event in row.events:
            self._expect("event_seq", event[1], self.event_seq + 1)
            self.event_seq += 1
            apply_event = getattr(self, f"_on_{event[0]}", None)
            if apply_event is not None:
                apply_event(event)
        self._expect("event_seq", row.event_seq, self.event_seq)
        self._expect("trade_no", row.trade_no, self.trade_no)
        self._drop_what_never_rests()
        self._compare_levels(row)

    def _drop_what_never_rests(self) -> None:
        """An order without a limit is over with its batch, its budget spent or not."""
        over = [o.id for o in self.orders.values() if not o.waits and not (o.price and o.leaves)]
        for id in over:
            del self.orders[id]

    def _compare_levels(self, row: "StoredRow") -> None:
        if row.levels is None:
            self.book_seq = row.book_seq
            return
        changed = {(bool(is_bids), price): (units, n) for is_bids, price, units, n in row.levels}
        self._expect("book_seq", row.book_seq, self.book_seq + bool(changed))
        self.book_seq = row.book_seq
        replayed = self.levels()
        for place, stored in changed.items():
            self._expect(f"the level {place}", list(stored), list(replayed.get(place, (0, 0))))
            self.public[place] = stored

    def levels(self) -> Levels:
        found: Levels = {}
        for order in self.orders.values():
            if not order.waits and order.price is not None:
                units, count = found.get((order.is_buy, order.price), (0, 0))
                found[order.is_buy, order.price] = (units + order.shown(), count + 1)
        return found

    def _expect(self, name: str, stored: object, replayed: object) -> None:
        if stored != replayed:
            raise CannotReplay(
                f"batch {self.batch_no}: {name} is stored as {stored}, replayed as {replayed}"
            )

    # The kinds of events (docs/engine.md); those not named here move nothing.

    def _on_accepted(self, event: Event) -> None:
        _, seq, id, is_buy, price, quantity, _, *display = event
        order = ReplayedOrder(id, is_buy, price, quantity, seq, *display[:1])
        self.orders[id] = order

    def _on_untriggered(self, event: Event) -> None:
        _, seq, id, is_buy, _, _, price, quantity, *_ = event
        self.orders[id] = ReplayedOrder(id, is_buy, price, quantity, seq, waits=True)

    def _on_triggered(self, event: Event) -> None:
        _, seq, id, _, price, leaves, *_ = event
        order = self._order(id)
        order.price, order.leaves, order.priority, order.waits = price, leaves, seq, False

    def _on_trade(self, event: Event) -> None:
        _, _, trade_no, maker, taker, price, units, cash = event
        self._expect("trade_no", trade_no, self.trade_no + 1)
        self.trade_no = trade_no
        self.trades.append((trade_no, maker, taker, price, units, cash))
        for id in (maker, taker):
            order = self._order(id)
            order.filled += units
            if order.leaves is not None:
                order.leaves -= units
                if not order.leaves:
                    del self.orders[id]

    def _on_requeued(self, event: Event) -> None:
        self._order(event[2]).priority = event[1]

    def _on_amended(self, event: Event) -> None:
        _, seq, id, price, leaves, display, keeps_place = event
        order = self._order(id)
        order.price, order.leaves, order.display = price, leaves, display
        if not keeps_place:
            order.priority = seq

    def _on_canceled(self, event: Event) -> None:
        self.orders.pop(event[2], None)

    _on_expired = _on_canceled

    def _order(self, id: str) -> ReplayedOrder:
        if id not in self.orders:
            raise CannotReplay(f"batch {self.batch_no}: the order {id} is not live")
        return self.orders[id]


@dataclass(slots=True)
class StoredRow:
    """One trading_bookevent; `levels` is None in rows of before it was written."""

    batch_no: int
    first_event_seq: int
    event_seq: int
    book_seq: int
    trade_no: int
    events: list[Event]
    levels: list[list[int]] | None


def canonical(orders: Iterable[ReplayedOrder]) -> bytes:
    """The one encoding of a set of live orders: by side and price, then by priority."""
    lines = [order.line() for order in sorted(orders, key=_place)]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def _place(order: ReplayedOrder) -> tuple[object, ...]:
    best_first = -(order.price or 0) if order.is_buy else order.price or 0
    return order.waits, not order.is_buy, best_first, order.priority, order.id


def digest(orders: Iterable[ReplayedOrder]) -> str:
    return hashlib.sha256(canonical(orders)).hexdigest()
