"""A sweep: one row never stops the others, and a silent party costs little time."""

import pytest

from custody.gateways.custodian import AlpacaCustodian
from custody.models import BlockOrder, CustodianOrder
from custody.operations.settlement_blocks import sweep_orders
from custody.operations.sweeping import ROWS_READ_AT_ONCE, in_order, sweep_rows
from kernel.gateways import GatewaySilent, GatewayUnavailable
from tests.custody_stories import SHARE, House
from tests.ledger_stories import NOON, Books


def add_orders(books: Books, count: int) -> list[CustodianOrder]:
    asset = books.assets["AAPL"]
    return CustodianOrder.objects.bulk_create(
        CustodianOrder(asset=asset, side="buy", units=SHARE, requested_at=NOON, goes_alone=True)
        for _ in range(count)
    )


def test_a_row_that_fails_says_so_and_the_rest_moves(db: None) -> None:
    bad, good = add_orders(Books(), 2)

    def step(row: CustodianOrder) -> bool:
        if row.id == bad.id:
            raise AssertionError("a bug in this one")
        return True

    assert sweep_rows(in_order(CustodianOrder.objects.all(), "requested_at"), step) == 1

    bad.refresh_from_db()
    good.refresh_from_db()
    assert "a bug in this one" in bad.problem
    assert good.problem == ""
    sweep_rows([bad], lambda row: False)
    bad.refresh_from_db()
    assert bad.problem == ""  # it goes on: the old reason is gone


def test_a_silent_party_is_not_asked_for_every_row(db: None) -> None:
    add_orders(Books(), 10)

    with (
        AlpacaCustodian("http://127.0.0.1:1", "key", "secret") as custodian,
        pytest.raises(GatewaySilent),
    ):
        sweep_orders(custodian=custodian, now=NOON)

    asked = BlockOrder.objects.exclude(problem="")
    assert asked.count() == 3
    assert not CustodianOrder.objects.exclude(state="new").exists()


def test_no_row_hides_behind_many_older_ones(db: None) -> None:
    count = 2 * ROWS_READ_AT_ONCE + 3
    added = {row.id for row in add_orders(Books(), count)}

    seen = [row.id for row in in_order(CustodianOrder.objects.all(), "requested_at")]

    assert len(seen) == count
    assert set(seen) == added


def test_keys_that_the_custodian_does_not_take_reject_no_order(house: House) -> None:
    (order,) = add_orders(house.books, 1)

    with AlpacaCustodian(house.broker.url, "CK123", "wrong") as custodian:
        sweep_orders(custodian=custodian, now=house.now)

    order.refresh_from_db()
    assert order.state == "new"
    assert order.block is not None
    assert "401" in order.block.problem


def test_rows_about_which_a_party_talks_nonsense_hide_nothing(db: None) -> None:
    *nonsense, good = add_orders(Books(), 5)

    def step(row: CustodianOrder) -> bool:
        if row.id != good.id:
            raise GatewayUnavailable("custodian", "wrote the amount 'x'")
        return True

    rows = in_order(CustodianOrder.objects.all(), "requested_at")

    assert sweep_rows(rows, step) == 1
    assert CustodianOrder.objects.exclude(problem="").count() == len(nonsense)
