"""A batch with more trades than ids were drawn ahead for is an ordinary batch."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from custody.ledger_core import BLOCK_SIZE
from custody.verification.run import verify_ledger
from kernel import clock
from tests.trading_database import engine_database
from trading import sequencer
from trading.commands import Command, Envelope
from trading.models import Trade
from trading.sequencer import IDS_AHEAD, Sequencer

SELLERS = 4
EACH = (IDS_AHEAD + 2 * BLOCK_SIZE) // SELLERS


@pytest.fixture
def engine(venue: Any, valkey_url: str) -> Iterator[Sequencer]:
    made = Sequencer(pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL)
    assert made.own()
    yield made
    made.settle()
    made.owned.pool.check_invariants()
    made.drop()
    report = verify_ledger()
    assert report.is_clean, report.differences


def envelopes(*commands: Command) -> list[Envelope]:
    return [Envelope(command, clock.now().timestamp() + 60, "nobody") for command in commands]


def fill_the_book(venue: Any, engine: Sequencer) -> None:
    """More small asks than IDS_AHEAD, by investors who each stay within their number."""
    for n in range(SELLERS):
        seller = venue.investor(f"Seller {n}", tokens=100)
        engine.process([])
        asks = [venue.order(seller, "sell", quantity=0.01, price=100) for _ in range(EACH)]
        for start in range(0, EACH, 1_000):
            engine.process(envelopes(*asks[start : start + 1_000]))
    engine.settle()


def test_one_order_sweeps_more_than_ids_were_drawn_for(venue: Any, engine: Sequencer) -> None:
    alice = venue.investor("Alice", usd=100_000)
    fill_the_book(venue, engine)
    engine.process([])

    sweeping = venue.order(alice, "buy", quantity=SELLERS * EACH / 100, price=100)
    engine.process(envelopes(sweeping))
    engine.settle()

    assert Trade.objects.count() == SELLERS * EACH > IDS_AHEAD


def test_a_batch_matched_ahead_does_too(
    venue: Any, engine: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "AHEAD_MIN", 2)
    alice = venue.investor("Alice", usd=100_000)
    fill_the_book(venue, engine)
    engine.process([])
    small = [venue.order(alice, "buy", quantity=0.01, price=100) for _ in range(2)]
    large = [
        venue.order(alice, "buy", quantity=SELLERS * EACH / 100 - 1, price=100),
        venue.order(alice, "buy", quantity=0.01, price=100),
    ]

    engine.process(envelopes(*small))
    engine.process(envelopes(*large))
    engine.settle()

    assert Trade.objects.count() == SELLERS * EACH - 100 + 3
