"""Both sides side by side: what is broken opens a case, what is under way never does."""

import json
import struct
import time
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from bourse import settings as bourse_settings
from custody import operations, pool_transfers
from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.custodian import AlpacaCustodian
from custody.models import (
    Asset,
    Deposit,
    ReconciliationCase,
    ReconciliationFigure,
    ReconciliationRun,
    Redemption,
    SettlementLeg,
)
from custody.models.reconciliation import Comparison
from custody.operations.tokens import issuance_account
from custody.reconciliation.figures import KEPT_MOVING, Figure, Key, Range
from custody.reconciliation.history import list_silent_parties
from custody.reconciliation.run import reconcile, reconcile_close, reconcile_suspected
from reference.models import TradingDay
from tests.custody.conftest import BROKER
from tests.custody_stories import (
    DOLLAR,
    PATIENCE_SECONDS,
    SHARE,
    TOKEN,
    USDC_MINT,
    House,
    make_house,
    verify,
)
from tests.ledger_stories import Books
from tests.parties import Party, SandboxClock
from tests.reconciliation_stories import (
    SECOND_LOOK,
    Kind,
    look,
    look_twice,
    off,
    open_cases,
    send,
    sources,
    verdicts,
)

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def minted(house: House) -> House:
    """Ten tokens in the issuance wallet, ten shares, dollars and USDC."""
    house.prefund(usdc="100000")
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    return house


@pytest.fixture
def funded(house: House) -> House:
    """Dollars at the custodian and USDC in the hot wallet, nothing else."""
    house.prefund(usdc="100000")
    return house


# --- each side broken -----------------------------------------------------------


def test_tokens_that_nobody_booked_are_suspected_and_then_a_case(minted: House) -> None:
    assert look(minted) == dict.fromkeys(
        [
            "AAPLx supply",
            "AAPLx issuance_wallet",
            "AAPL shares",
            "AAPL shares_settled",
            "USDC wallets",
            "USD cash",
        ],
        "matches",
    )
    supply = ReconciliationFigure.objects.get(what="supply")
    assert (supply.ledger_units, supply.party_units) == (10 * TOKEN, 10 * TOKEN)
    assert reconcile_suspected(sources=sources(minted), now=minted.now) is None
    asset = Asset.objects.get(code="AAPLx")
    mint, authority = Pubkey.from_string(asset.mint_address), minted.keys.mint_authority
    extra = token2022.mint_to(
        mint, issuance_account(asset, minted.keys), authority.pubkey(), 7, asset.decimals
    )
    send(minted, [extra], minted.keys.payer, authority)

    now = minted.now
    suspected = {"AAPLx supply": "suspected", "AAPLx issuance_wallet": "suspected"}
    assert off(look(minted, at=now)) == suspected
    assert off(look(minted, at=now + timedelta(seconds=1))) == suspected
    assert open_cases() == []
    again = reconcile_suspected(sources=sources(minted), now=now + SECOND_LOOK)

    assert again is not None
    assert verdicts(again) == {"AAPLx supply": "break", "AAPLx issuance_wallet": "break"}
    assert open_cases() == ["AAPLx issuance_wallet", "AAPLx supply"]
    case = ReconciliationCase.objects.get(what="supply")
    assert (case.ledger_units, case.party_units, case.difference_units) == (
        10 * TOKEN,
        10 * TOKEN + 7,
        7,
    )
    look_twice(minted)
    assert ReconciliationCase.objects.count() == 2  # it is the same difference


def test_shares_that_are_gone_from_the_custodian_are_a_case(minted: House) -> None:
    minted.clock.to_next_session()
    minted.sweep()
    sale = {"symbol": "AAPL", "side": "sell", "qty": "1", "type": "market", "time_in_force": "day"}
    path = f"{minted.broker.url}/v1/trading/accounts/{minted.custodian._account()}/orders"
    answer = httpx.post(path, json=sale, auth=(BROKER["key"], BROKER["secret"]))
    assert answer.status_code == 200
    minted.clock.advance(seconds=3)

    found = look_twice(minted)

    assert off(found) == dict.fromkeys(["AAPL shares", "AAPL shares_settled", "USD cash"], "break")
    case = ReconciliationCase.objects.get(what="shares")
    assert (case.ledger_units, case.party_units) == (10 * SHARE, 9 * SHARE)


def test_stablecoins_that_left_our_wallets_are_a_case(funded: House) -> None:
    hot = funded.address_of(None)
    funded.faucet(str(Keypair.from_seed(bytes(32)).pubkey()), "1")
    elsewhere = token2022.associated_account(
        Keypair.from_seed(bytes(32)).pubkey(), Pubkey.from_string(USDC_MINT), token2022.TOKEN
    )
    metas = [
        AccountMeta(Pubkey.from_string(hot.token_account), False, True),
        AccountMeta(Pubkey.from_string(USDC_MINT), False, False),
        AccountMeta(elsewhere, False, True),
        AccountMeta(funded.keys.hot_wallet.pubkey(), True, False),
    ]
    theft = Instruction(token2022.TOKEN, struct.pack("<BQB", 12, 3 * DOLLAR, 6), metas)
    send(funded, [theft], funded.keys.payer, funded.keys.hot_wallet)

    assert off(look_twice(funded)) == {"USDC wallets": "break"}
    assert ReconciliationCase.objects.get().difference_units == -3 * DOLLAR


def test_dollars_that_are_booked_and_not_there_are_a_case(funded: House) -> None:
    funded.books.book("booked only", {"custodian_cash USD": "-1", "prefunding USD": "+1"})

    assert off(look_twice(funded)) == {"USD cash": "break"}


# --- under way ------------------------------------------------------------------


def step_by_step(house: House, is_done: Any) -> None:
    """As `sweep_until`, with a look between any two steps; everything matches at each."""
    chain, keys, custodian = house.chain, house.keys, house.custodian
    steps = [
        lambda: operations.watch_deposits(chain=chain, now=house.now),
        lambda: operations.credit_deposits(chain=chain, now=house.now),
        lambda: operations.sweep_orders(custodian=custodian, now=house.now),
        lambda: operations.sweep_mints(chain=chain, keys=keys, now=house.now),
        lambda: operations.sweep_legs(chain=chain, keys=keys, now=house.now),
        lambda: operations.sweep_redemptions(chain=chain, keys=keys, now=house.now),
        lambda: operations.sweep_transactions(chain=chain, now=house.now),
        house.engine_answers,
        lambda: pool_transfers.sweep_out(now=house.now),
    ]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, "it did not come to that in time"
        moved = [step() != 0 and off(look(house)) for step in steps]
        assert not any(moved), moved
        time.sleep(0.02)


def see_deposit(house: House) -> None:
    """Before it is final here, after a sixth of a second: in earnest that takes longer."""
    while not Deposit.objects.filter(state="seen").exists():
        operations.watch_deposits(chain=house.chain, now=house.now)


def test_what_is_under_way_is_never_a_difference(minted: House) -> None:
    house = minted
    verify(house.books.investors["alice"])
    wallet = house.address_of("alice").address
    house.give_tokens("alice", 10)
    house.clock.to_closed_market()
    redemption = house.redeem("alice", 4 * TOKEN)
    bought = house.start_mint(3)
    house.sweep()
    assert off(look(house)) == {}
    house.clock.to_next_session()
    house.faucet(wallet, "70")
    see_deposit(house)
    assert off(look(house)) == {}

    step_by_step(house, lambda: Redemption.objects.get(id=redemption.id).state == "paid")
    assert house.state_of(bought.id) == "shares_bought"
    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(bought.id) == "awaiting_approval")
    assert off(look(house)) == {}
    bought.refresh_from_db()
    house.approve(bought)
    step_by_step(house, lambda: house.state_of(bought.id) == "minted")

    assert Deposit.objects.filter(state="credited").count() == 2
    assert SettlementLeg.objects.filter(state="final").exists()
    seen = ReconciliationFigure.objects.exclude(in_flight_low=0, in_flight_high=0)
    assert set(seen.values_list("what", flat=True)) == set(Comparison.values)
    assert not ReconciliationFigure.objects.filter(verdict="suspected").exists()
    assert open_cases() == []


def test_a_deposit_in_quarantine_is_no_difference(funded: House) -> None:
    verify(funded.books.investors["alice"])
    funded.faucet(funded.address_of("alice").address, "70")
    see_deposit(funded)
    Deposit.objects.filter(state="seen").update(units=90 * DOLLAR)
    funded.sweep_until(lambda: Deposit.objects.filter(state="quarantined").exists())

    assert off(look(funded)) == {}


class Busy(SolanaChain):
    """A node during whose answers somebody books a dollar more, so many times."""

    books: Books
    times = asked = 0

    def token_units(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        if self.times:
            self.times -= 1
            self.books.book("meanwhile", {"chain USDC": "-1", "treasury USDC": "+1"})
        return super().token_units(*args, **options)


def test_what_moves_while_it_is_read_is_read_again(funded: House) -> None:
    hot = funded.address_of(None)
    funded.faucet(hot.address, "1")
    while funded.chain.token_units([hot.token_account], USDC_MINT)[1] != [100_001 * DOLLAR]:
        time.sleep(0.02)

    with Busy(funded.node.url) as chain:
        chain.books, chain.times = funded.books, 1
        assert off(look(funded, chain=chain)) == {}
        assert chain.asked == 2

        chain.times = 99
        assert off(look(funded, chain=chain)) == {"USDC wallets": "unavailable"}

    assert ReconciliationFigure.objects.get(verdict="unavailable").note == KEPT_MOVING


def test_both_sides_may_differ_by_what_is_under_way_and_no_more() -> None:
    key = Key(1, Comparison.SUPPLY)
    figure = Figure(key=key, ledger_units=10, party_units=12, in_flight=Range(0, 2))

    assert figure.adds_up
    assert not Figure(key=key, ledger_units=10, party_units=13, in_flight=Range(0, 2)).adds_up
    assert not Figure(key=key, ledger_units=10, party_units=9, in_flight=Range(0, 2)).adds_up
    assert not figure.unread("silent").adds_up


# --- silence --------------------------------------------------------------------


def test_a_silent_party_is_unavailable_and_never_a_difference(funded: House) -> None:
    now = funded.now
    with SolanaChain(NOBODY) as chain, AlpacaCustodian(NOBODY, "k", "s") as custodian:
        for minutes in (0, 3, 6):
            assert list_silent_parties() == []
            at = now + timedelta(minutes=minutes)
            found = look(funded, at=at, chain=chain, custodian=custodian)

    assert set(found.values()) == {"unavailable"}
    assert set(ReconciliationFigure.objects.values_list("party_units", flat=True)) == {None}
    assert open_cases() == []
    assert list_silent_parties() == ["chain", "custodian"]
    look(funded, at=now + timedelta(minutes=9))
    assert list_silent_parties() == []


def test_silence_between_two_looks_does_not_forget_the_first(funded: House) -> None:
    funded.custodian.wire_in(micros=DOLLAR, note="not booked")
    now = funded.now
    assert off(look(funded, at=now)) == {"USD cash": "suspected"}
    with AlpacaCustodian(NOBODY, "k", "s") as silent:
        look(funded, at=now + SECOND_LOOK, custodian=silent)

    assert off(look(funded, at=now + 2 * SECOND_LOOK)) == {"USD cash": "break"}


# --- kept -----------------------------------------------------------------------


def test_runs_and_figures_are_kept_as_they_were(funded: House) -> None:
    look(funded)

    for sql in (
        "UPDATE custody_reconciliationfigure SET verdict = 'matches'",
        "DELETE FROM custody_reconciliationfigure",
        "UPDATE custody_reconciliationrun SET as_of = now()",
        "DELETE FROM custody_reconciliationrun",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(sql)


def test_a_close_is_looked_at_once_a_trading_day(funded: House) -> None:
    day = TradingDay.objects.filter(close_at__lte=funded.now).order_by("-close_at")[0]
    now = day.close_at + timedelta(seconds=1)

    with AlpacaCustodian(NOBODY, "k", "s") as silent:
        early = reconcile_close(sources=sources(funded, custodian=silent), now=now)
        assert early is None  # it waits for the custodian, for an hour at most
    run = reconcile_close(sources=sources(funded), now=now + timedelta(minutes=20))
    again = reconcile_close(sources=sources(funded), now=now + timedelta(minutes=40))

    assert run is not None
    assert (run.kind, run.trading_date, again) == ("close", day.date, None)
    with pytest.raises(IntegrityError, match="one_close_run_a_trading_day"), transaction.atomic():
        ReconciliationRun.objects.create(kind=Kind.CLOSE, trading_date=day.date, as_of=now)


def test_two_at_once_open_one_case(
    cloned_database: str, node: Party, broker: Party, prices: Party, tmp_path: Any
) -> None:
    house = make_house(node, broker, SandboxClock(prices), tmp_path, **BROKER)
    house.custodian.wire_in(micros=DOLLAR, note="not booked")
    look(house)
    together, failures = Barrier(2), []

    def run() -> None:
        try:
            with (
                SolanaChain(node.url) as chain,
                AlpacaCustodian(broker.url, BROKER["key"], BROKER["secret"]) as custodian,
            ):
                both = sources(house, chain=chain, custodian=custodian)
                together.wait(timeout=60)
                reconcile(kind=Kind.INTERVAL, sources=both, now=house.now + SECOND_LOOK)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.chain.close()
    house.custodian.close()

    assert failures == []
    assert ReconciliationRun.objects.count() == 3
    assert open_cases() == ["USD cash"]


def test_reconcile_exits_1_until_everything_adds_up(
    funded: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"solana_rpc_url": funded.node.url, "custodian_url": funded.broker.url}
    found |= {"custodian_key": BROKER["key"], "custodian_secret": BROKER["secret"]}
    for name, value in found.items():
        monkeypatch.setattr(bourse_settings.ENV, name, value)
    monkeypatch.setattr("custody.gateways.chain_keys.from_settings", lambda: funded.keys)

    call_command("reconcile")
    assert "2 of 2 comparisons match." in capsys.readouterr().out
    funded.custodian.wire_in(micros=DOLLAR, note="not booked")
    with pytest.raises(SystemExit) as stopped:
        call_command("reconcile", "--json", "--once")

    assert stopped.value.code == 1
    figures = {each["asset"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    assert (figures["USD"]["ledger"], figures["USD"]["party"]) == ("1000000", "1000001")
    assert figures["USD"]["verdict"] == "suspected"
