"""verify_ledger as of a seal, since when a difference exists, and beside running business."""

import json
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command

from custody import sealing
from custody.as_of import NoSuchSeal, Scope, get_seal, parse_as_of
from custody.ledger_core import Cursor
from custody.models import Seal
from custody.models.seals import SealChain
from custody.verification import Difference, HoldSource, register, register_holds, registry, run
from custody.verification.seal_roots import recomputed_roots
from custody.verification.since import UNKNOWN
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import as_superuser, seal_all

LEDGER_IS_TAMPERED_WITH = True
DEPOSIT = {"chain USDC": "-100", "alice main USDC": "+100"}
TAMPER = "UPDATE custody_posting SET units = units * 2 WHERE entry_id = %(entry)s"


def found(*arguments: str) -> str:
    out = StringIO()
    with suppress(SystemExit):
        call_command("verify_ledger", *arguments, stdout=out)
    return out.getvalue()


def test_a_difference_says_which_seal_covered_it_first(
    books: Books, sealer: sealing.Sealer
) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer, 60)
    late = books.book("deposit", DEPOSIT)

    as_superuser(TAMPER, entry=entry_id)
    as_superuser(TAMPER, entry=late)

    lines = found().splitlines()
    (sealed,) = [line for line in lines if f"content hash: entry {entry_id} " in line]
    (unsealed,) = [line for line in lines if f"content hash: entry {late} " in line]
    assert sealed.endswith("(since ledger seal 2, 2026-03-04T12:01:00+00:00)")
    assert unsealed.endswith("(since after the last seal)")


def test_a_wrong_balance_says_at_which_seal_it_parted(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer, 60)
    books.book("deposit", DEPOSIT)
    seal_all(sealer, 120)

    as_superuser(TAMPER, entry=entry_id)

    account_id = books.account_id("alice main USDC")
    line = f"posted units: ledger account {account_id}: expected 400000000, found 300000000"
    assert f"{line} (since ledger seal 2, 2026-03-04T12:01:00+00:00)" in found()


@pytest.mark.parametrize("column", ["posted_units", "held_units"])
def test_a_balance_that_was_itself_changed_says_who_wrote_it_last(
    books: Books, sealer: sealing.Sealer, column: str
) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    account_id = books.account_id("alice main USDC")
    change = f"UPDATE custody_ledgeraccount SET {column} = {column} + 1 WHERE id = {account_id}"

    as_superuser(change)
    unsealed = found()
    books.book("deposit", {"chain USDC": "-1", "bob main USDC": "+1"})
    seal_all(sealer, 60)

    assert f"(since {UNKNOWN})" in unsealed
    assert "(since at the latest ledger seal 2, 2026-03-04T12:01:00+00:00)" in found()


def test_a_wrong_hold_says_how_old_the_promises_are(
    books: Books, sealer: sealing.Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_hold_sources", {})
    books.book("deposit", DEPOSIT)
    account_id = books.account_id("alice main USDC")
    dated = f"SELECT {account_id}::bigint, timestamptz '2026-03-04 12:30+00'"
    query = f"SELECT {account_id}::bigint, 5"
    register_holds(HoldSource("orders", query, dated=dated))
    seal_all(sealer)

    assert "the oldest open promise is of 2026-03-04T12:30:00+00:00" in found()


def test_as_of_an_earlier_seal_later_damage_is_not_there(
    books: Books, sealer: sealing.Sealer
) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer, 60)
    as_superuser(TAMPER, entry=entry_id)

    assert found("--as-of", "1") == "as of ledger seal 1: 1 custody_journalentry: all agree\n"
    assert f"entry {entry_id}" in found("--as-of", "2")
    assert "all agree" in found("--as-of", NOON.isoformat())
    report = json.loads(found("--as-of", "2026-03-04T12:01", "--json"))
    assert (report["ok"], report["as_of"]) == (False, "ledger seal 2")


def test_as_of_what_was_never_sealed_is_refused(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)

    for as_of in ("2", "2026-03-04T11:59:59", "yesterday"):
        with pytest.raises(CommandError, match=r"no ledger seal|neither"):
            call_command("verify_ledger", "--as-of", as_of, stdout=StringIO())
    with pytest.raises(NoSuchSeal):
        get_seal(parse_as_of("2"))


def test_the_database_hashes_leaves_as_the_sealer_does(
    books: Books, sealer: sealing.Sealer
) -> None:
    for number in range(5):
        books.book("deposit", DEPOSIT, key=f"deposit:{number} é")
        seal_all(sealer, number)

    seals = list(Seal.objects.filter(chain=SealChain.LEDGER).order_by("n"))

    roots = [(root, count) for _, root, count in recomputed_roots(seals)]
    assert roots == [(bytes(seal.merkle_root), seal.leaf_count) for seal in seals]


def test_writers_go_on_and_are_not_seen(
    books: Books, cloned_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry booked and committed in the middle of a check is not part of it."""
    monkeypatch.setattr(registry, "_checks", {})
    books.book("deposit", DEPOSIT)

    def books_another(cursor: Cursor) -> Iterator[Difference]:
        with psycopg.connect(cloned_database) as writer:
            writer.execute("SET lock_timeout = '2s'")
            writer.execute("UPDATE custody_ledgeraccount SET held_units = 1 WHERE posted_units > 0")
        cursor.execute("SELECT sum(held_units) FROM custody_ledgeraccount")
        yield Difference("seen", "held", "0", str(cursor.fetchall()[0][0]))

    register(books_another)

    assert [str(each) for each in run.verify_ledger().differences] == [
        "seen: held: expected 0, found 0"
    ]
    monkeypatch.setattr(registry, "_checks", {})
    assert not run.verify_ledger().is_clean
    assert run.verify_ledger(Scope()).counted["custody_posting"] == 2
