"""What an engine remembers of what was lately done."""

from typing import Any
from uuid import UUID

import pytest

from tests.trading_database import envelopes
from trading import order_changes, order_entry, recent
from trading.commands import AmendOrder, CancelOrder, Command, ReplaceOrder
from trading.recent import Recent
from trading.sequencer import Sequencer


class Order:
    """What of an order is remembered."""

    def __init__(self, number: int, status: str, investor_id: int = 1) -> None:
        self.id, self.status, self.investor_id = UUID(int=number), status, investor_id


def test_only_its_owner_is_told_how_an_order_ended() -> None:
    lately: Any = Recent()
    lately.close([Order(1, "filled"), Order(2, "open"), Order(3, "untriggered")])

    assert lately.end_of(1, UUID(int=1)) == "filled"
    assert lately.end_of(2, UUID(int=1)) is None
    assert lately.end_of(1, UUID(int=2)) is lately.end_of(1, UUID(int=3)) is None


def test_the_older_half_is_forgotten_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "CLOSED_MAX", 2)
    lately: Any = Recent()
    for number in range(1, 6):
        lately.close([Order(number, "canceled")])

    assert [lately.end_of(1, UUID(int=number)) for number in range(1, 6)] == [
        None, None, "canceled", "canceled", "canceled"
    ]  # fmt: skip
    lately.reopen([UUID(int=3), UUID(int=5)])
    assert [lately.end_of(1, UUID(int=number)) for number in (3, 4, 5)] == [None, "canceled", None]


def test_a_batch_that_was_undone_closed_nothing(venue: Any, hand_driven: Sequencer) -> None:
    alice = venue.investor("Alice", usd=1_000)
    hand_driven.process([])
    order = venue.order(alice, "buy", quantity=1, price=100)
    hand_driven.process(envelopes(order))
    hand_driven.settle()
    owned = hand_driven.owned
    cancel = envelopes(CancelOrder(investor_id=alice, order_id=order.id))

    work = hand_driven._match_unread(cancel, batch_no=1_000)
    assert owned.recent.end_of(alice, order.id) == "canceled"
    hand_driven._undo(work)

    assert owned.recent.end_of(alice, order.id) is None
    assert order.id in owned.pool.orders


def test_an_order_that_the_same_batch_closed_is_closed(venue: Any, hand_driven: Sequencer) -> None:
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", usd=1_000)
    hand_driven.process([])
    order = venue.order(alice, "buy", quantity=1, price=100)
    cancels = [CancelOrder(investor_id=each, order_id=order.id) for each in (alice, alice, bob)]

    work = hand_driven._match_unread(envelopes(order, *cancels), batch_no=1_000)

    assert work is not None
    assert [(a.code, a.details) for _, a in work.batch.answers] == [
        ("order_not_open", {"status": "canceled"}), ("order_not_found", {})
    ]  # fmt: skip
    hand_driven._undo(work)


@pytest.mark.usefixtures("engine")
def test_that_an_order_is_closed_needs_no_look_into_the_database(
    venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    order = order_entry.place_sync(venue.order(alice, "buy", quantity=1, price=100))
    order_entry.cancel_sync(CancelOrder(investor_id=alice, order_id=order.id))

    def fail(command: Command) -> Any:
        raise AssertionError("read from the database")

    monkeypatch.setattr(order_entry, "_find_status", fail)
    monkeypatch.setattr(order_changes, "why_not_open", fail)
    again = venue.order(alice, "buy", quantity=1, price=100)
    for change in (
        lambda: order_entry.cancel_sync(CancelOrder(investor_id=alice, order_id=order.id)),
        lambda: order_changes.amend_sync(
            AmendOrder(investor_id=alice, order_id=order.id, price_units=90_000_000)
        ),
        lambda: order_changes.replace_sync(
            ReplaceOrder(investor_id=alice, order_id=order.id, order=again)
        ),
    ):
        with pytest.raises(order_entry.REFUSALS["order_not_open"]) as refused:
            change()
        assert refused.value.details == {"status": "canceled"}
