"""The line to PostgreSQL is cut during COMMIT; whoever repeats with the same key books once.

The proxy cuts after COMMIT was sent: before the server saw it, or before its answer
arrived. Either way the caller only knows that it does not know.
"""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db import InterfaceError, OperationalError, connection, connections

from custody import ledger, operations, pool_transfers, tasks
from custody.ledger import Entry
from custody.models import JournalEntry, PoolTransfer
from custody.verification import run
from tests.ledger_stories import NOON, POOL, Books
from tests.trading_proxy import CuttingProxy

TIMES = 5
MOVE = {"alice main USDC": "-1", "bob main USDC": "+1"}


@pytest.fixture
def proxy(books: Books, monkeypatch: pytest.MonkeyPatch) -> Iterator[CuttingProxy]:
    """Between Django and its database from here on."""
    settings = connections["default"].settings_dict
    with CuttingProxy(settings["HOST"], int(settings["PORT"])) as proxy:
        connection.close()
        with monkeypatch.context() as line:
            line.setitem(settings, "HOST", "127.0.0.1")
            line.setitem(settings, "PORT", str(proxy.port))
            yield proxy
        connection.close()  # what looks at the books afterwards goes straight to them


def cut(proxy: CuttingProxy, work: Callable[[], object], *, marker: str, deliver: bool) -> None:
    """Do the work on a line that breaks at the COMMIT behind `marker`; it must notice."""
    proxy.cut_at_commit(deliver=deliver, marker=marker)
    with pytest.raises((OperationalError, InterfaceError)):
        work()
    connection.close()


@pytest.mark.parametrize("is_committed", [True, False])
def test_an_entry_posted_again_after_a_cut_commit_is_booked_once(
    books: Books, proxy: CuttingProxy, is_committed: bool
) -> None:
    books.give("alice main USDC", "100")
    for number in range(TIMES):
        entry = books.entry("moved", MOVE, key=f"cut {number}")

        cut(proxy, partial(ledger.post, [entry], NOON), marker=entry.key, deliver=is_committed)

        booked = JournalEntry.objects.filter(key=entry.key)
        first = [row.id for row in booked]
        assert len(first) == (1 if is_committed else 0)
        again = [ledger.post([entry], NOON)[0] for _ in range(2)]
        assert again == [booked.get().id] * 2
        assert not is_committed or again[0] == first[0]
        with pytest.raises(ledger.KeyReused):
            ledger.post([Entry("moved", entry.key, "other", entry.lines)], NOON)
    assert books["bob main USDC"] == str(TIMES)
    assert run.verify_ledger().differences == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_captured_hold_is_spent_once(
    books: Books, proxy: CuttingProxy, is_committed: bool
) -> None:
    books.give("alice main USDC", "100")
    account_id, units = books.account_id("alice main USDC"), books.units("alice main USDC", "1")
    ledger.hold(account_id=account_id, units=2 * units)
    entry = books.entry("moved", MOVE, key="captured")
    capture = partial(ledger.capture, account_id=account_id, units=units, entry=entry, now=NOON)

    cut(proxy, capture, marker="captured", deliver=is_committed)
    capture()
    capture()

    row = books.row("alice main USDC")
    assert (row.posted_units, row.held_units) == (99 * units, units)


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_sale_from_inventory_repeated_after_the_cut_is_one_sale(
    books: Books, proxy: CuttingProxy, is_committed: bool
) -> None:
    """An operation as the web calls it: two postings and a transfer in one transaction."""
    alice = books.investors["alice"]
    type(alice).objects.filter(id=alice.pk).update(is_house=True)
    books.give("inventory AAPLx", "10")
    sell = partial(
        operations.allocate_inventory,
        investor_id=alice.pk,
        asset_id=books.assets["AAPLx"].pk,
        units=3 * 10**8,
        price_micros=0,
        key="the sale",
        now=NOON,
    )

    cut(proxy, sell, marker="the sale", deliver=is_committed)
    assert sell() == sell()

    assert books["inventory AAPLx"] == "7"
    assert books["transit AAPLx"] == "3"
    assert PoolTransfer.objects.count() == 1
    assert run.verify_ledger().differences == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_task_delivered_again_after_the_cut_does_the_rest(
    books: Books, proxy: CuttingProxy, is_committed: bool
) -> None:
    transfers = []
    for number in range(3):
        transfer = pool_transfers.request_out(
            investor_id=books.investors["alice"].pk,
            asset_id=books.assets["USDC"].pk,
            pool=POOL,
            units=10_000_000,
            purpose="withdrawal",
            key=f"out {number}",
            now=NOON,
        )
        books.give("transit USDC", "10")
        PoolTransfer.objects.filter(id=transfer.id).update(state="done", done_batch=1)
        transfers.append(transfer)

    marker = f"pool_swept:{transfers[1].id}"
    cut(proxy, tasks.sweep_pool_transfers, marker=marker, deliver=is_committed)
    swept = PoolTransfer.objects.filter(swept_at__isnull=False).count()
    tasks.sweep_pool_transfers()
    tasks.sweep_pool_transfers()

    assert swept == (2 if is_committed else 1)
    assert books["alice main USDC"] == "30"
    assert JournalEntry.objects.filter(kind="pool transfer swept").count() == 3
