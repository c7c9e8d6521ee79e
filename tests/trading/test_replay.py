"""Stored events alone rebuild the book that the engine has, byte for byte."""

import io
import itertools
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.trading.random_orders import RandomOrders
from tests.trading_database import envelopes
from trading.engine.book import BookOrder, shown
from trading.models import BookEvent, Order
from trading.queries import replays
from trading.replay import ReplayedBook, ReplayedOrder, StoredRow, canonical

BATCHES, BATCH = 30, 20


def flow(venue: Any, hand_driven: Any, seed: int, batches: int = BATCHES) -> None:
    """Batches of random commands of three investors, one of them with a second account."""
    investors = [venue.investor(name, usd=50_000, tokens=300) for name in ("Ann", "Ben", "Cem")]
    orders = RandomOrders(venue.listing.symbol, investors, seed)
    for _ in range(batches):
        hand_driven.process(envelopes(*orders.take(BATCH)))
    hand_driven.settle()


def in_memory(hand_driven: Any) -> bytes:
    """The engine's own live orders, in the replay's encoding."""
    return canonical(_as_replayed(order) for order in hand_driven.owned.pool.orders.values())


def _as_replayed(order: BookOrder) -> ReplayedOrder:
    waits = order.level is None
    found = ReplayedOrder(
        str(order.id), order.is_buy, order.price, order.leaves, order.priority, waits=waits
    )
    if not waits and order.terms is not None:
        found.display, found.filled = order.terms.display_units, order.filled
        assert found.shown() == shown(order)
    return found


def kinds() -> set[str]:
    return {event[0] for row in BookEvent.objects.all() for event in row.events}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_replay_is_the_engine_s_book_byte_for_byte(
    venue: Any, hand_driven: Any, seed: int
) -> None:
    flow(venue, hand_driven, seed)

    book = replays.replay(listing_id=venue.listing.pk)

    assert replays.compare(book, listing_id=venue.listing.pk) == []
    assert canonical(book.orders.values()) == in_memory(hand_driven)
    assert book.trades
    assert {"accepted", "trade", "untriggered", "triggered", "amended", "canceled"} <= kinds()


def test_a_rebuilt_engine_has_the_book_of_the_replay(venue: Any, hand_driven: Any) -> None:
    flow(venue, hand_driven, 5)
    hand_driven.drop()
    assert hand_driven.own()

    book = replays.replay(listing_id=venue.listing.pk)

    assert canonical(book.orders.values()) == in_memory(hand_driven)


def test_a_replay_stops_after_a_batch(venue: Any, hand_driven: Any) -> None:
    investor = venue.investor("Ann", usd=1_000)
    for price in (90, 91, 92):
        hand_driven.process(envelopes(venue.order(investor, "buy", quantity=1, price=price)))
    hand_driven.settle()
    batches = list(BookEvent.objects.order_by("batch_no").values_list("batch_no", flat=True))

    counts = [
        len(replays.replay(listing_id=venue.listing.pk, until_batch=batch).orders)
        for batch in batches
    ]

    assert counts == [1, 2, 3]


def command(*argv: str) -> str:
    out = io.StringIO()
    call_command("replay_book", *argv, stdout=out)
    return out.getvalue()


@pytest.fixture
def recorded(venue: Any, hand_driven: Any) -> Any:
    flow(venue, hand_driven, 6, batches=8)
    hand_driven.drop()
    yield venue
    assert hand_driven.own()


def test_the_command_says_what_the_book_is(recorded: Any) -> None:
    symbol = recorded.listing.symbol
    said = command(symbol)

    assert said == command(symbol)
    assert said.startswith(f"{symbol}: ")
    assert "live orders" in said
    live = Order.objects.filter(status__in=("open", "untriggered")).count()
    assert len(command(symbol, "--show").splitlines()) == 1 + live
    assert command() == said
    with pytest.raises(CommandError, match="No listing"):
        command("NONExUSDC")


def row(first: int, events: list[list[Any]], **wrong: Any) -> Any:
    last = first + len(events) - 1
    stored = {
        "batch_no": first, "first_event_seq": first, "event_seq": last, "book_seq": first,
        "trade_no": sum(event[0] == "trade" for event in events), "events": events, "levels": None,
    }  # fmt: skip
    return StoredRow(**{**stored, **wrong})


ACCEPTED = ["accepted", 1, "a", True, 100, 7, None]
MET = ["trade", 3, 1, "a", "b", 100, 7, 700]


@pytest.mark.parametrize(
    "stored",
    [
        row(2, [["accepted", 2, "a", True, 100, 7, None]]),
        row(1, [ACCEPTED], event_seq=2),
        row(1, [ACCEPTED], trade_no=1),
        row(1, [ACCEPTED], levels=[[1, 100, 8, 1]]),
        row(1, [ACCEPTED], levels=[[1, 100, 7, 1]], book_seq=2),
        row(1, [ACCEPTED, ["accepted", 2, "c", False, 100, 7, None], MET]),
    ],
    ids=["gap", "last event", "trade number", "level", "book number", "stranger"],
)
def test_events_that_contradict_themselves_are_found(stored: Any) -> None:
    with pytest.raises(replays.CannotReplay):
        ReplayedBook().apply(stored)


def test_differences_between_events_and_orders_are_named(recorded: Any) -> None:
    book = replays.replay(listing_id=recorded.listing.pk)
    order = next(iter(book.orders.values()))
    order.priority += 1
    book.trades.pop()

    differences = replays.compare(book, listing_id=recorded.listing.pk)

    assert len(differences) == 2
    assert order.id in differences[0]
    assert "trades are stored" in differences[1]


def test_a_tie_of_places_does_not_depend_on_the_order_of_arrival() -> None:
    orders = [ReplayedOrder(id, True, 100, 1, seq) for seq, id in enumerate("abc", 1)]

    assert len({canonical(each) for each in itertools.permutations(orders)}) == 1
