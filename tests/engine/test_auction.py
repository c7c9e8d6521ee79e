"""The call auction: the price, who meets whom, and that nobody is worse off than their limit."""

from unittest.mock import patch
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.book_twins import OWNERS, PRICES, TICK
from trading.engine import auction
from trading.engine.auction import Indication, apply_uncross, indicate, plan_uncross
from trading.engine.book import Book, BookOrder, UndoLog
from trading.engine.fees import TOKEN
from trading.engine.terms import Terms

UNIT = 1_000_000
ANYBODY = [UUID(int=n) for n in range(100, 120)]

orders = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(PRICES),
        st.integers(1, 20).map(lambda n: n * UNIT),
        st.none() | st.integers(1, 5).map(lambda n: n * UNIT),
        st.sampled_from([*OWNERS, *ANYBODY]),
    ),
    max_size=24,
)
references = st.none() | st.integers(PRICES[0] // 2, PRICES[-1] * 2)
Row = tuple[bool, int, int, int | None, UUID]


def gathered(rows: list[Row]) -> tuple[Book, list[BookOrder]]:
    book, made = Book(), []
    for number, (is_buy, price, size, display, owner) in enumerate(rows):
        order = BookOrder(UUID(int=number + 1), 1, 1, owner)
        order.is_buy, order.price, order.priority = is_buy, price, number
        order.quantity = order.leaves = size
        order.maker_fee_e6 = 1_000
        order.terms = Terms(display_units=display) if display else None
        book.side_of(order).add(order, [])
        made.append(order)
    return book, made


def alone(*rows: tuple[str, int, int]) -> Book:
    """Bids and asks in whole ticks and units, each of somebody else."""
    book, _ = gathered(
        [
            (side == "buy", price * TICK, size * UNIT, None, ANYBODY[number])
            for number, (side, price, size) in enumerate(rows)
        ]
    )
    return book


def found(book: Book, reference: int | None = None) -> tuple[int, int, int]:
    indication = indicate(book, reference=reference, tick=TICK)
    assert indication is not None
    return indication.price // TICK, indication.quantity // UNIT, indication.imbalance // UNIT


def test_the_price_is_the_one_at_which_most_is_executed() -> None:
    book = alone(
        ("buy", 105, 10), ("buy", 102, 40), ("sell", 100, 10), ("sell", 102, 30), ("sell", 104, 50)
    )

    assert found(book, reference=200 * TICK) == (102, 40, 10)


def test_among_those_the_smallest_surplus_decides() -> None:
    # 30 are executed from 100 to 103; at 101 and below a bid of 20 more is left over.
    book = alone(("buy", 103, 30), ("buy", 101, 20), ("sell", 100, 30))

    assert found(book, reference=100 * TICK) == (102, 30, 0)


def test_then_the_price_nearest_the_reference() -> None:
    book = alone(("buy", 105, 10), ("sell", 101, 10))

    assert found(book, reference=103 * TICK) == (103, 10, 0)
    assert found(book, reference=103 * TICK + 400_000) == (103, 10, 0)
    assert found(book, reference=103 * TICK + 600_000) == (104, 10, 0)
    assert found(book, reference=90 * TICK) == (101, 10, 0)
    assert found(book, reference=190 * TICK) == (105, 10, 0)
    assert found(book) == (103, 10, 0), "the middle, without a reference"


def test_nothing_is_indicated_where_no_bid_meets_an_ask() -> None:
    assert indicate(alone(("buy", 99, 5), ("sell", 100, 5)), reference=None, tick=TICK) is None
    assert indicate(alone(("buy", 99, 5)), reference=None, tick=TICK) is None
    assert plan_uncross(Book(), reference=None, tick=TICK).indication is None


def test_an_iceberg_takes_part_whole() -> None:
    book, (bid, ask) = gathered(
        [
            (True, 101 * TICK, 20 * UNIT, 2 * UNIT, ANYBODY[0]),
            (False, 100 * TICK, 15 * UNIT, None, ANYBODY[1]),
        ]
    )
    planned = plan_uncross(book, reference=None, tick=TICK)

    assert planned.fills == [(bid, ask, 15 * UNIT)]
    (execution,) = apply_uncross(book, planned, [])
    assert (execution.maker, execution.requeued, execution.taker_requeued) == (bid, True, False)
    assert (bid.leaves, ask.leaves) == (5 * UNIT, 0)
    book.check_invariants()


def test_the_newer_of_two_own_orders_is_canceled_and_the_price_found_again() -> None:
    book, (old, own, other) = gathered(
        [
            (True, 105 * TICK, 10 * UNIT, None, OWNERS[0]),
            (False, 100 * TICK, 30 * UNIT, None, OWNERS[0]),
            (False, 103 * TICK, 4 * UNIT, None, OWNERS[1]),
        ]
    )
    planned = plan_uncross(book, reference=100 * TICK, tick=TICK)

    assert planned.canceled == [own]
    assert planned.fills == [(old, other, 4 * UNIT)]
    assert planned.indication == Indication(103 * TICK, 4 * UNIT, 6 * UNIT)


@settings(max_examples=300, deadline=None)
@given(orders, references)
def test_nobody_trades_worse_than_their_limit_and_nobody_with_themselves(
    rows: list[Row], reference: int | None
) -> None:
    book, made = gathered(rows)
    planned = plan_uncross(book, reference=reference, tick=TICK)
    for bid, ask, units in planned.fills:
        assert planned.indication is not None
        assert ask.price <= planned.indication.price <= bid.price
        assert units > 0
        assert bid.owner_group != ask.owner_group
        assert bid not in planned.canceled
        assert ask not in planned.canceled
    for order in planned.canceled:
        assert any(
            older.owner_group == order.owner_group
            and older.is_buy != order.is_buy
            and older.priority < order.priority
            for older in made
        )


@settings(max_examples=300, deadline=None)
@given(orders, references)
def test_the_volume_is_the_largest_that_any_price_gives(
    rows: list[Row], reference: int | None
) -> None:
    book, made = gathered(rows)
    planned = plan_uncross(book, reference=reference, tick=TICK)
    left = [order for order in made if order not in planned.canceled]

    def executable(price: int) -> int:
        demand = sum(order.leaves for order in left if order.is_buy and order.price >= price)
        supply = sum(order.leaves for order in left if not order.is_buy and order.price <= price)
        return min(demand, supply)

    most = max(executable(price) for price in PRICES)
    assert sum(units for _, _, units in planned.fills) == most
    assert (planned.indication.quantity if planned.indication else 0) == most


@settings(max_examples=300, deadline=None)
@given(orders, references)
def test_an_auction_conserves_what_it_moves_and_keeps_priority(
    rows: list[Row], reference: int | None
) -> None:
    book, made = gathered(rows)
    undo: UndoLog = []
    planned = plan_uncross(book, reference=reference, tick=TICK)
    for order in planned.canceled:
        book.side_of(order).remove(order, undo)
    priority = len(made)
    for execution in apply_uncross(book, planned, undo):
        assert execution.maker.is_buy != execution.taker.is_buy
        assert execution.cash == execution.price * execution.quantity // TOKEN
        for order, requeued in (
            (execution.maker, execution.requeued),
            (execution.taker, execution.taker_requeued),
        ):
            if requeued:
                priority += 1
                order.priority = priority
    book.check_invariants()

    for is_buy in (True, False):
        side = [order for order in made if order.is_buy == is_buy]
        assert sum(order.filled for order in side) == sum(u for _, _, u in planned.fills)
        for order in side:
            assert order.filled + order.leaves == order.quantity
            assert order.fee_millionths == order.filled_cash * order.maker_fee_e6
        if planned.indication is not None:
            _check_priority(side, planned.indication.price, planned.canceled)


def _check_priority(side: list[BookOrder], price: int, canceled: list[BookOrder]) -> None:
    """Whoever stands before an order that was filled was filled whole."""
    sign = -1 if side and side[0].is_buy else 1
    queue = sorted(
        (order for order in side if order not in canceled),
        key=lambda order: (sign * order.price, side.index(order)),
    )
    last = max((index for index, order in enumerate(queue) if order.filled), default=-1)
    assert all(order.leaves == 0 for order in queue[:last])
    assert all(sign * order.price <= sign * price for order in queue[: last + 1])


def test_own_orders_do_not_each_cost_a_search_for_the_price() -> None:
    """Each price that is found has one bid at most that meets the old ask of its own group."""
    rows: list[Row] = [(False, 50 * TICK, UNIT, None, OWNERS[0])]
    rows += [(True, (50 + n) * TICK, UNIT, None, OWNERS[0]) for n in range(200)]
    book, made = gathered(rows)
    with patch.object(auction, "_indicate", wraps=auction._indicate) as searched:
        planned = plan_uncross(book, reference=None, tick=TICK)

    assert searched.call_count <= auction.SEARCHES_MAX + 1
    assert set(planned.canceled) == set(made[1:])
    assert planned.indication is None
