"""Many workers at once: one block a share and side, one leg a token, each effect once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
from django.db import connection

from custody import operations
from custody.gateways.chain import SolanaChain
from custody.gateways.custodian import AlpacaCustodian
from custody.models import (
    BlockOrder,
    ChainTransaction,
    CustodianOrder,
    JournalEntry,
    SettlementLeg,
)
from custody.operations import settlement_blocks
from tests.custody.conftest import BROKER
from tests.custody_stories import SHARE, TOKEN, House, make_house
from tests.parties import Party, SandboxClock

WORKERS = 4
ROUNDS = 3


@pytest.fixture
def committed_house(
    cloned_database: str, node: Party, broker: Party, prices: Party, tmp_path: Path
) -> Iterator[House]:
    """As `house`, with everything committed, so that threads see it."""
    made = make_house(node, broker, SandboxClock(prices), tmp_path, **BROKER)
    yield made
    made.chain.close()
    made.custodian.close()


def at_once(work: Callable[[], None]) -> None:
    """All workers at the same moment, several times."""
    start = Barrier(WORKERS)

    def run(_: int) -> None:
        try:
            for _ in range(ROUNDS):
                start.wait(timeout=60)
                work()
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(run, range(WORKERS)))


def test_many_workers_buy_once_and_move_once(committed_house: House) -> None:
    house = committed_house
    house.prefund()
    asset = house.books.assets["AAPL"]
    for _ in range(6):
        CustodianOrder.objects.create(asset=asset, side="buy", units=SHARE, requested_at=house.now)

    def sweep_orders() -> None:
        with AlpacaCustodian(house.broker.url, BROKER["key"], BROKER["secret"]) as custodian:
            operations.sweep_orders(custodian=custodian, now=house.now)

    house.clock.to_next_session()
    at_once(sweep_orders)
    house.clock.advance(seconds=3)
    at_once(sweep_orders)
    house.clock.to_next_session()
    at_once(sweep_orders)

    units = list(BlockOrder.objects.values_list("units", "filled_units", "state"))
    assert sum(filled or 0 for _, filled, _ in units) == 6 * SHARE
    assert {state for *_, state in units} == {"settled"}
    assert set(CustodianOrder.objects.values_list("state", "filled_units")) == {("settled", SHARE)}
    assert house.custodian.shares(now=house.now)["AAPL"].settled_units == 6 * SHARE
    assert house.books["shares_free AAPL"] == "6"
    kinds = list(JournalEntry.objects.filter(kind__startswith="shares ").values_list("kind"))
    assert len(kinds) == 3 * len(units)
    assert house.books.row("prefunding USD").posted_units == house.custodian.cash_micros()

    mint = house.bring_to_approval(house.start_mint(6, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", 4)

    def sweep_legs() -> None:
        with SolanaChain(house.node.url) as chain:
            operations.sweep_legs(chain=chain, keys=house.keys, now=house.now)
            operations.sweep_transactions(chain=chain, now=house.now)

    at_once(sweep_legs)
    house.sweep_until(lambda: SettlementLeg.objects.get().state == "final")
    at_once(sweep_legs)

    assert SettlementLeg.objects.get().units == 4 * TOKEN
    assert ChainTransaction.objects.filter(kind="move").count() == 1
    assert JournalEntry.objects.filter(kind="tokens moved").count() == 1
    assert house.books["chain AAPLx"] == "-4"


def test_a_block_that_another_worker_is_sending_is_left_to_it(committed_house: House) -> None:
    house = committed_house
    house.prefund()
    asset = house.books.assets["AAPL"]
    CustodianOrder.objects.create(asset=asset, side="buy", units=SHARE, requested_at=house.now)
    settlement_blocks._net(house.now)
    block = BlockOrder.objects.get()
    is_sending, may_end = Event(), Event()

    def send_slowly() -> None:
        try:
            with settlement_blocks._sending_alone(block) as is_alone:
                assert is_alone
                is_sending.set()
                assert may_end.wait(timeout=60)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as workers:
        other = workers.submit(send_slowly)
        assert is_sending.wait(timeout=60)
        operations.sweep_orders(custodian=house.custodian, now=house.now)
        block.refresh_from_db()
        assert (block.state, house.custodian.find(client_order_id=block.id)) == ("new", None)
        may_end.set()
        other.result()

    operations.sweep_orders(custodian=house.custodian, now=house.now)
    block.refresh_from_db()
    assert block.state == "submitted"
