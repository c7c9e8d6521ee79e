"""Balances, statements and the trial balance as of seals; closed periods."""

import json
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection

from custody import ledger, periods, sealing, time_travel
from custody.ledger import Entry, Line
from custody.models import Period, Seal, SealedBalance
from custody.models.seals import SealChain
from tests import servers
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import as_superuser, seal_all

# These tests rewrite history on purpose.
LEDGER_IS_TAMPERED_WITH = True
LATER = NOON + timedelta(hours=1)


def sealed(sealer: sealing.Sealer, seconds: int) -> Seal:
    (seal,) = [seal for seal in seal_all(sealer, seconds) if seal.chain == SealChain.LEDGER]
    return seal


def deposit(books: Books, amount: str, at: int = 0) -> int:
    entry = books.entry("deposit", {"chain USDC": f"-{amount}", "alice main USDC": f"+{amount}"})
    return ledger.post([entry], NOON + timedelta(seconds=at))[0]


def balance(books: Books, name: str, seal: Seal) -> int:
    return time_travel.get_balance(account_id=books.account_id(name), seal=seal)


def verified() -> str:
    out = StringIO()
    with suppress(SystemExit):
        call_command("verify_ledger", stdout=out)
    return out.getvalue()


def test_a_balance_as_of_a_seal_is_the_same_whenever_it_is_asked(
    books: Books, sealer: sealing.Sealer
) -> None:
    deposit(books, "100")
    first = sealed(sealer, 0)
    books.book("deposit", {"chain USDC": "-7", "bob main USDC": "+7"})
    second = sealed(sealer, 1)
    deposit(books, "50")
    third = sealed(sealer, 2)
    asked = [balance(books, "alice main USDC", seal) for seal in (first, second, third)]
    deposit(books, "1000")
    sealed(sealer, 3)

    assert asked == [100_000_000, 100_000_000, 150_000_000]
    assert asked == [balance(books, "alice main USDC", seal) for seal in (first, second, third)]
    assert balance(books, "bob main USDC", first) == 0
    assert balance(books, "chain USDC", third) == -157_000_000
    assert SealedBalance.objects.filter(seal_n=second.n).count() == 2  # who moved, no one else
    assert "all agree" in verified()


def test_the_trial_balance_of_every_seal_sums_to_zero(books: Books, sealer: sealing.Sealer) -> None:
    books.give("alice main AAPLx", "3")
    first = sealed(sealer, 0)
    books.give("bob main AAPLx", "2")
    deposit(books, "10")
    second = sealed(sealer, 1)

    for seal, tokens in ((first, 3), (second, 5)):
        lines = time_travel.list_trial_balance(seal=seal)
        sums: dict[str, int] = {}
        for line in lines:
            sums[line.asset] = sums.get(line.asset, 0) + line.units
        assert set(sums.values()) == {0}
        held = {(line.asset, line.purpose): line.units for line in lines}
        assert held["AAPLx", "main"] == tokens * 10**8
    out = StringIO()
    call_command("trial_balance", "--as-of", "1", "--json", stdout=out)
    shown = json.loads(out.getvalue())
    assert shown["as_of"] == 1
    assert {line["asset"] for line in shown["lines"]} == {"AAPLx", "AAPL"}
    call_command("trial_balance", stdout=out)
    assert "USDC       main                                         10" in out.getvalue()


def test_a_statement_runs_from_balance_to_balance(books: Books, sealer: sealing.Sealer) -> None:
    deposit(books, "100")
    opening = sealed(sealer, 0)
    deposit(books, "20")
    books.book("fee", {"alice main USDC": "-5", "fees USDC": "+5"})
    closing = sealed(sealer, 1)
    deposit(books, "999")
    sealed(sealer, 2)
    accounts = [books.account_id("alice main USDC")]

    lines = list(time_travel.list_statement(account_ids=accounts, after=opening, until=closing))

    assert [(line.seal_n, line.kind, line.units, line.balance_units) for line in lines] == [
        (2, "deposit", 20_000_000, 120_000_000),
        (2, "fee", -5_000_000, 115_000_000),
    ]
    assert lines[-1].balance_units == balance(books, "alice main USDC", closing)
    from_the_start = time_travel.list_statement(account_ids=accounts, after=None, until=closing)
    assert [line.balance_units for line in from_the_start] == [
        100_000_000,
        120_000_000,
        115_000_000,
    ]


def test_a_move_between_accounts_taken_as_one_is_no_line(
    books: Books, sealer: sealing.Sealer
) -> None:
    books.give("alice main AAPLx", "3")
    held = {"alice main AAPLx": "-2", "alice redemption AAPLx": "+2"}
    books.book("redemption held", held)
    seal = sealed(sealer, 0)
    names = ("alice main AAPLx", "alice redemption AAPLx")
    accounts = [books.account_id(name) for name in names]

    lines = list(time_travel.list_statement(account_ids=accounts, after=None, until=seal))

    assert [(line.kind, line.balance_units) for line in lines] == [("given", 3 * 10**8)]


def test_a_closed_period_has_a_balance_of_every_account_and_takes_nothing_more(
    books: Books, sealer: sealing.Sealer
) -> None:
    deposit(books, "100")
    sealed(sealer, 1)
    books.book("deposit", {"chain USDC": "-7", "bob main USDC": "+7"})
    closing = sealed(sealer, 2)

    period = periods.close_period(seal=closing, now=LATER)

    assert (period.n, period.seal_n, period.ends_at) == (1, 2, closing.sealed_at)
    assert SealedBalance.objects.filter(seal_n=2).count() == 3
    with pytest.raises(ledger.PeriodClosed):
        deposit(books, "1", at=1)
    assert books["alice main USDC"] == "100"
    deposit(books, "1", at=2)  # the first moment after it
    sealed(sealer, 3)
    assert balance(books, "alice main USDC", closing) == 100_000_000
    assert "all agree" in verified()


def test_periods_follow_each_other(books: Books, sealer: sealing.Sealer) -> None:
    deposit(books, "100")
    first = sealed(sealer, 10)
    deposit(books, "5", at=11)
    second = sealed(sealer, 20)
    periods.close_period(seal=first, now=LATER)

    out = StringIO()
    call_command("close_period", "2026-03-04T12:00:20+00:00", stdout=out)

    assert Period.objects.get(n=2).seal_n == second.n
    assert "Closed period 2, until ledger seal 2: 2 balances, nothing before" in out.getvalue()
    for seal in (first, second):
        with pytest.raises(periods.PeriodAlreadyClosed):
            periods.close_period(seal=seal, now=LATER)
    with pytest.raises(periods.PeriodTooYoung):
        periods.close_period(seal=second, now=second.sealed_at + timedelta(seconds=59))
    with pytest.raises(CommandError, match="no ledger seal"):
        call_command("close_period", "3")
    assert "all agree" in verified()


def test_a_period_ends_before_what_its_seal_does_not_cover(
    books: Books, sealer: sealing.Sealer
) -> None:
    """A transaction that was under way at the seal dated its entry before it."""
    deposit(books, "100")
    seal = sealed(sealer, 10)
    deposit(books, "5", at=8)

    period = periods.close_period(seal=seal, now=LATER)

    assert period.ends_at == NOON + timedelta(seconds=8)
    deposit(books, "5", at=9)
    assert "all agree" in verified()


def test_a_period_waits_for_writers_and_gives_up_soon(
    books: Books, sealer: sealing.Sealer, cloned_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periods, "ATTEMPTS_MAX", 1)
    deposit(books, "100")
    seal = sealed(sealer, 10)
    with psycopg.connect(cloned_database) as writer:
        ledger.write_entries(writer.cursor(), [writers_entry(books)], NOON)
        with pytest.raises(periods.LedgerBusy):
            periods.close_period(seal=seal, now=LATER)
        writer.commit()

    # It was dated into the period, and came before the close: the period ends before it.
    assert periods.close_period(seal=seal, now=LATER).ends_at == NOON
    with pytest.raises(ledger.PeriodClosed):
        deposit(books, "1", at=-1)


def writers_entry(books: Books) -> Entry:
    return Entry(
        "deposit",
        "by another",
        "",
        (Line(books.account_id("chain USDC"), -1), Line(books.account_id("alice main USDC"), 1)),
    )


def test_the_application_writes_no_past(books: Books, sealer: sealing.Sealer) -> None:
    deposit(books, "100")
    seal = sealed(sealer, 0)
    account_id = books.account_id("alice main USDC")
    forged = SealedBalance(account_id=account_id, seal_n=seal.n + 1, posted_units=1)

    for write in (
        forged.save,
        lambda: Period.objects.create(n=1, seal_n=1, ends_at=NOON, closed_at=NOON),
        lambda: SealedBalance.objects.update(posted_units=0),
    ):
        with pytest.raises(Exception, match="permission denied"):
            write()
    name = connection.settings_dict["NAME"]
    owner_url = servers.database_url(servers.OWNER_ROLE, name)
    change = "UPDATE custody_sealedbalance SET posted_units = 0"
    with (
        psycopg.connect(owner_url) as owner,
        pytest.raises(psycopg.errors.CheckViolation, match="append-only"),
    ):
        owner.execute(change)


def test_a_temporary_table_cannot_stand_before_the_real_one(books: Books) -> None:
    """The triggers run with their owner's rights: they must not be led to another's table."""
    alice, bob = (books.account_id(f"{name} main USDC") for name in ("alice", "bob"))
    overdraft = Entry("forged", "forged", "", (Line(alice, -1), Line(bob, 1)))
    name = connection.settings_dict["NAME"]
    # The application may not make one at all (its rights); here it is given one.
    with connection.cursor() as cursor, pytest.raises(ProgrammingError, match="temporary"):
        cursor.execute("CREATE TEMPORARY TABLE custody_ledgeraccount (id bigint)")
    with psycopg.connect(servers.database_url(servers.OWNER_ROLE, name)) as owner:
        owner.execute(
            "CREATE TEMPORARY TABLE custody_ledgeraccount AS"
            " SELECT id, owner_id, asset_id, purpose, pool, 5 AS posted_units, 0 AS held_units"
            "   FROM public.custody_ledgeraccount"
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="holds_are_covered"):
            ledger.write_entries(owner.cursor(), [overdraft], NOON)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_sealedbalance SET posted_units = posted_units + 1 WHERE account_id = %(a)s",
        "DELETE FROM custody_sealedbalance WHERE account_id = %(a)s",
        "UPDATE custody_sealedbalance SET seal_n = 2 WHERE account_id = %(a)s",
    ],
)
def test_a_changed_past_is_found_with_the_seal_it_changed_at(
    books: Books, sealer: sealing.Sealer, statement: str
) -> None:
    deposit(books, "100")
    seal = sealed(sealer, 0)
    account_id = books.account_id("alice main USDC")

    as_superuser(statement, a=account_id)  # type: ignore[arg-type]

    assert f"sealed balances: ledger account {account_id} at ledger seal 1" in verified()
    assert "(since ledger seal 1, " in verified()
    with pytest.raises(periods.ClosingBalancesDisagree, match=f"account {account_id} differs"):
        periods.close_period(seal=seal, now=LATER)
    assert not Period.objects.exists()


def test_an_entry_dated_into_a_closed_period_is_found(books: Books, sealer: sealing.Sealer) -> None:
    deposit(books, "100")
    periods.close_period(seal=sealed(sealer, 10), now=LATER)
    entry_id = deposit(books, "5", at=20)

    as_superuser(
        "UPDATE custody_journalentry SET created_at = created_at - interval '15 seconds'"
        " WHERE id = %(entry)s",
        entry=entry_id,
    )

    assert f"closed periods: entry {entry_id}: expected dated after period 1" in verified()
