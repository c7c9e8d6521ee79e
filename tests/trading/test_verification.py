"""What verify_ledger finds of the engine's rows, and since when."""

from typing import Any, LiteralString

import pytest
from asgiref.sync import sync_to_async

from custody.verification.run import verify_ledger
from tests.sealing_stories import as_superuser
from trading import order_entry
from trading.models import Order, Trade

# (what a superuser changes, how it is undone, what is said of it)
CHANGES: list[tuple[LiteralString, LiteralString, str]] = [
    (
        "UPDATE trading_order SET filled_units = filled_units - 1 WHERE id = %(maker)s",
        "UPDATE trading_order SET filled_units = filled_units + 1 WHERE id = %(maker)s",
        "orders sum their trades: order {maker}: expected",
    ),
    (
        "UPDATE trading_trade SET maker_order_id = gen_random_uuid()",
        "UPDATE trading_trade SET maker_order_id = %(maker)s",
        "references: trading_trade {trade}: expected maker_order_id",
    ),
    (
        "UPDATE trading_trade SET buyer_id = seller_id, seller_id = buyer_id",
        "UPDATE trading_trade SET buyer_id = seller_id, seller_id = buyer_id",
        "trades: trade {trade}: expected its orders' listing and investors, found others",
    ),
    (
        "UPDATE trading_trade SET buyer_id = 777",
        "UPDATE trading_trade SET buyer_id = %(alice)s",
        "references: trading_trade {trade}: expected buyer_id 777 to exist, found none",
    ),
    (
        "UPDATE trading_order SET snapshot_id = 777 WHERE id = %(maker)s",
        "UPDATE trading_order SET snapshot_id = %(proof)s WHERE id = %(maker)s",
        "references: trading_order {maker}: expected snapshot_id 777 to exist, found none",
    ),
    (
        "UPDATE accounts_eligibilitysnapshot SET investor_id = %(bob)s, version = 99"
        " WHERE id = %(proof)s",
        "UPDATE accounts_eligibilitysnapshot SET investor_id = %(alice)s, version = 1"
        " WHERE id = %(proof)s",
        "proofs: order {maker}: expected its investor's snapshot, found another's",
    ),
    (
        "UPDATE custody_journalentry SET key = 'gone' WHERE kind = 'trade'",
        "UPDATE custody_journalentry SET key = 'trade:' || %(trade)s::text WHERE kind = 'trade'",
        "trades are booked: trade {trade}: expected a journal entry, found none",
    ),
    (
        "UPDATE trading_bookevent SET first_event_seq = first_event_seq + 1",
        "UPDATE trading_bookevent SET first_event_seq = first_event_seq - 1",
        "book events: listing",
    ),
]


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()


async def test_a_changed_row_of_the_engine_is_found_and_named(venue: Any, engine: Any) -> None:
    alice = await sync_to_async(venue.investor)("Alice", usd=1_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=5)
    maker = await order_entry.place(venue.order(alice, "buy", quantity=1, price=100))
    await order_entry.place(venue.order(bob, "sell", quantity=1, price=100))

    await sync_to_async(check_changes)({"maker": maker.id, "alice": alice, "bob": bob})


def check_changes(names: dict[str, Any]) -> None:
    trade = Trade.objects.get()
    order = Order.objects.get(id=names["maker"])
    names |= {"trade": trade.id, "proof": order.snapshot_id}
    assert verify_ledger().differences == []
    for change, undo, said in CHANGES:
        as_superuser(change, **names)
        found = "\n".join(map(str, verify_ledger().differences))
        as_superuser(undo, **names)
        assert said.format(**names) in found
        assert "(since " in found
    assert verify_ledger().differences == []
