"""Under load the next batch is matched while this one is written; nobody may notice."""

from typing import Any

import pytest
from django.db import connections

from tests.trading_database import envelopes
from trading import sequencer
from trading.commands import CancelOrder
from trading.models import Order
from trading.sequencer import Sequencer


@pytest.fixture
def engine(hand_driven: Sequencer, monkeypatch: pytest.MonkeyPatch) -> Sequencer:
    """An engine that the test drives, batch by batch, and that matches ahead early."""
    monkeypatch.setattr(sequencer, "AHEAD_MIN", 2)
    return hand_driven


def statuses() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Order.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_batches_matched_ahead_trade_with_those_still_being_written(
    venue: Any, engine: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=100_000)
    bob = venue.investor("Bob", tokens=100)
    engine.process([])

    for n in range(10):
        buys = [venue.order(alice, "buy", quantity=0.1, price=100 + n) for _ in range(5)]
        engine.process(envelopes(*buys))
        sells = [venue.order(bob, "sell", quantity=0.1, price=100 + n) for _ in range(5)]
        engine.process(envelopes(*sells))
    engine.settle()

    assert statuses() == {"filled": 100}
    assert venue.balance(bob, venue.token) == (95 * 10**8, 0)


def test_a_poison_in_the_batch_under_way_voids_what_was_matched_ahead_and_nothing_else(
    venue: Any, engine: Sequencer
) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "ALTER TABLE trading_order ADD CONSTRAINT poison CHECK (user_ref IS DISTINCT FROM 13)"
        )
    alice = venue.investor("Alice", usd=100_000)
    bob = venue.investor("Bob", tokens=100)
    engine.process([])
    poisoned = venue.order(alice, "buy", quantity=1, price=100, user_ref=13)
    good = venue.order(alice, "buy", quantity=1, price=90)

    engine.process(envelopes(good, poisoned))
    # Ahead of the failure it would have sold to the poisoned order.
    sells = [venue.order(bob, "sell", quantity=1, price=95) for _ in range(2)]
    engine.process(envelopes(*sells))
    engine.settle()

    assert statuses() == {"open": 3}
    assert not Order.objects.filter(id=poisoned.id).exists()
    assert venue.balance(alice, venue.cash) == (100_000_000_000, 90_090_000)


def test_a_fact_that_comes_in_between_binds_the_batch_matched_ahead(
    venue: Any, engine: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=100_000)
    engine.process([])
    first = [venue.order(alice, "buy", quantity=1, price=90) for _ in range(2)]
    second = [venue.order(alice, "buy", quantity=1, price=91) for _ in range(2)]

    engine.process(envelopes(*first))
    venue.allow(alice, may_buy=False)
    engine.process(envelopes(*second))
    engine.settle()

    assert statuses() == {"canceled": 2, "refused": 2}
    assert venue.balance(alice, venue.cash) == (100_000_000_000, 0)


def test_duplicates_and_cancels_reach_over_the_batch_under_way(
    venue: Any, engine: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=100_000)
    engine.process([])
    orders = [venue.order(alice, "buy", quantity=1, price=90) for _ in range(3)]

    engine.process(envelopes(*orders))
    cancels = [CancelOrder(investor_id=alice, order_id=order.id) for order in orders[:2]]
    engine.process(envelopes(*orders, *cancels))
    engine.settle()

    assert statuses() == {"canceled": 2, "open": 1}


def test_another_owner_in_between_stops_the_engine_before_it_writes(
    venue: Any, engine: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=100_000)
    engine.process([])
    engine.process(envelopes(*(venue.order(alice, "buy", quantity=1, price=90) for _ in range(2))))
    engine.settle()
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE trading_pool SET epoch = epoch + 1")

    with pytest.raises(sequencer.NotOwner):
        engine.process(
            envelopes(*(venue.order(alice, "buy", quantity=1, price=91) for _ in range(2)))
        )

    assert statuses() == {"open": 2}
