"""The fast book against its obvious twin, step by step."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.engine.book import Book, BookOrder, UndoLog, roll_back
from trading.engine.matching import Incoming, apply, plan
from trading.engine.naive import NaiveBook

TICK, LOT = 10_000, 100
OWNERS = [UUID(int=n) for n in range(1, 4)]

prices = st.integers(95, 105).map(lambda n: n * 1_000_000)
quantities = st.integers(1, 50).map(lambda n: n * 1_000_000)
takes = st.fixed_dictionaries(
    {
        "is_buy": st.booleans(),
        "owner_group": st.sampled_from(OWNERS),
        "limit": prices,
        "by_cash": st.booleans(),
        "size": quantities,
        "rate_e6": st.sampled_from([0, 1, 2_500, 99_999]),
        "rests": st.booleans(),
    }
)
cancels = st.integers(0, 60)
steps = st.lists(st.one_of(takes, cancels), max_size=60)


class Twins:
    """Both books, given the same steps."""

    def __init__(self) -> None:
        self.fast, self.naive = Book(), NaiveBook()
        self.undo: UndoLog = []
        self.ids: list[UUID] = []
        self.resting: dict[UUID, BookOrder] = {}

    def take(self, step: dict[str, object]) -> None:
        quantity, cash = (None, step["size"]) if step["by_cash"] else (step["size"], None)
        incoming = Incoming(
            step["is_buy"], step["owner_group"], step["limit"], quantity, cash, step["rate_e6"], LOT
        )
        order = self._order(step)
        planned = plan(self.fast, incoming)
        side = self.fast.opposite(order.is_buy)
        executions = apply(side, order, planned.fills, step["rate_e6"], self.undo)
        fills, meets_itself = self.naive.take(incoming)
        assert [(f.maker_id, f.price, f.quantity, f.cash, f.taker_fee) for f in fills] == [
            (e.maker.id, e.price, e.quantity, e.cash, e.taker_fee) for e in executions
        ]
        assert meets_itself == planned.meets_itself
        assert (planned.cash, planned.fee) == (order.filled_cash, order.fee)
        if cash is not None and order.is_buy:
            assert order.filled_cash + order.fee <= cash
        order.leaves = (quantity or 0) - order.filled
        if step["rests"] and order.leaves > 0 and not meets_itself:
            self.rest(order)

    def _order(self, step: dict[str, object]) -> BookOrder:
        order = BookOrder(UUID(int=1000 + len(self.ids)), 1, 1, step["owner_group"])
        order.is_buy, order.price = step["is_buy"], step["limit"]
        order.priority = len(self.ids)
        self.ids.append(order.id)
        return order

    def rest(self, order: BookOrder) -> None:
        self.fast.side_of(order).add(order, self.undo)
        self.resting[order.id] = order
        self.naive.rest(order.id, order.owner_group, order.is_buy, order.price, order.leaves)

    def cancel(self, index: int) -> None:
        order = self.resting.get(self.ids[index]) if index < len(self.ids) else None
        if order is not None and order.level is not None:
            self.fast.side_of(order).remove(order, self.undo)
            self.naive.cancel(order.id)

    def levels(self, is_buy: bool) -> list[tuple[int, list[UUID], int]]:
        side = self.fast.bids if is_buy else self.fast.asks
        return [(lv.price, [order.id for order in lv], lv.quantity) for lv in side]


@settings(max_examples=300, deadline=None)
@given(steps)
def test_the_fast_book_does_what_the_obvious_one_does(steps: list[object]) -> None:
    twins = Twins()

    for step in steps:
        if isinstance(step, int):
            twins.cancel(step)
        else:
            twins.take(step)

        twins.fast.check_invariants()
        assert twins.levels(True) == twins.naive.levels(True)
        assert twins.levels(False) == twins.naive.levels(False)


@settings(max_examples=200, deadline=None)
@given(steps, steps)
def test_rolling_back_restores_every_queue_exactly(
    earlier: list[object], undone: list[object]
) -> None:
    twins = Twins()
    for step in earlier:
        twins.cancel(step) if isinstance(step, int) else twins.take(step)
    before = (twins.levels(True), twins.levels(False))
    mark = len(twins.undo)

    for step in undone:
        twins.cancel(step) if isinstance(step, int) else twins.take(step)
    roll_back(twins.undo, mark)

    assert (twins.levels(True), twins.levels(False)) == before
    twins.fast.check_invariants()
