"""Orders netted at the custodian: sent once, divided to the unit, booked in three accounts."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from custody import operations
from custody.gateways.custodian import AlpacaCustodian, CustodianRefused, Order
from custody.models import BlockOrder, CustodianOrder, JournalEntry, MintRequest, Redemption
from custody.operations import settlement_blocks
from custody.operations.settlement_blocks import ATTEMPTS_MAX, NotStuck, sweep_orders
from custody.operations.shares import order_shares
from custody.operations.sweeping import SILENCES_MAX
from custody.operations.treasury import prefund_custodian
from custody.queries import list_cash_breaks, reserves
from kernel.gateways import GatewaySilent
from kernel.refusals import Forbidden, NotFound
from tests.custody.conftest import BROKER
from tests.custody_stories import DOLLAR, SHARE, TOKEN, House, make_officer
from tests.reconciliation_stories import look_twice, off


def ready_to_redeem(house: House, **tokens: int) -> House:
    """Minted tokens with each of them, and USDC to pay with."""
    house.prefund(usdc="100000")
    house.receive_shares(sum(tokens.values()))
    mint = house.start_mint(sum(tokens.values()), use_free_shares=True)
    house.approve(house.bring_to_approval(mint))
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    for name, units in tokens.items():
        house.give_tokens(name, units)
    return house


def redemption_state(redemption: Redemption) -> str:
    return Redemption.objects.get(id=redemption.id).state


def bring_to_fill(house: House, *mints: MintRequest) -> None:
    house.clock.to_next_session()
    house.sweep()
    house.clock.advance(seconds=3)
    ids = {mint.id for mint in mints}
    house.sweep_until(lambda: {house.state_of(id) for id in ids} <= {"shares_bought", "failed"})


def test_mints_at_once_are_one_order_and_three_accounts(house: House) -> None:
    house.prefund()
    mints = [house.start_mint(tokens) for tokens in (10, 7, 4)]

    bring_to_fill(house, *mints)

    block = BlockOrder.objects.get()
    orders = CustodianOrder.objects.filter(block=block).order_by("requested_at", "id")
    assert [order.filled_units for order in orders] == [10 * SHARE, 7 * SHARE, 4 * SHARE]
    assert sum(order.cash_micros or 0 for order in orders) == block.cash_micros
    assert {order.price_micros for order in orders} == {block.price_micros}
    assert house.books["custodian_allocated AAPL"] == "-21"
    assert house.books["shares_allocated AAPL"] == "21"
    assert house.books["custodian_bought AAPL"] == house.books["shares_unsettled AAPL"] == "0"
    assert house.books.row("payable USD").posted_units == block.cash_micros
    assert house.books["custodian_cash USD"] == "-1000000"
    assert list_cash_breaks(chain=house.chain, custodian=house.custodian) == []

    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mints[2].id) == "awaiting_approval")

    assert house.books["custodian_settled AAPL"] == "-21"
    assert house.books["payable USD"] == "0"
    left = 1_000_000 * DOLLAR - (block.cash_micros or 0)
    assert house.books.row("custodian_cash USD").posted_units == -left
    assert house.books.row("prefunding USD").posted_units == left == house.custodian.cash_micros()
    assert house.books.row("shares_free AAPL").held_units == 21 * SHARE
    connection.check_constraints()


def test_redeemers_at_once_are_paid_from_one_sale_at_one_price(house: House) -> None:
    ready_to_redeem(house, alice=5, bob=3)
    house.clock.to_closed_market()
    hers, his = house.redeem("alice", 5 * TOKEN, "hers"), house.redeem("bob", 3 * TOKEN, "his")
    house.sweep_until(lambda: redemption_state(his) == redemption_state(hers) == "submitted")
    before = house.books.row("prefunding USD").posted_units

    house.clock.to_next_session()
    house.sweep_until(lambda: redemption_state(his) == redemption_state(hers) == "paid")

    block = BlockOrder.objects.get(side="sell")
    hers.refresh_from_db()
    his.refresh_from_db()
    assert block.units == 8 * SHARE
    assert (hers.gross_units or 0) + (his.gross_units or 0) == block.cash_micros
    assert abs((hers.gross_units or 0) * 3 - (his.gross_units or 0) * 5) <= 8
    assert house.books.row("receivable USD").posted_units == -(block.cash_micros or 0)
    assert house.books.row("prefunding USD").posted_units == before + (block.cash_micros or 0)
    assert list_cash_breaks(chain=house.chain, custodian=house.custodian) == []

    house.clock.to_next_session()
    house.sweep_until(lambda: BlockOrder.objects.get(side="sell").state == "settled")

    assert house.books["receivable USD"] == "0"
    assert house.books.row("custodian_cash USD").posted_units == -house.custodian.cash_micros()
    (found,) = reserves(chain=house.chain, custodian=house.custodian, now=house.now)
    assert found.verdict == "covered", found.findings


def test_a_fill_in_part_is_divided_pro_rata_to_the_last_unit(house: House) -> None:
    ready_to_redeem(house, alice=5, bob=3)
    house.broker.post("/sandbox/custodian/faults", {"part": 1})
    hers = house.redeem("alice", 333_333_331, "hers")
    his = house.redeem("bob", 100_000_003, "his")
    house.sweep_until(lambda: redemption_state(his) == redemption_state(hers) == "held")
    house.clock.to_next_session()

    house.sweep_until(lambda: redemption_state(his) == redemption_state(hers) == "paid")

    block = BlockOrder.objects.get(side="sell")
    parts = list(CustodianOrder.objects.filter(side="sell").order_by("-units"))
    assert block.units == 4_333_333_340
    assert block.filled_units == block.units * 40 // 100
    assert [order.filled_units for order in parts] == [1_333_333_324, 400_000_012]
    assert sum(order.cash_micros or 0 for order in parts) == block.cash_micros
    assert "filled in part" in parts[0].reason
    connection.check_constraints()
    (found,) = reserves(chain=house.chain, custodian=house.custodian, now=house.now)
    assert found.verdict == "covered", found.findings


def test_buying_and_selling_are_not_crossed(house: House) -> None:
    house.prefund()
    house.receive_shares(5)
    house.clock.to_closed_market()
    for side in ("buy", "sell", "buy"):
        order_shares(asset_id=house.asset_id("AAPL"), side=side, units=2 * SHARE, now=house.now)

    sweep_orders(custodian=house.custodian, now=house.now)

    sides = BlockOrder.objects.order_by("side").values_list("side", "units", "state")
    assert list(sides) == [("buy", 4 * SHARE, "submitted"), ("sell", 2 * SHARE, "submitted")]


def test_what_the_custodian_does_not_want_is_sent_again_one_by_one(house: House) -> None:
    prefund_custodian(
        custodian=house.custodian, micros=2_000 * DOLLAR, key="a little", now=house.now
    )
    house.clock.to_next_session()
    small, large = house.start_mint(1), house.start_mint(10_000)

    house.sweep()
    house.sweep()
    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(small.id) == "shares_bought")

    assert house.state_of(large.id) == "failed"
    assert "buying power" in MintRequest.objects.get(id=large.id).failure
    states = BlockOrder.objects.order_by("formed_at", "id").values_list("state", flat=True)
    assert sorted(states) == ["allocated", "rejected", "rejected"]
    assert BlockOrder.objects.get(state="allocated").units == SHARE


def test_every_step_taken_twice_books_once(house: House) -> None:
    house.prefund()
    mint = house.start_mint(10)
    house.clock.to_next_session()
    house.sweep()
    house.clock.advance(seconds=3)
    stale = BlockOrder.objects.select_related("asset__instrument").get()
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")

    # A worker that read the rows before any of it happened.
    assert settlement_blocks._ask(stale, house.custodian, house.now) is False
    stale.state, stale.filled_units, stale.cash_micros = "filled", 10 * SHARE, 1
    assert settlement_blocks._book(stale, house.now) is False
    house.clock.to_next_session()
    due = BlockOrder.objects.get()
    assert settlement_blocks._book(due, house.now) is True
    assert settlement_blocks._book(due, house.now) is False

    kinds = JournalEntry.objects.filter(kind__startswith="shares ").values_list("kind", flat=True)
    assert sorted(kinds) == ["shares allocated", "shares bought", "shares settled"]


@pytest.mark.parametrize("dies_in", ["_submitted", "_fill", "_allocate", "_settle"])
def test_a_worker_that_dies_in_a_step_leaves_it_to_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    """Each time at its worst moment: all is done and nothing of it is committed."""
    step = getattr(settlement_blocks, dies_in)
    deaths: list[str] = []

    def die_first(*args: object) -> bool:
        with transaction.atomic():
            moved = bool(step(*args))
            if moved and not deaths:
                deaths.append(dies_in)
                raise RuntimeError("killed")
            return moved

    monkeypatch.setattr(settlement_blocks, dies_in, die_first)
    house.prefund()
    mint = house.start_mint(10)
    house.clock.to_next_session()
    house.sweep()
    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")
    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mint.id) == "awaiting_approval")

    assert deaths == [dies_in]
    assert house.custodian.shares(now=house.now)["AAPL"].settled_units == 10 * SHARE
    assert house.books["custodian_settled AAPL"] == "-10"
    assert house.books.row("prefunding USD").posted_units == house.custodian.cash_micros()
    assert JournalEntry.objects.filter(kind__startswith="shares ").count() == 3


# --- silence ----------------------------------------------------------------------


def test_a_silent_custodian_is_asked_ever_less_and_at_last_by_a_person(house: House) -> None:
    house.prefund()
    house.clock.to_next_session()
    mint = house.start_mint(10)
    now = house.now
    waits = []
    with AlpacaCustodian("http://127.0.0.1:1", "key", "secret") as silent:
        for _ in range(ATTEMPTS_MAX):
            sweep_orders(custodian=silent, now=now)
            block = BlockOrder.objects.get()
            assert block.next_attempt_at is not None
            waits.append((block.next_attempt_at - now).total_seconds())
            sweep_orders(custodian=silent, now=now)  # too early: not asked
            assert BlockOrder.objects.get().attempts == block.attempts
            now = block.next_attempt_at

    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == 300
    assert BlockOrder.objects.get().state == "stuck"
    house.sweep()
    assert BlockOrder.objects.get().state == "stuck"
    with pytest.raises(Forbidden):
        operations.retry_block(block_id=block.id, officer=plain_officer())
    operations.retry_block(block_id=block.id, officer=house.maker)
    with pytest.raises(NotStuck):
        operations.retry_block(block_id=block.id, officer=house.maker)
    with pytest.raises(NotFound):
        operations.retry_block(block_id=UUID(int=0), officer=house.maker)
    house.sweep()
    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")
    assert BlockOrder.objects.get().attempts == 0


class ForgetfulBroker(AlpacaCustodian):
    """Takes an order, loses its answer, and has too little left for the same again."""

    def place(self, **order: Any) -> Order:
        super().place(**order)
        raise CustodianRefused("insufficient buying power")


def test_an_order_is_not_over_when_it_was_taken_and_a_second_refused(house: House) -> None:
    house.prefund()
    house.clock.to_next_session()
    mint = house.start_mint(10)
    with ForgetfulBroker(house.broker.url, **BROKER) as broker:
        sweep_orders(custodian=broker, now=house.now)
    assert BlockOrder.objects.get().state == "submitted"

    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")

    assert house.custodian.shares(now=house.now)["AAPL"].unsettled_units == 10 * SHARE
    assert house.books["custodian_allocated AAPL"] == "-10"


def test_what_is_known_is_booked_while_the_custodian_is_silent(house: House) -> None:
    house.prefund()
    mint = house.start_mint(10)
    bring_to_fill(house, mint)
    house.clock.to_next_session()
    for _ in range(SILENCES_MAX):
        house.start_mint(1)
        settlement_blocks._net(house.now)

    with (
        AlpacaCustodian("http://127.0.0.1:1", "key", "secret") as silent,
        pytest.raises(GatewaySilent),
    ):
        sweep_orders(custodian=silent, now=house.now)

    assert sorted(BlockOrder.objects.values_list("state", flat=True))[-1] == "settled"
    assert house.books["shares_free AAPL"] == "10"


def test_a_purchase_delivered_before_its_fill_is_heard_of_is_no_difference(
    house: House,
) -> None:
    """The worker was away for days."""
    house.prefund()
    house.start_mint(3)
    house.clock.to_closed_market()
    house.sweep()
    for _ in range(3):
        house.clock.to_next_session()
    house.clock.advance(seconds=3)
    assert house.custodian.shares(now=house.now)["AAPL"].settled_units == 3 * SHARE

    assert off(look_twice(house)) == {}


def test_what_was_taken_is_asked_about_for_ever(house: House) -> None:
    house.prefund()
    house.clock.to_closed_market()
    house.start_mint(10)
    house.sweep()
    BlockOrder.objects.update(attempts=10 * ATTEMPTS_MAX)

    with AlpacaCustodian("http://127.0.0.1:1", "key", "secret") as silent:
        sweep_orders(custodian=silent, now=house.now)

    block = BlockOrder.objects.get()
    assert (block.state, block.attempts) == ("submitted", 10 * ATTEMPTS_MAX + 1)
    assert block.next_attempt_at is not None
    assert block.next_attempt_at <= house.now + timedelta(seconds=300)


def plain_officer() -> User:
    officer = make_officer("sam")
    officer.user_permissions.clear()
    return type(officer).objects.get(pk=officer.pk)


# --- the database's own refusals --------------------------------------------------


def refused(because: str, sql: str, *params: UUID) -> None:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError, match=because):
        run()


def test_the_parts_of_a_fill_add_up_in_the_database_too(house: House) -> None:
    house.prefund()
    mints = [house.start_mint(tokens) for tokens in (3, 2)]
    bring_to_fill(house, *mints)
    order = CustodianOrder.objects.earliest("requested_at")

    takes = "UPDATE custody_custodianorder SET filled_units = filled_units - 1 WHERE id = %s"
    refused("add up", takes, order.id)
    refused("add up", "UPDATE custody_custodianorder SET cash_micros = 0 WHERE id = %s", order.id)
    leaves = "UPDATE custody_custodianorder SET block_id = NULL WHERE id = %s"
    refused("orders ask for", leaves, order.id)
    for column in ("units", "filled_units", "cash_micros", "owed_micros"):
        change = f"UPDATE custody_blockorder SET {column} = {column} + 1"
        refused("never changes", change)
    refused("filled_block_orders_are_priced", "UPDATE custody_blockorder SET price_micros = NULL")


def test_a_block_is_booked_and_goes_one_way_in_the_database_too(house: House) -> None:
    house.prefund()
    bring_to_fill(house, house.start_mint(3))

    refused("settled and not booked", "UPDATE custody_blockorder SET state = 'settled'")
    for state in ("new", "submitted", "rejected", "stuck"):
        refused("cannot become", f"UPDATE custody_blockorder SET state = '{state}'")
    house.clock.to_next_session()
    house.sweep_until(lambda: BlockOrder.objects.get().state == "settled")
    refused("cannot become", "UPDATE custody_blockorder SET state = 'allocated'")
