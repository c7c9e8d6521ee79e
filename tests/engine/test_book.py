"""The fast book against its obvious twin: every order type and flag that a book knows."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.engine.book_twins import LOT, OWNERS, PRICES, TICK, Asked, Twins

UNIT = 1_000_000
sides = st.booleans()
prices = st.sampled_from(PRICES)
sizes = st.integers(1, 50).map(lambda n: n * UNIT)
displays = st.none() | st.integers(1, 12).map(lambda n: n * UNIT)
preventions = st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both", "decrement"])
rates = st.sampled_from([0, 1, 2_500, 99_999])
asked = st.builds(
    Asked,
    is_buy=sides,
    owner=st.sampled_from(OWNERS),
    price=prices,
    size=sizes,
    by_cash=st.just(False),
    display=displays,
    prevention=preventions,
    kind=st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok", "post_only"]),
    rate_e6=rates,
    maker_rate_e6=rates,
)
references = st.none() | st.integers(PRICES[0] // 2, PRICES[-1] * 2)


class Books(RuleBasedStateMachine):
    """Any order of steps; both books are compared after each."""

    def __init__(self) -> None:
        super().__init__()
        self.twins = Twins()

    @rule(orders=st.lists(asked, min_size=1, max_size=6))
    def place(self, orders: list[Asked]) -> None:
        for order in orders:
            self.twins.place(order)
            self.twins.compare()

    @rule(order=asked, cash=st.integers(1, 40 * TICK))
    def place_by_cash(self, order: Asked, cash: int) -> None:
        self.twins.place(order._replace(by_cash=True, size=cash, display=None, kind="ioc"))

    @rule(index=st.integers(0, 30))
    def cancel(self, index: int) -> None:
        if order := self.twins.pick(index):
            self.twins.cancel(order)

    @rule(index=st.integers(0, 30), size=sizes, display=displays)
    def amend_in_place(self, index: int, size: int, display: int | None) -> None:
        if order := self.twins.pick(index):
            self.twins.shrink(order, size, display)

    @rule(index=st.integers(0, 30), order=asked)
    def amend_to_the_back(self, index: int, order: Asked) -> None:
        if resting := self.twins.pick(index):
            self.twins.move(resting, order)

    @rule(orders=st.lists(asked, max_size=8), reference=references)
    def auction(self, orders: list[Asked], reference: int | None) -> None:
        self.twins.auction(orders, reference)

    @rule()
    def commit(self) -> None:
        self.twins.save()

    @rule()
    def undo(self) -> None:
        self.twins.go_back()

    @invariant()
    def agree(self) -> None:
        self.twins.compare()


Books.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
test_the_fast_book_does_what_the_obvious_one_does = Books.TestCase


def test_an_iceberg_shows_a_slice_and_queues_its_next_one_behind_others() -> None:
    twins = Twins()
    berg = Asked(False, OWNERS[0], 100 * TICK, 25 * LOT, display=10 * LOT)
    plain = Asked(False, OWNERS[1], 100 * TICK, 5 * LOT)
    twins.place(berg)
    twins.place(plain)
    iceberg, other = twins.resting.values()
    level = twins.fast.asks.best()
    assert level is not None
    assert level.quantity == 15 * LOT

    twins.place(Asked(True, OWNERS[2], 100 * TICK, 4 * LOT))
    assert (list(level), level.quantity) == ([iceberg, other], 11 * LOT)

    twins.place(Asked(True, OWNERS[2], 100 * TICK, 6 * LOT))
    assert (list(level), level.quantity) == ([other, iceberg], 15 * LOT)
    assert iceberg.priority > other.priority

    twins.place(Asked(True, OWNERS[2], 100 * TICK, 20 * LOT, kind="fok"))
    assert twins.fast.asks.best() is None


def test_going_back_restores_an_iceberg_that_was_requeued_alone() -> None:
    twins = Twins()
    twins.place(Asked(False, OWNERS[0], 100 * TICK, 25 * LOT, display=10 * LOT))
    twins.save()

    twins.place(Asked(True, OWNERS[2], 100 * TICK, 12 * LOT))
    twins.go_back()
    twins.compare()


def test_a_sale_by_cash_leaves_a_better_bid_for_no_worse_one() -> None:
    # The rest of its cash would still buy it a lot at the lower price, not at the better one.
    twins = Twins()
    better = Asked(True, OWNERS[0], 103 * TICK, 10 * UNIT)
    twins.place(better)
    twins.place(better._replace(price=94 * TICK))
    bids = list(twins.resting.values())

    twins.place(Asked(False, OWNERS[1], 94 * TICK, 1_124, by_cash=True, kind="ioc"))

    assert [bid.filled for bid in bids] == [1_000, 0]
