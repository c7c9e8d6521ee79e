"""A client's own id stands for one order while it is open and for 24 hours after."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from kernel import clock
from tests.trading_database import engine_database
from trading.commands import CancelOrder, Command, Envelope
from trading.models import Order
from trading.sequencer import Sequencer


@pytest.fixture
def engine(venue: Any, valkey_url: str) -> Iterator[Sequencer]:
    made = Sequencer(pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL)
    assert made.own()
    yield made
    made.drop()


def run(engine: Sequencer, *commands: Command) -> None:
    deadline = clock.now().timestamp() + 30
    engine.process([Envelope(command, deadline, "nobody") for command in commands])
    engine.settle()


def test_an_order_that_rested_for_days_keeps_its_id_for_a_day_after_it_closed(
    venue: Any, engine: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    run(engine)
    first = venue.order(alice, "buy", quantity=1, price=100, client_order_id="mine")
    run(engine, first)
    Order.objects.update(accepted_at=clock.now() - timedelta(days=3))
    run(engine, CancelOrder(investor_id=alice, client_order_id="mine"))

    second = venue.order(alice, "buy", quantity=2, price=100, client_order_id="mine")
    run(engine, second)
    assert not Order.objects.filter(id=second.id, status="open").exists()

    Order.objects.filter(id=first.id).update(updated_at=clock.now() - timedelta(hours=25))
    third = venue.order(alice, "buy", quantity=2, price=100, client_order_id="mine")
    run(engine, third)
    assert Order.objects.get(id=third.id).status == "open"
