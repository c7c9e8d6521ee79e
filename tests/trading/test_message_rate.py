"""Messages per second, through the engine's batches: what is refused leaves no row."""

from collections import Counter
from typing import Any

import pytest
from django.conf import settings

from kernel import clock
from tests.trading_database import engine_database, envelopes
from trading import batches, order_entry
from trading.batches import Batch
from trading.commands import CancelOrder
from trading.engine.effects import Effects
from trading.engine.throttle import Throttle
from trading.models import Order
from trading.recent import Recent
from trading.sequencer import Sequencer


def test_orders_beyond_the_burst_are_refused_and_cancels_are_not(
    venue: Any, hand_driven: Sequencer
) -> None:
    hand_driven.owned.throttle = Throttle(per_second=2)
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", usd=1_000)
    hers = [venue.order(alice, "buy", quantity=1, price=10) for _ in range(10)]
    his = venue.order(bob, "buy", quantity=1, price=10)

    hand_driven.process(envelopes(*hers, his))
    hand_driven.process(envelopes(*(CancelOrder(investor_id=alice, order_id=o.id) for o in hers)))

    found = Counter(Order.objects.filter(investor_id=alice).values_list("status", flat=True))
    assert found == {"canceled": 4}
    assert Order.objects.get(id=his.id).status == "open"


def test_the_answer_says_so_and_a_batch_that_was_undone_costs_nothing(
    venue: Any, hand_driven: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    hand_driven.process([])
    throttle, pool, recent = Throttle(per_second=1), hand_driven.owned.pool, Recent()
    at = clock.now().timestamp() + 5

    def refused() -> list[str]:
        sent = envelopes(*(venue.order(alice, "buy", quantity=1, price=10) for _ in range(3)))
        batch = Batch(Effects(7, at), sent, {})
        batches.run(pool, batch, recent, throttle)
        batch.effects.roll_back()
        return [answer.code for _, answer in batch.answers]

    assert refused() == refused() == ["too_many_messages"]


def test_the_refusal_is_too_many_requests_by_the_api(venue: Any) -> None:
    assert order_entry.REFUSALS["too_many_messages"].http_status == 429
    assert order_entry.REFUSALS["trading_stopped"].http_status == 403


@pytest.mark.parametrize(("per_second", "interval_micros"), [(0, None), (40, 25_000)])
def test_an_engine_limits_messages_as_it_is_told(
    venue: Any, valkey_url: str, per_second: int, interval_micros: int | None
) -> None:
    engine = Sequencer(
        pool_id=1,
        database=engine_database(),
        valkey_url=settings.REDIS_URL,
        messages_per_second=per_second,
    )
    assert engine.own()
    throttle = engine.owned.throttle
    engine.drop()

    assert getattr(throttle, "_interval", None) == interval_micros
