"""Commands on orders through a running engine: both or none, asked twice, judged alone."""

import time
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from kernel import clock
from kernel.refusals import Refusal
from tests.trading_database import envelopes
from trading import operations, order_changes, order_entry
from trading.batch_refusals import ClientOrderIdReused
from trading.commands import PlacePair, ReplaceOrder
from trading.models import BookEvent, Order, Trade

USD = 1_000_000


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()


@sync_to_async
def rows() -> list[tuple[str, str, str]]:
    return list(Order.objects.order_by("id").values_list("type", "status", "reason"))


@sync_to_async
def kinds() -> set[str]:
    """Of the events there are."""
    return {event[0] for row in BookEvent.objects.all() for event in row.events}


async def test_a_client_that_asks_again_gets_the_first_order_with_its_terms(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", tokens=5)
    body = {
        "quantity": 1,
        "type": "stop_loss",
        "trigger_price_units": 90 * USD,
        "client_order_id": "mine",
    }
    first = await order_entry.place(venue.order(alice, "sell", **body))
    again = await order_entry.place(venue.order(alice, "sell", **body))

    assert first.terms is not None
    assert first.terms.trigger_price_units == 90 * USD
    assert (again.id, again.terms, again.priority) == (first.id, first.terms, first.priority)


async def test_a_pair_asked_for_twice_is_placed_once_and_one_client_id_names_one_order(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", tokens=5)

    def pair(one: str, other: str) -> PlacePair:
        stop = {"type": "stop_loss", "trigger_price_units": 90 * USD}
        return PlacePair(
            first=venue.order(alice, "sell", quantity=1, price=110, client_order_id=one),
            second=venue.order(alice, "sell", quantity=1, client_order_id=other, **stop),
        )

    placed = await order_changes.place_pair(pair("a", "b"))
    again = await order_changes.place_pair(pair("a", "b"))
    assert [each.id for each in again] == [each.id for each in placed]
    with pytest.raises(ClientOrderIdReused):
        await order_changes.place_pair(pair("a", "c"))
    with pytest.raises(Refusal) as refused:
        await order_changes.place_pair(pair("d", "d"))
    assert refused.value.code == "malformed_order"

    found = await rows()
    assert found[:2] == [("limit", "open", ""), ("stop_loss", "untriggered", "")]
    # Both are kept, with the reason why the pair was refused.
    assert [each[1:] for each in found[2:]] == [("refused", "malformed_order")] * 2
    assert await sync_to_async(venue.balance)(alice, venue.token) == (5 * 10**8, 10**8)


async def test_an_order_that_is_only_judged_leaves_nothing(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    judged = await order_entry.place(
        venue.order(alice, "buy", quantity=1, price=100, validate_only=True)
    )
    assert (judged.status, judged.held_units) == ("open", 100_250_000)
    with pytest.raises(Refusal) as refused:
        await order_entry.place(
            venue.order(alice, "buy", quantity=99, price=100, validate_only=True)
        )
    assert refused.value.code == "insufficient_funds"

    assert await rows() == []
    assert await kinds() <= {"rules"}
    assert await sync_to_async(venue.balance)(alice, venue.cash) == (1_000 * USD, 0)


async def test_nothing_is_replaced_by_an_order_that_is_only_judged(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    old = await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))
    new = venue.order(alice, "buy", quantity=1, price=101, validate_only=True)
    with pytest.raises(Refusal) as refused:
        await order_changes.replace(ReplaceOrder(investor_id=alice, order_id=old.id, order=new))
    assert refused.value.code == "malformed_order"
    assert (await rows())[0][1] == "open"


async def test_a_refused_order_is_kept_without_terms_that_nothing_can_have(
    venue: Any, engine: Any
) -> None:
    alice = await sync_to_async(venue.investor)("Alice", tokens=5)
    trail = {"trail_units": 10_000, "trail_e6": 10_000}
    for body in (
        {"price": 100, "display_units": 0},
        {"type": "stop_loss", "trigger_price_units": 0},
        {"type": "trailing_stop", **trail},
        {"type": "trailing_stop", "trail_e6": 1 << 31},
    ):
        with pytest.raises(Refusal) as refused:
            await order_entry.place(venue.order(alice, "sell", quantity=1, **body))
        assert refused.value.code == "malformed_order"
    assert {(status, reason) for _, status, reason in await rows()} == {
        ("refused", "malformed_order")
    }


def test_an_order_has_ended_before_the_inbox_of_its_last_batch_is_taken(
    venue: Any, hand_driven: Any
) -> None:
    """Here the end of an auction comes in the batch that ends the bid."""
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", tokens=5)
    set_state = partial(operations.set_listing_state, listing_id=venue.listing.pk)
    set_state(state="auction", reason="a listing's first day")
    hand_driven.process([])
    ends = {"time_in_force": "gtd", "expires_at": clock.now().timestamp() + 0.5}
    bid = venue.order(alice, "buy", quantity=1, price=101, **ends)
    hand_driven.process(envelopes(bid, venue.order(bob, "sell", quantity=1, price=99)))
    assert hand_driven.owned.pool.orders.keys() >= {bid.id}
    set_state(state="online", reason="")
    time.sleep(0.6)
    hand_driven.process([])

    assert Order.objects.get(id=bid.id).reason == "expired_gtd"
    assert not Trade.objects.exists()
