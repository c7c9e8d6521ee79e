"""Looking again at what sockets may see: read once for all who are alike."""

from collections.abc import Iterator
from typing import Any

import pytest

from trading import socket_guard
from trading.offering import reader_of


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    socket_guard._offers.clear()
    yield
    socket_guard._offers.clear()


def symbols(investor_id: int) -> dict[str, bool]:
    """What is offered to an investor, and whether only to be sold."""
    found = socket_guard._offered_to(reader_of(investor_id=investor_id))
    return {symbol: view.sell_only for symbol, view in found.items()}


def test_what_all_are_offered_is_read_once_for_a_country(
    venue: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_guard, "RECHECK_SECONDS", 10_000.0)
    alice, bob = (venue.investor(name, country="DE") for name in ("Alice", "Bob"))
    neighbour = reader_of(investor_id=bob)
    everything = symbols(alice)

    with django_assert_num_queries(0):
        assert {*socket_guard._offered_to(neighbour)} == {*everything} == {venue.listing.symbol}


def test_what_one_may_only_sell_is_not_offered_to_their_neighbours(
    venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_guard, "RECHECK_SECONDS", 0.0)
    holder = venue.investor("Alice", country="DE", tokens=1)
    other = venue.investor("Bob", country="DE")
    assert symbols(holder) == symbols(other) == {venue.listing.symbol: False}

    venue.listing.blocks.create(country="DE")

    for _ in range(2):
        assert (symbols(holder), symbols(other)) == ({venue.listing.symbol: True}, {})
