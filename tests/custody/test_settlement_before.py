"""Orders and dollars from before there were blocks: the migration makes them whole."""

from datetime import timedelta
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db import connection

from custody.models import BlockOrder, CustodianOrder, JournalEntry, Redemption
from tests.custody_stories import SHARE, TOKEN, House
from tests.ledger_stories import NOON, Books

rules = import_module("custody.migrations.0016_settlement_rules")


def migrate() -> None:
    """What the migration does to the rows that it finds."""
    with connection.cursor() as cursor:
        cursor.execute(rules.BEFORE)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    with connection.schema_editor() as editor:
        rules.carry_dollars_over(apps, editor)


def ordered(books: Books, state: str, side: str = "buy", **more: Any) -> CustodianOrder:
    return CustodianOrder.objects.create(
        asset=books.assets["AAPL"], side=side, units=10 * SHARE, requested_at=NOON, state=state,
        **more,
    )  # fmt: skip


TRADED: dict[str, Any] = {
    "filled_units": 10 * SHARE, "cash_micros": 190, "price_micros": 19, "filled_at": NOON,
    "settles_at": NOON, "submitted_at": NOON,
}  # fmt: skip


def test_each_order_becomes_the_block_of_itself_under_its_own_id(db: None) -> None:
    books = Books()
    orders = {
        "new": ordered(books, "new"),
        "submitted": ordered(books, "submitted", custodian_order_id="c1", submitted_at=NOON),
        "rejected": ordered(books, "rejected", reason="no"),
        "filled": ordered(books, "filled", **TRADED),  # its shares are in "bought" still
        "settled": ordered(books, "settled", settled_at=NOON, **TRADED),
        "allocated": ordered(books, "filled", "sell", **TRADED),  # burned and paid
    }

    migrate()

    for state, order in orders.items():
        block = BlockOrder.objects.get(id=order.id)
        order.refresh_from_db()
        assert (block.state, block.owed_micros, order.block_id) == (state, 0, order.id)
        assert (block.units, block.side) == (order.units, order.side)
    assert BlockOrder.objects.get(id=orders["submitted"].id).custodian_order_id == "c1"


def test_the_brokers_dollars_become_prefunding_once(db: None) -> None:
    books = Books()
    books.book("custodian prefunded", {"custodian_cash USD": "-500", "treasury USD": "+500"})

    migrate()
    migrate()

    assert (books["treasury USD"], books["prefunding USD"]) == ("0", "500")
    assert JournalEntry.objects.filter(kind="prefunding carried over").count() == 1


def test_a_purchase_that_had_filled_settles_without_owing_dollars(house: House) -> None:
    house.prefund()
    bought = {
        "custodian_bought AAPL": "-10", "shares_unsettled AAPL": "+10",
        "prefunding USD": "-1900", "custodian_cash USD": "+1900",
    }  # fmt: skip
    house.books.book("shares bought", bought)
    order = ordered(house.books, "filled", **TRADED)
    migrate()

    house.sweep()
    house.sweep()

    order.refresh_from_db()
    assert (order.state, order.filled_units, order.cash_micros) == ("settled", 10 * SHARE, 190)
    assert house.books["shares_free AAPL"] == "10"
    assert house.books["custodian_settled AAPL"] == "-10"
    assert house.books["payable USD"] == "0"
    assert house.books["custodian_cash USD"] == "-998100"


def test_a_sale_whose_burn_was_not_booked_has_its_dollars_booked(house: House) -> None:
    house.prefund(usdc="100000")
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", 10)
    redemption = house.redeem("alice", 5 * TOKEN)
    house.clock.to_next_session()
    house.sweep_until(lambda: Redemption.objects.get().state == "held")
    order = CustodianOrder.objects.get()
    house.custodian.place(client_order_id=order.id, symbol="AAPL", side="sell", units=order.units)
    house.clock.advance(seconds=3)
    fill = house.custodian.find(client_order_id=order.id)
    assert fill is not None
    cash = fill.cash_micros("sell")
    traded = TRADED | {
        "filled_units": fill.filled_units, "cash_micros": cash, "price_micros": fill.price_micros,
        "settles_at": house.now + timedelta(days=1),
    }  # fmt: skip
    CustodianOrder.objects.filter(id=order.id).update(state="filled", **traded)

    migrate()
    house.sweep_until(lambda: Redemption.objects.get().state == "paid")

    assert BlockOrder.objects.get().state == "allocated"
    assert Redemption.objects.get(id=redemption.id).gross_units == cash
    assert house.books.row("receivable USD").posted_units == -cash
    assert house.books.row("prefunding USD").posted_units == house.custodian.cash_micros()
