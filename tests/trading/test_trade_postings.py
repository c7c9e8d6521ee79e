"""The engine's table in docs/ledger.md is what a trade books."""

from typing import Any

from custody.entry_kinds import EntryKind
from custody.models import JournalEntry
from tests import ledger_docs
from tests.trading_database import envelopes
from trading.sequencer import Sequencer


def test_the_table_of_a_trade_is_what_the_engine_books(venue: Any, hand_driven: Sequencer) -> None:
    buyer = venue.investor("Alice", usd=1_000)
    seller = venue.investor("Bob", tokens=10)
    hand_driven.process([])

    hand_driven.process(envelopes(venue.order(seller, "sell", quantity=2, price=190)))
    hand_driven.process(envelopes(venue.order(buyer, "buy", quantity=2, price=190)))
    hand_driven.settle()

    roles = {buyer: "buyer", seller: "seller"}
    entry = JournalEntry.objects.get(kind=EntryKind.TRADE)
    booked = {EntryKind.TRADE.value: ledger_docs.postings_of(entry, roles)}
    assert ledger_docs.differences(booked) == []
