"""Every task of ours, delivered twice, in parallel, reversed or lost: each effect happens once.

Rows are due, tasks come as a broker brings them, and what counts is what happened:
in the ledger, at the custodian, on the chain, at the provider, in mailboxes.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import redis
from django.conf import settings
from django.core import mail
from django.db.models import Count

from accounts import eligibility
from accounts.models import (
    CaseEvent,
    EligibilitySnapshot,
    Investor,
    KycCase,
    Outbox,
    PersonalDataAccess,
    ProviderEvent,
    Restriction,
    ScreeningHit,
)
from accounts.operations.provider import send_case
from accounts.states import KycStatus
from accounts.tasks import send_notices
from bourse.celery import app
from custody import pool_transfers
from custody.models import (
    Asset,
    BlockOrder,
    ChainTransaction,
    Deposit,
    JournalEntry,
    MintRequest,
    PoolTransfer,
    ReconciliationCase,
    ReconciliationFigure,
    ReconciliationRun,
    Redemption,
    ReserveAttestation,
    SettlementLeg,
)
from custody.operations.tokens import hot_account, issuance_account
from custody.verification import run
from kernel import clock
from reference.models import CountryRule, ReferencePrice, ReferenceTick
from reporting.models import ExportFile, NotReportableTrade
from tests.accounts.conftest import Party as KycParty
from tests.accounts.stories import hand_in, load_lists, make_case, put_at, serve_germany
from tests.custody.conftest import BROKER
from tests.custody_stories import TOKEN, House, make_house, verify
from tests.deliveries import WAYS, Deliver, deliver, own_tasks
from tests.due_records import (
    bring_webhooks,
    make_french_investor,
    make_price_history,
    make_trade_of_yesterday,
)
from tests.ledger_stories import POOL
from tests.parties import Party, SandboxClock
from trading.models import Candle, InvestorVolume, Trade

PATIENCE_SECONDS = 120
QUEUE = "celery:celery"  # as the broker's list is named, with the settings' prefix
# What a task is expected to have done once; the tests below look at exactly that.
MONEY_TASKS = [
    "custody.watch_deposits",
    "custody.sweep_orders",
    "custody.sweep_chain",
    "custody.sweep_legs",
    "custody.sweep_pool_transfers",
]
# They only look; here once the money rests, as the clock's leaps make two looks of one.
WATCHING_TASKS = [
    "custody.attest_reserves",
    "custody.reconcile",
    "custody.reconcile_again",
]
RECORD_TASKS = [
    "accounts.tasks.send_kyc_cases",
    "accounts.tasks.apply_provider_events",
    "accounts.tasks.send_notices",
    "accounts.tasks.rescreen_cases",
    "accounts.tasks.refresh_eligibility",
    "reference.poll_prices",
    "reference.prune_ticks",
    "trading.count_volumes",
    "trading.count_candles",
    "reporting.tasks.export_transactions",
]


def test_every_task_has_a_scenario() -> None:
    assert own_tasks() == {*MONEY_TASKS, *WATCHING_TASKS, *RECORD_TASKS}


@pytest.fixture
def found_in_settings(
    node: Party, broker: Party, prices: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The tasks find the running parties, and their clock, where an operator puts them."""
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    where = {
        "solana_rpc_url": node.url, "custodian_url": broker.url, "prices_url": prices.url,
        "custodian_key": BROKER["key"], "custodian_secret": BROKER["secret"],
        "bourse_chain_keys_file": tmp_path / "keys" / "chain_keys.json",
        "regulatory_schema_dir": None,
    }  # fmt: skip
    for name, value in where.items():
        monkeypatch.setattr(settings.ENV, name, value)
    followed = clock.followed_file()
    clock.configure(prices.clock_file)
    yield
    clock.configure(followed)


@pytest.fixture
def parties(
    cloned_database: str, found_in_settings: None, node: Party, broker: Party, prices: Party
) -> Iterator[House]:
    """The operator over running parties."""
    none = dict.fromkeys(("drop", "delay", "delay_slots", "lose_answers", "lag_slots"), 0)
    node.post("/sandbox/chain/faults", none)
    house = make_house(node, broker, SandboxClock(prices), settings.VAR_DIR, **BROKER)
    yield house
    house.chain.close()
    house.custodian.close()


@dataclass
class Worker:
    """A house whose sweeps are deliveries of tasks; only the engine is played by hand."""

    house: House
    deliver: Deliver

    def run(self, names: list[str], done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            assert time.monotonic() < deadline, f"it did not come to that in time: {what_waits()}"
            self.deliver(names)
            self.house.engine_answers()
            time.sleep(0.02)


def what_waits() -> dict[str, list[str]]:
    """For whoever reads a failure: every row's state and its problem."""
    rows = (Deposit, MintRequest, BlockOrder, SettlementLeg, ChainTransaction, Redemption)
    found = {
        model.__name__: [
            f"{row.state} {getattr(row, 'problem', '')}" for row in model.objects.all()
        ]
        for model in rows
    }
    return {**found, "cases": [str(vars(case)) for case in ReconciliationCase.objects.all()]}


@pytest.mark.parametrize("way", WAYS)
def test_each_effect_on_money_happens_once(
    parties: House, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(parties, WAYS[way])
    # The stories' verbs wait by sweeping: they wait by deliveries here.
    monkeypatch.setattr(
        parties, "sweep_until", lambda done: worker.run(MONEY_TASKS, done), raising=False
    )
    monkeypatch.setattr(parties, "sweep", lambda: worker.deliver(MONEY_TASKS), raising=False)
    books = parties.books

    parties.prefund(usdc="10000")
    for name in ("alice", "bob"):
        verify(books.investors[name])
        parties.faucet(parties.address_of(name).address, "100")
    parties.sweep_until(lambda: Deposit.objects.filter(state="credited").count() == 3)
    mint = parties.mint(5)
    parties.give_tokens("alice", 3)
    parties.engine_answers()
    parties.sweep_until(lambda: SettlementLeg.objects.filter(state="final").count() == 1)
    redemption = parties.redeem("alice", 2 * TOKEN)
    out = pool_transfers.request_out(
        investor_id=books.investors["bob"].pk,
        asset_id=books.assets["USDC"].pk,
        pool=POOL,
        units=40_000_000,
        purpose="withdrawal",
        key="out",
        now=parties.now,
    )
    parties.clock.to_next_session()
    parties.sweep_until(lambda: Redemption.objects.get(id=redemption.id).state == "paid")
    parties.clock.to_next_session()
    parties.sweep_until(lambda: not BlockOrder.objects.exclude(state="settled").exists())
    parties.sweep_until(lambda: PoolTransfer.objects.get(id=out.id).swept_at is not None)
    look_twice(worker)

    assert_moved_once(parties, mint)
    assert run.verify_ledger().differences == []


def look_twice(worker: Worker) -> None:
    """At what adds up, and then at a dollar more than is booked."""
    worker.run(WATCHING_TASKS, ReserveAttestation.objects.exists)
    worker.run(WATCHING_TASKS, ReconciliationRun.objects.filter(kind="close").exists)
    worker.house.clock.advance(seconds=20)  # a second look sooner is the same look
    worker.deliver(WATCHING_TASKS)
    assert not ReconciliationCase.objects.exists()
    worker.house.custodian.wire_in(micros=1_000_000, note="from nobody we know")
    suspected = ReconciliationFigure.objects.filter(verdict="suspected", what="cash")
    worker.run(WATCHING_TASKS, suspected.exists)
    worker.house.clock.advance(seconds=20)
    worker.run(WATCHING_TASKS, ReconciliationCase.objects.exists)
    worker.deliver(WATCHING_TASKS)


def assert_moved_once(house: House, mint: MintRequest) -> None:
    books, token = house.books, Asset.objects.get(code="AAPLx")
    kinds = Counter(JournalEntry.objects.values_list("kind", flat=True))
    expected = {
        "deposit": 3, "mint": 1, "redemption held": 1, "burn": 1, "redemption paid": 1,
        "custodian prefunded": 1, "inventory sold": 1, "shares bought": 1, "sale filled": 1,
        "shares sold": 1, "pool in requested": 4, "pool in done": 4, "pool out done": 2,
        "pool transfer swept": 2,
    }  # fmt: skip
    assert {kind: kinds[kind] for kind in expected} == expected
    assert kinds["tokens moved"] == SettlementLeg.objects.filter(state="final").count() == 1
    assert books["bob main USDC"] == "40"
    assert books["inventory AAPLx"] == "2"

    # At the custodian: bought once, sold once, so this is what lies there and what it cost.
    assert BlockOrder.objects.count() == 2
    assert -books.row("custodian_settled AAPL").posted_units == 3 * 10**9
    found = house.custodian.cash_micros() - 1_000_000
    assert found == -books.row("custodian_cash USD").posted_units
    assert [case.what for case in ReconciliationCase.objects.all()] == ["cash"]
    closes = ReconciliationRun.objects.filter(kind="close").values_list("trading_date", flat=True)
    assert len(closes) == len(set(closes)) > 0

    # On the chain: each purpose landed once, and the wallets hold what the ledger says.
    landed = ChainTransaction.objects.filter(state="final").values("key").annotate(n=Count("id"))
    assert {row["n"] for row in landed} == {1}
    assert house.chain.supply(token.mint_address)[1] == 3 * TOKEN
    accounts = [str(of(token, house.keys)) for of in (issuance_account, hot_account)]
    _, units = house.chain.token_units(accounts, token.mint_address, "finalized")
    assert units == [2 * TOKEN, 1 * TOKEN]
    assert not ReserveAttestation.objects.filter(verdict="unavailable").exists()
    assert ReserveAttestation.objects.order_by("-as_of")[0].verdict == "covered"


# --- people, prices, reports --------------------------------------------------------


@dataclass
class Records:
    """Rows that wait for the tasks of accounts, reference data and reporting."""

    provider: KycParty
    sent: KycCase  # to be told to the provider
    reviewed: KycCase  # the provider's webhook says GREEN, twice
    refused: KycCase  # a notice waits
    listed: KycCase  # approved, and on a newer list
    moved: list[Investor]  # their country is served no more

    def are_done(self) -> bool:
        status = dict(KycCase.objects.values_list("id", "status"))
        return (
            status[self.sent.id] == KycStatus.PENDING_PROVIDER
            and status[self.reviewed.id] == KycStatus.APPROVED
            and status[self.listed.id] == KycStatus.SCREENING_HIT
            and not Outbox.objects.filter(sent_at__isnull=True).exists()
            and not ProviderEvent.objects.filter(state="received").exists()
            and not eligibility.list_outdated_countries()
            and not ReferenceTick.objects.filter(received_at__year=2020).exists()
            and ReferencePrice.objects.exists()
            and ExportFile.objects.exists()
            and InvestorVolume.objects.exists()
            and Candle.objects.exists()
        )


@pytest.fixture
def records(parties: House, kyc_party: KycParty) -> Records:
    serve_germany()
    now = clock.now()
    load_lists(("Max Listed", []), at=now - timedelta(minutes=1))
    listed = put_at(make_case("max", given_names="Max", family_names="Listed"), KycStatus.APPROVED)
    reviewed = hand_in(make_case("anna", given_names="Anna", family_names="Alright"))
    send_case(case_id=reviewed.id, provider=kyc_party.provider, now=now)
    kyc_party.review(reviewed.id, "GREEN")
    bring_webhooks(kyc_party, reviewed)
    made = Records(
        provider=kyc_party,
        sent=hand_in(make_case("erika")),
        reviewed=reviewed,
        refused=hand_in(make_case("us", nationality="US")),
        listed=listed,
        moved=[make_french_investor(name) for name in ("Amélie", "Benoît")],
    )
    CountryRule.objects.filter(country="FR").update(status="blocked", reason="No prospectus.")
    make_price_history(parties.books)
    make_trade_of_yesterday(parties.books)
    parties.clock.to_next_session()
    return made


@pytest.mark.parametrize("way", WAYS)
def test_each_effect_on_people_prices_and_reports_happens_once(
    parties: House, records: Records, way: str
) -> None:
    Worker(parties, WAYS[way]).run(RECORD_TASKS, records.are_done)
    WAYS[way](RECORD_TASKS)  # and when nothing is due any more

    assert_told_once(records)
    assert_judged_once(records)
    assert ReferencePrice.objects.filter(instrument__ticker="AAPL").count() == 1
    assert (ExportFile.objects.count(), NotReportableTrade.objects.count()) == (1, 1)
    traded = Trade.objects.get()
    counted = Candle.objects.order_by("step_seconds").values_list("step_seconds", "trades")
    assert list(counted) == [(60, 1), (3_600, 1), (86_400, 1)]
    volumes = InvestorVolume.objects.filter(day=traded.traded_at.date())
    assert dict(volumes.values_list("investor_id", "day_units")) == {
        traded.buyer_id: traded.cash_units, traded.seller_id: traded.cash_units,
    }  # fmt: skip


def assert_told_once(records: Records) -> None:
    """Mails and applicants: what left the house."""
    notices = Counter(Outbox.objects.values_list("subject", "investor__user__email"))
    mails = Counter((each.subject, each.to[0]) for each in mail.outbox)
    assert mails == notices
    assert len(mails) > 1
    applicants = httpx.get(f"{records.provider.url}/sandbox/kyc/applicants").json()
    ours = [each for each in applicants if each["externalUserId"] == str(records.sent.id)]
    assert len(ours) == 1
    assert len(ours[0]["info"]["idDocs"]) == records.sent.documents.count() == 1


def assert_judged_once(records: Records) -> None:
    """Reviews, screenings and snapshots: what became of the cases."""
    events = ProviderEvent.objects.filter(type="applicantReviewed")
    assert [event.state for event in events] == ["applied"]
    notes = Counter(CaseEvent.objects.filter(case=records.reviewed).values_list("kind", flat=True))
    assert notes["provider_review"] == 1
    assert ScreeningHit.objects.filter(case=records.listed).count() == 1
    looks = PersonalDataAccess.objects.filter(purpose="sanctions screening")
    assert looks.filter(case=records.listed).count() == 1
    assert looks.filter(case=records.reviewed).count() == 1
    assert Restriction.objects.filter(investor=records.listed.investor, kind="freeze").count() == 1
    for investor in records.moved:
        assert EligibilitySnapshot.objects.filter(investor=investor).count() == 2


def test_messages_lost_with_valkey_cost_one_interval(
    cloned_database: str, valkey_url: str, kyc_party: KycParty
) -> None:
    """A delivery that was waiting in the broker is gone; the next does its work."""
    from celery.contrib.testing.worker import start_worker

    serve_germany()
    hand_in(make_case("us", nationality="US"))
    broker = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    send_notices.delay()
    assert broker.llen(QUEUE) == 1
    broker.flushall()

    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        assert mail.outbox == []
        broker.flushall()  # a worker that waits for messages outlives it as well
        send_notices.delay()
        send_notices.delay()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not mail.outbox and time.monotonic() < deadline:
            time.sleep(0.05)

    assert len(mail.outbox) == 1
    deliver("accounts.tasks.send_notices")
    assert len(mail.outbox) == 1
    broker.close()
