"""Operations that touch the same balances at once wait for each other; none deadlocks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from custody import ledger, operations, pool_transfers
from custody.models import Deposit, DepositAddress, PoolTransfer
from custody.operations.deposits import credit
from tests.ledger_stories import NOON, POOL, Books

ROUNDS = 15
DOLLARS = 10_000_000


def together(*works: Callable[[], object]) -> None:
    """Run them at the same time, each on a connection of its own; what one raises is raised."""
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            ready.wait(timeout=60)
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        for running in [threads.submit(run, work) for work in works]:
            running.result(timeout=60)


@pytest.fixture
def address(books: Books) -> DepositAddress:
    """Alice's, in an investor's ordinary order: her main account is younger than transit."""
    books.account_id("transit USDC")
    return DepositAddress.objects.create(
        investor=books.investors["alice"],
        asset=books.assets["USDC"],
        address="a" * 32,
        token_account="t" * 32,
    )


def arrive(address: DepositAddress, number: int) -> Deposit:
    return Deposit.objects.create(
        address=address,
        signature=f"signature {number}",
        instruction_index=0,
        units=DOLLARS,
        slot=1,
        seen_at=NOON,
    )


def give_up(books: Books, number: int) -> PoolTransfer:
    """Units that the engine left in transit for alice."""
    transfer = pool_transfers.request_out(
        investor_id=books.investors["alice"].pk,
        asset_id=books.assets["USDC"].pk,
        pool=POOL,
        units=DOLLARS,
        purpose="withdrawal",
        key=f"out {number}",
        now=NOON,
    )
    books.give("transit USDC", "10")
    PoolTransfer.objects.filter(id=transfer.id).update(state="done", done_batch=1)
    return transfer


def test_a_deposit_is_credited_while_transfers_of_the_same_investor_are_swept(
    books: Books, address: DepositAddress
) -> None:
    for number in range(ROUNDS):
        deposits = [arrive(address, 2 * number), arrive(address, 2 * number + 1)]
        give_up(books, number)

        together(
            *(partial(credit, deposit, 1, NOON) for deposit in deposits),
            partial(pool_transfers.sweep_out, now=NOON),
        )

    assert Deposit.objects.filter(state="credited").count() == 2 * ROUNDS
    assert not pool_transfers.list_to_sweep().exists()
    assert books["alice main USDC"] == str(10 * ROUNDS)
    assert books["chain USDC"] == str(-10 * 3 * ROUNDS)


def test_a_deposit_credited_by_several_workers_at_once_is_credited_once(
    books: Books, address: DepositAddress
) -> None:
    for number in range(10):
        row = arrive(address, number)
        together(*[partial(credit, Deposit.objects.get(id=row.id), 1, NOON) for _ in range(3)])

    assert PoolTransfer.objects.count() == 10
    assert books["transit USDC"] == "100"


def test_tokens_are_sold_from_inventory_while_transfers_are_swept(books: Books) -> None:
    books.account_id("transit AAPLx")
    alice = books.investors["alice"]
    type(alice).objects.filter(id=alice.pk).update(is_house=True)
    books.give("inventory AAPLx", str(ROUNDS))

    def give_up_a_token(number: int) -> None:
        transfer = pool_transfers.request_out(
            investor_id=alice.pk,
            asset_id=books.assets["AAPLx"].pk,
            pool=POOL,
            units=10**8,
            purpose="redemption",
            key=f"out {number}",
            now=NOON,
        )
        books.give("transit AAPLx", "1")
        PoolTransfer.objects.filter(id=transfer.id).update(state="done", done_batch=1)

    for number in range(ROUNDS):
        give_up_a_token(number)
        sell = partial(
            operations.allocate_inventory,
            investor_id=alice.pk,
            asset_id=books.assets["AAPLx"].pk,
            units=10**8,
            price_micros=0,
            key=f"sale {number}",
            now=NOON,
        )
        together(sell, partial(pool_transfers.sweep_out, now=NOON))

    assert books["alice main AAPLx"] == str(ROUNDS)
    assert books["transit AAPLx"] == str(ROUNDS)


def test_postings_of_many_accounts_in_any_order_wait_for_each_other(books: Books) -> None:
    """Two calls at once name the same balances the other way round."""
    names = ["alice main USDC", "bob main USDC", "treasury USDC", "fees USDC"]
    for name in names:
        books.give(name, "1000")

    def entries(order: list[str], thread: int) -> list[ledger.Entry]:
        return [
            books.entry("moved", {giver: "-1", taker: "+1"}, key=f"{thread} {n} {giver}")
            for n in range(10)
            for giver, taker in zip(order, order[1:] + order[:1], strict=True)
        ]

    batches = [entries(names, 0), entries(names[::-1], 1), entries(names[2:] + names[:2], 2)]
    for at in range(0, len(batches[0]), 5):
        together(*[partial(ledger.post, batch[at : at + 5], NOON) for batch in batches])

    assert [books[name] for name in names] == ["1000"] * 4
