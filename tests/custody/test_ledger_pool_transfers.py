"""Units between main and trading: two writers, one row, nothing lost in between."""

import pytest
from django.db import connection, transaction

from custody import ledger, pool_transfers
from custody.engine_entries import engine_entry
from custody.models import PoolTransfer
from custody.models.pool_transfers import Direction, PoolTransferState
from custody.verification.transfer_checks import transit_is_on_the_way
from tests.ledger_stories import NOON, POOL, Books


@pytest.fixture
def books(db: None) -> Books:
    books = Books()
    books.give("alice main USDC", "100")
    return books


def transit_differences() -> list[str]:
    with connection.cursor() as cursor:
        return [str(difference) for difference in transit_is_on_the_way(cursor)]


def request(books: Books, direction: str, units: int, key: str = "k") -> PoolTransfer:
    ask = pool_transfers.request_in if direction == "in" else pool_transfers.request_out
    return ask(
        investor_id=books.investors["alice"].id,
        asset_id=books.assets["USDC"].id,
        pool=POOL,
        units=units,
        purpose="deposit",
        key=key,
        now=NOON,
    )


def answer(books: Books, transfer: PoolTransfer, state: PoolTransferState) -> None:
    """What the engine does in its batch."""
    entry = engine_entry(
        transfer_id=transfer.id,
        direction=transfer.direction,
        units=transfer.units,
        trading_id=books.account_id("alice trading USDC"),
        transit_id=books.account_id("transit USDC"),
    )
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.claim_pool(cursor, POOL)
        if state == PoolTransferState.DONE:
            ledger.write_entries(cursor, [entry], NOON)
        cursor.execute("SELECT set_config('bourse.pool', '', true)")
        PoolTransfer.objects.filter(id=transfer.id).update(state=state, done_batch=1)


def test_units_in_wait_in_transit_until_the_engine_takes_them(books: Books) -> None:
    transfer = request(books, "in", 60_000_000)
    assert (books["alice main USDC"], books["transit USDC"]) == ("40", "60")
    assert pool_transfers.sweep_out(now=NOON) == 0
    assert transit_differences() == []

    answer(books, transfer, PoolTransferState.DONE)

    assert transit_differences() == []
    assert (books["transit USDC"], books["alice trading USDC"]) == ("0", "60")
    assert pool_transfers.sweep_out(now=NOON) == 0


def test_units_that_the_engine_refuses_come_back(books: Books) -> None:
    transfer = request(books, "in", 60_000_000)
    answer(books, transfer, PoolTransferState.REFUSED)
    assert transit_differences() == []

    assert pool_transfers.sweep_out(now=NOON) == 1
    assert transit_differences() == []
    assert pool_transfers.sweep_out(now=NOON) == 0

    assert (books["alice main USDC"], books["transit USDC"]) == ("100", "0")
    transfer.refresh_from_db()
    assert transfer.swept_at == NOON


def test_units_out_reach_main_once_the_engine_gave_them_up(books: Books) -> None:
    answer(books, request(books, "in", 60_000_000), PoolTransferState.DONE)
    transfer = request(books, "out", 25_000_000, key="out")
    assert books["alice trading USDC"] == "60"

    answer(books, transfer, PoolTransferState.DONE)
    assert transit_differences() == []
    assert pool_transfers.sweep_out(now=NOON) == 1
    assert pool_transfers.sweep_out(now=NOON) == 0

    assert (books["alice main USDC"], books["alice trading USDC"]) == ("65", "35")


def test_a_refused_request_out_moves_nothing(books: Books) -> None:
    transfer = request(books, "out", 25_000_000)
    answer(books, transfer, PoolTransferState.REFUSED)

    assert pool_transfers.sweep_out(now=NOON) == 0
    assert books["alice main USDC"] == "100"


def test_the_same_request_is_made_once(books: Books) -> None:
    first = request(books, "in", 60_000_000)

    assert request(books, "in", 60_000_000).id == first.id
    with pytest.raises(ledger.KeyReused):
        request(books, "in", 50_000_000)
    assert books["transit USDC"] == "60"


def test_more_than_is_available_in_main_is_refused_and_leaves_no_row(books: Books) -> None:
    with pytest.raises(ledger.InsufficientUnits):
        request(books, Direction.IN, 100_000_001)

    assert PoolTransfer.objects.count() == 0
    assert books["alice main USDC"] == "100"


def test_units_in_transit_that_nobody_sent_are_a_difference(books: Books) -> None:
    books.book("lost", {"alice main USDC": "-1", "transit USDC": "+1"})

    (difference,) = transit_differences()
    assert "expected 0 units sent, found 1000000 (since unknown" in difference
