"""A batch with more trades than ids were drawn ahead for is an ordinary batch."""

from typing import Any

import pytest

from custody.ledger_core import BLOCK_SIZE
from tests.trading_database import envelopes
from trading import sequencer
from trading.models import Trade
from trading.sequencer import IDS_AHEAD, Sequencer

SELLERS = 4
EACH = (IDS_AHEAD + 2 * BLOCK_SIZE) // SELLERS


def fill_the_book(venue: Any, engine: Sequencer) -> None:
    """More small asks than IDS_AHEAD, by investors who each stay within their number."""
    for n in range(SELLERS):
        seller = venue.investor(f"Seller {n}", tokens=100)
        engine.process([])
        asks = [venue.order(seller, "sell", quantity=0.01, price=100) for _ in range(EACH)]
        for start in range(0, EACH, 1_000):
            engine.process(envelopes(*asks[start : start + 1_000]))
    engine.settle()


def test_one_order_sweeps_more_than_ids_were_drawn_for(venue: Any, hand_driven: Sequencer) -> None:
    alice = venue.investor("Alice", usd=100_000)
    fill_the_book(venue, hand_driven)
    hand_driven.process([])

    sweeping = venue.order(alice, "buy", quantity=SELLERS * EACH / 100, price=100)
    hand_driven.process(envelopes(sweeping))
    hand_driven.settle()

    assert Trade.objects.count() == SELLERS * EACH > IDS_AHEAD


def test_a_batch_matched_ahead_does_too(
    venue: Any, hand_driven: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "AHEAD_MIN", 2)
    alice = venue.investor("Alice", usd=100_000)
    fill_the_book(venue, hand_driven)
    hand_driven.process([])
    small = [venue.order(alice, "buy", quantity=0.01, price=100) for _ in range(2)]
    large = [
        venue.order(alice, "buy", quantity=SELLERS * EACH / 100 - 1, price=100),
        venue.order(alice, "buy", quantity=0.01, price=100),
    ]

    hand_driven.process(envelopes(*small))
    hand_driven.process(envelopes(*large))
    hand_driven.settle()

    assert Trade.objects.count() == SELLERS * EACH - 100 + 3
