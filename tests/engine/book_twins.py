"""The fast book and its obvious twin, given the same steps and compared after each."""

import copy
from typing import Any, NamedTuple
from uuid import UUID

from trading.engine.auction import apply_uncross, indicate, plan_uncross
from trading.engine.book import Book, BookOrder, UndoLog, roll_back
from trading.engine.matching import Incoming, Plan, apply, plan, set_priority
from trading.engine.naive import NaiveBook, NaiveOrder, Outcome
from trading.engine.terms import Terms

TICK, LOT = 1_000_000, 100
OWNERS = [UUID(int=n) for n in range(1, 5)]
PRICES = range(94 * TICK, 107 * TICK, TICK)
LINKS = {"previous", "next", "level"}
# From the class itself, which may be compiled and then has no __slots__.
FIELDS = [name for name in dir(BookOrder) if not name.startswith("_") and name not in LINKS]


class Asked(NamedTuple):
    """An order as a step draws it."""

    is_buy: bool
    owner: UUID
    price: int
    size: int
    by_cash: bool = False
    display: int | None = None
    prevention: str = "cancel_newest"
    kind: str = "gtc"  # gtc, ioc, fok, post_only
    rate_e6: int = 2_500
    maker_rate_e6: int = 1_000


class Twins:
    """Both books. Every change is undoable, in the fast one by its own log."""

    def __init__(self) -> None:
        self.fast, self.naive = Book(), NaiveBook()
        self.undo: UndoLog = []
        self.resting: dict[UUID, BookOrder] = {}
        self._count = self._priority = 0
        self._savepoint = self._save()

    # What an engine does with a plan, in its order of events.

    def place(self, asked: Asked) -> None:
        self._count += 1
        order = BookOrder(UUID(int=1_000 + self._count), 1, 1, asked.owner)
        order.is_buy, order.price = asked.is_buy, asked.price
        order.maker_fee_e6 = asked.maker_rate_e6
        if asked.display is not None:
            order.terms = Terms(display_units=asked.display)
        naive = NaiveOrder(
            order.id, asked.owner, asked.is_buy, asked.price, 0, rate_e6=asked.maker_rate_e6
        )
        naive.display = asked.display
        self.enter(order, naive, asked)

    def enter(self, order: BookOrder, naive: NaiveOrder, asked: Asked) -> None:
        """Match an order, then rest what it is to rest."""
        quantity, cash = (None, asked.size) if asked.by_cash else (asked.size, None)
        incoming = Incoming(
            asked.is_buy,
            asked.owner,
            asked.price,
            quantity,
            cash,
            asked.rate_e6,
            LOT,
            asked.prevention,
        )
        planned = plan(self.fast, incoming)
        meets = bool(planned.fills) or planned.meets_itself
        assert meets == self.naive.would_meet(incoming)
        if asked.kind == "post_only" and meets:
            return
        if asked.kind == "fok" and quantity is not None:
            outcome = self.naive.fill_or_kill(incoming, order.fee_millionths)
            if planned.filled != quantity:
                assert not outcome.fills
                return
        else:
            outcome = self.naive.take(incoming, order.fee_millionths)
        before = (order.filled_cash, order.fee, order.fee_millionths)
        self._carry_out(order, planned, outcome, asked)
        assert planned.cash == order.filled_cash - before[0]
        assert planned.fee >= order.fee - before[1]
        assert before[2] or planned.fee == order.fee, "known exactly for a new order"
        if cash is not None:
            paid = order.filled_cash + (order.fee if order.is_buy else 0)
            assert paid + planned.decremented_cash <= cash, "a budget is never exceeded"
            return
        left = asked.size - planned.filled - planned.decremented
        assert left >= 0
        if asked.kind in ("gtc", "post_only") and left and not planned.stopped:
            order.leaves = naive.leaves = left
            naive.filled = order.filled
            naive.fee_millionths = order.fee_millionths
            self.rest(order, naive)

    def _carry_out(self, order: BookOrder, planned: Plan, outcome: Outcome, asked: Asked) -> None:
        side = self.fast.opposite(order.is_buy)
        assert [(own.id, units) for own, units in planned.own] == outcome.own
        for own, units in planned.own:
            if units == own.leaves:
                side.remove(own, self.undo)
            else:
                side.reshape(own, own.leaves - units, own.terms, self.undo)
        executions = apply(side, order, planned.fills, asked.rate_e6, self.undo)
        assert [
            (e.maker.id, e.price, e.quantity, e.cash, e.maker_fee, e.taker_fee) for e in executions
        ] == [
            (f.maker_id, f.price, f.quantity, f.cash, f.maker_fee, f.taker_fee)
            for f in outcome.fills
        ]
        assert (planned.stopped, planned.decremented, planned.decremented_cash) == (
            outcome.stopped,
            outcome.decremented,
            outcome.decremented_cash,
        )
        assert all(e.maker.owner_group != order.owner_group for e in executions)
        for execution in executions:
            if execution.requeued:
                set_priority(execution.maker, self._next_priority(), self.undo)

    def rest(self, order: BookOrder, naive: NaiveOrder) -> None:
        set_priority(order, self._next_priority(), self.undo)
        self.fast.side_of(order).add(order, self.undo)
        self.resting[order.id] = order
        self.naive.rest(naive)

    def _next_priority(self) -> int:
        self._priority += 1
        return self._priority

    # What happens to a resting order.

    def pick(self, index: int) -> BookOrder | None:
        """One of the resting orders, if there are any."""
        resting = [order for order in self.resting.values() if order.level is not None]
        return resting[index % len(resting)] if resting else None

    def cancel(self, order: BookOrder) -> None:
        self.fast.side_of(order).remove(order, self.undo)
        self.naive.cancel(order.id)

    def shrink(self, order: BookOrder, leaves: int, display: int | None) -> None:
        """Amend in place: it keeps its priority."""
        terms = order.terms
        if terms is not None and terms.display_units is not None:
            terms = Terms(display_units=min(display or TICK, terms.display_units))
        self.fast.side_of(order).reshape(order, min(leaves, order.leaves), terms, self.undo)
        naive = self.naive.find(order.id)
        naive.leaves = min(leaves, naive.leaves)
        naive.display = terms.display_units if terms else None

    def move(self, order: BookOrder, asked: Asked) -> None:
        """Amend with loss of priority: it may match at its new price."""
        self.cancel(order)
        self.undo.append((_restore, (order, _fields(order))))
        order.price = asked.price
        moved = NaiveOrder(
            order.id, order.owner_group, order.is_buy, asked.price, 0, rate_e6=order.maker_fee_e6
        )
        moved.display = order.terms.display_units if order.terms else None
        self.enter(order, moved, asked._replace(is_buy=order.is_buy, owner=order.owner_group))

    def auction(self, gathered: list[Asked], reference: int | None) -> None:
        """Let orders gather without matching, then match them all at once."""
        for asked in gathered:
            self._count += 1
            order = BookOrder(UUID(int=1_000 + self._count), 1, 1, asked.owner)
            order.is_buy, order.price, order.leaves = asked.is_buy, asked.price, asked.size
            order.maker_fee_e6 = asked.maker_rate_e6
            order.terms = Terms(display_units=asked.display) if asked.display else None
            naive = NaiveOrder(
                order.id, asked.owner, asked.is_buy, asked.price, asked.size, asked.display
            )
            naive.rate_e6 = asked.maker_rate_e6
            self.rest(order, naive)
        self.compare(may_cross=True)
        found = indicate(self.fast, reference=reference, tick=TICK)
        assert found == self.naive.auction_price(PRICES, reference)
        planned = plan_uncross(self.fast, reference=reference, tick=TICK)
        price, fills, canceled = self.naive.uncross(PRICES, reference)
        assert [order.id for order in planned.canceled] == canceled
        assert [(bid.id, ask.id, units) for bid, ask, units in planned.fills] == fills
        assert (planned.indication.price if planned.indication else None) == price
        for order in planned.canceled:
            self.fast.side_of(order).remove(order, self.undo)
        for execution in apply_uncross(self.fast, planned, self.undo):
            for order, requeued in (
                (execution.maker, execution.requeued),
                (execution.taker, execution.taker_requeued),
            ):
                if requeued:
                    set_priority(order, self._next_priority(), self.undo)

    # Comparing and going back.

    def compare(self, *, may_cross: bool = False) -> None:
        self.fast.check_invariants(may_cross=may_cross)
        for side in (self.fast.bids, self.fast.asks):
            found = [(lv.price, [order.id for order in lv], lv.quantity) for lv in side]
            assert found == self.naive.levels(side.is_bids)
        for order in self.naive.orders:
            fast = self.resting[order.id]
            assert (fast.leaves, fast.filled, fast.fee_millionths) == (
                order.leaves,
                order.filled,
                order.fee_millionths,
            )

    def state(self) -> Any:
        """Everything the fast book holds, links included, as plain values."""
        return [
            (
                list(side.ranks),
                [
                    (
                        level.price,
                        level.quantity,
                        level.count,
                        level.icebergs,
                        [
                            {
                                **_fields(order),
                                "previous": order.previous and order.previous.id,
                                "next": order.next and order.next.id,
                            }
                            for order in level
                        ],
                    )
                    for level in side
                ],
            )
            for side in (self.fast.bids, self.fast.asks)
        ]

    def _save(self) -> tuple[Any, ...]:
        return (
            len(self.undo),
            copy.deepcopy(self.state()),
            copy.deepcopy(self.naive),
            dict(self.resting),
        )

    def save(self) -> None:
        """All that came before is committed."""
        self.undo.clear()
        self._savepoint = self._save()

    def go_back(self) -> None:
        """Undo all since the last `save`: nothing may differ."""
        mark, state, naive, resting = self._savepoint
        roll_back(self.undo, mark)
        assert self.state() == state
        self.naive, self.resting = copy.deepcopy(naive), dict(resting)


def _fields(order: BookOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in FIELDS}


def _restore(order: BookOrder, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(order, name, value)
