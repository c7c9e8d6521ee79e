"""The house's accounts of settlement against open blocks: a change by SQL is found."""

from typing import Any, LiteralString

import psycopg
import pytest
from django.db import connection, transaction

from custody import ledger
from custody.models import BlockOrder, CustodianOrder
from custody.operations import settlement_entries
from custody.verification import run
from custody.verification.settlement_checks import settlement_is_of_open_blocks
from kernel.ids import uuid7
from tests import servers
from tests.custody_stories import DOLLAR, SHARE
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import as_superuser

LEDGER_IS_TAMPERED_WITH = True


@pytest.fixture
def traded(books: Books) -> Books:
    """Of AAPL a purchase that filled, one that is allocated, one that settled, and a sale."""
    books.book("custodian prefunded", {"custodian_cash USD": "-10000", "prefunding USD": "+10000"})
    make_block(books, "buy", shares=3, state="filled")
    make_block(books, "buy", shares=5, state="allocated")
    make_block(books, "buy", shares=7, state="settled")
    make_block(books, "sell", shares=2, state="allocated")
    return books


@transaction.atomic
def make_block(books: Books, side: str, *, shares: int, state: str) -> BlockOrder:
    """A block of one order at a hundred dollars a share, booked as far as `state` says."""
    traded = {
        "asset": books.assets["AAPL"], "side": side, "units": shares * SHARE,
        "filled_units": shares * SHARE, "cash_micros": shares * 100 * DOLLAR,
        "price_micros": 100 * DOLLAR, "filled_at": NOON, "submitted_at": NOON, "settles_at": NOON,
    }  # fmt: skip
    block = BlockOrder.objects.create(
        id=uuid7(), state=state, formed_at=NOON, owed_micros=shares * 100 * DOLLAR, **traded
    )
    of_order = "settled" if state == "settled" else "filled"
    CustodianOrder.objects.create(block=block, state=of_order, requested_at=NOON, **traded)
    steps = [settlement_entries.filled, settlement_entries.allocated, settlement_entries.settled]
    for step in steps[: ["filled", "allocated", "settled"].index(state) + 1]:
        if entries := step(block):
            ledger.post(entries, NOON)
    return block


def differences(cursor: Any) -> list[str]:
    return [str(found).split(" (since")[0] for found in settlement_is_of_open_blocks(cursor)]


def differences_after(change: LiteralString) -> list[str]:
    """What is found in the transaction of a superuser, who then takes the change back."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(servers.session_postgres().admin_url(name)) as raw:
        raw.execute("SET session_replication_role = replica")
        assert raw.execute(change).rowcount == 1
        found = differences(raw.cursor())
        raw.rollback()
    return found


def test_what_is_open_is_what_lies_on_the_accounts(traded: Books) -> None:
    assert traded["shares_unsettled AAPL"] == "3"
    assert traded["shares_allocated AAPL"] == "5"
    assert (traded["payable USD"], traded["receivable USD"]) == ("800", "-200")
    with connection.cursor() as cursor:
        assert differences(cursor) == []


# (what a superuser changes, what is said of it)
CHANGES: list[tuple[LiteralString, list[str]]] = [
    (
        "UPDATE custody_blockorder SET owed_micros = owed_micros - 1 WHERE state = 'filled'",
        ["payable USD: expected 799999999 units of open blocks, found 800000000"],
    ),
    (
        "UPDATE custody_blockorder SET owed_micros = owed_micros - 1 WHERE side = 'sell'",
        ["receivable USD: expected -199999999 units of open blocks, found -200000000"],
    ),
    (
        "UPDATE custody_blockorder SET filled_units = filled_units - 1 WHERE state = 'filled'",
        [
            "custodian_bought AAPL: expected -2999999999 units of open blocks, found -3000000000",
            "shares_unsettled AAPL: expected 2999999999 units of open blocks, found 3000000000",
        ],
    ),
    (
        "UPDATE custody_blockorder SET state = 'settled'"
        " WHERE state = 'allocated' AND side = 'buy'",
        [
            "custodian_allocated AAPL: expected 0 units of open blocks, found -5000000000",
            "payable USD: expected 300000000 units of open blocks, found 800000000",
            "shares_allocated AAPL: expected 0 units of open blocks, found 5000000000",
        ],
    ),
    (
        "UPDATE custody_ledgeraccount SET posted_units = posted_units + 1"
        " WHERE purpose = 'shares_allocated'",
        ["shares_allocated AAPL: expected 5000000000 units of open blocks, found 5000000001"],
    ),
    (
        "DELETE FROM custody_ledgeraccount WHERE purpose = 'receivable'",
        ["receivable USD: expected -200000000 units of open blocks, found 0"],
    ),
]


def test_a_change_by_sql_is_found(traded: Books) -> None:
    for change, expected in CHANGES:
        assert differences_after(change) == [f"settlement: {each}" for each in expected]


def test_a_difference_says_since_when_and_belongs_to_verify_ledger(traded: Books) -> None:
    assert [each for each in run.verify_ledger().differences if each.check == "settlement"] == []
    as_superuser("UPDATE custody_blockorder SET owed_micros = 0 WHERE side = 'sell'")

    (found,) = [each for each in run.verify_ledger().differences if each.check == "settlement"]
    assert found.where == "receivable USD"
    assert found.since.endswith(f"the oldest open promise is of {NOON.isoformat()}")
