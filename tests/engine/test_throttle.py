"""Messages per second: a bucket for each investor, by the batch's clock."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.book import UndoLog, roll_back
from trading.engine.refusals import TooManyMessages
from trading.engine.throttle import Throttle

ALICE, BOB = 1, 2


def sent(throttle: Throttle, number: int, now: float, investor: int = ALICE) -> int:
    """How many of so many orders were taken."""
    taken = 0
    for _ in range(number):
        with suppress(TooManyMessages):
            throttle.count(investor, now, [], is_cancel=False)
            taken += 1
    return taken


def test_a_burst_is_taken_at_once_and_then_the_rate() -> None:
    throttle = Throttle(per_second=10, burst_seconds=2.0)

    assert sent(throttle, 100, 50.0) == 20
    assert sent(throttle, 100, 50.5) == 5
    assert sent(throttle, 100, 60.0) == 20


def test_each_investor_has_a_bucket_of_their_own() -> None:
    throttle = Throttle(per_second=10, burst_seconds=2.0)
    sent(throttle, 100, 50.0)

    assert sent(throttle, 100, 50.0, BOB) == 20


def test_the_refusal_names_the_rate_and_is_not_counted_itself() -> None:
    throttle = Throttle(per_second=10, burst_seconds=1.0)
    sent(throttle, 10, 50.0)

    with pytest.raises(TooManyMessages) as refusal:
        throttle.count(ALICE, 50.0, [], is_cancel=False)

    assert (refusal.value.code, refusal.value.http_status) == ("too_many_messages", 429)
    assert refusal.value.details == {"per_second": "10"}
    assert sent(throttle, 1, 50.11) == 1


def test_cancels_are_never_refused_and_count() -> None:
    throttle = Throttle(per_second=10, burst_seconds=2.0)
    for _ in range(500):
        throttle.count(ALICE, 50.0, [], is_cancel=True)

    assert sent(throttle, 1, 50.0) == 0
    # A storm of them costs a whole burst, not an hour of silence.
    assert sent(throttle, 100, 52.0) == 20


def test_only_who_sent_lately_is_remembered() -> None:
    throttle = Throttle(per_second=10, burst_seconds=2.0)
    for second in range(100):
        for investor in range(50):
            throttle.count(second * 50 + investor, float(second), [], is_cancel=False)

    assert len(throttle) <= 50 * 5


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 5.0), st.booleans()), max_size=60))
def test_undoing_puts_every_bucket_back(steps: list[tuple[int, float, bool]]) -> None:
    """A batch that was matched in vain has cost nobody anything."""
    throttle, twin = (Throttle(per_second=2, burst_seconds=2.0) for _ in range(2))
    undo: UndoLog = []
    now = 0.0
    for investor, wait, is_cancel in steps:
        now += wait
        mark = len(undo)
        with suppress(TooManyMessages):
            throttle.count(investor, now, undo, is_cancel=is_cancel)
        roll_back(undo, mark)
        for each in (throttle, twin):
            with suppress(TooManyMessages):
                each.count(investor, now, undo, is_cancel=is_cancel)

    assert [sent(throttle, 9, now, each) for each in range(4)] == [
        sent(twin, 9, now, each) for each in range(4)
    ]
