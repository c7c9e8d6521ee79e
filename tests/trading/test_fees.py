"""Fee schedules: four eyes, the database's rules, and the batch at which they begin."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts import approvals
from accounts.models import Investor, Proposal
from bourse.demo import venue as demo_venue
from kernel import clock
from kernel.refusals import Forbidden
from tests.trading.conftest import USD
from tests.trading.fee_stories import MILLION_USD, confirm, officer, partner, schedule, two_officers
from tests.trading_database import envelopes
from trading import fees
from trading.engine.rates import Tier
from trading.models import FeeSchedule, FeeTier, InboxItem, InvestorVolume, Order, VolumeDay
from trading.sequencer import Sequencer


def test_a_schedule_takes_two_officers_and_begins_with_the_confirmation(venue: Any) -> None:
    mia, ned = two_officers()
    draft = fees.Draft(name="Standard", tiers=[Tier(0, 900, 2_000), Tier(MILLION_USD, 0, 500)])

    proposal = fees.propose_schedule(draft=draft, maker=mia, reason="Board of May", now=clock.now())

    assert proposal.body["tiers"][1] == {
        "from_usd": "1000000", "maker_percent": "0", "taker_percent": "0.05",
    }  # fmt: skip
    assert not FeeSchedule.objects.exists()
    with pytest.raises(approvals.SameOfficer):
        confirm(proposal, mia)
    confirm(proposal, ned)
    made = FeeSchedule.objects.get()
    assert made.proposal_id == proposal.id
    assert list(made.tiers.order_by("volume_from_units").values_list("taker_e6", flat=True)) == [
        2_000, 500,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "tiers",
    [
        [Tier(1, 0, 0)],
        [Tier(0, 0, 0), Tier(0, 1, 1)],
        [Tier(0, 0, 100_001)],
        [Tier(0, -1, 0)],
        [Tier(number, 0, 0) for number in range(21)],
    ],
)
def test_tiers_that_cannot_be_are_refused(venue: Any, tiers: list[Tier]) -> None:
    mia, _ = two_officers()

    with pytest.raises(fees.FeeTiersMalformed):
        fees.propose_schedule(
            draft=fees.Draft(name="Odd", tiers=tiers), maker=mia, reason="x", now=clock.now()
        )


def test_only_who_may_proposes_and_never_for_the_past(venue: Any) -> None:
    mia, ned = two_officers()
    draft = fees.Draft(name="Free", tiers=[Tier(0, 0, 0)])
    with pytest.raises(Forbidden):
        fees.propose_schedule(
            draft=draft, maker=officer("eve", "view_listing"), reason="x", now=clock.now()
        )
    soon = fees.Draft(
        name="Free", tiers=[Tier(0, 0, 0)], valid_from=clock.now() + timedelta(hours=1)
    )
    with pytest.raises(fees.FeeScheduleTooLate):
        fees.propose_schedule(
            draft=soon, maker=mia, reason="x", now=clock.now() + timedelta(hours=2)
        )
    late = fees.propose_schedule(draft=soon, maker=mia, reason="x", now=clock.now())
    with pytest.raises(fees.FeeScheduleTooLate):
        approvals.confirm(
            proposal_id=late.id, checker=ned, body_hash=late.body_hash,
            now=clock.now() + timedelta(hours=2),
        )  # fmt: skip
    assert not FeeSchedule.objects.exists()


def test_the_database_refuses_rates_and_tiers_that_cannot_be(venue: Any) -> None:
    made = schedule((0, 900, 2_000))
    for wrong in (
        {"volume_from_units": 5, "maker_e6": -1, "taker_e6": 0},
        {"volume_from_units": 5, "maker_e6": 0, "taker_e6": 100_001},
        {"volume_from_units": -5, "maker_e6": 0, "taker_e6": 0},
        {"volume_from_units": 0, "maker_e6": 0, "taker_e6": 0},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            FeeTier.objects.create(schedule=made, **wrong)


def test_the_database_asks_for_a_tier_from_nothing_on(venue: Any) -> None:
    made = _recorded(_approved(fees.Draft(name="Gap", tiers=[Tier(1, 0, 0)])))

    with pytest.raises(IntegrityError, match="no tier from nothing"):
        FeeTier.objects.create(schedule=made, volume_from_units=1, maker_e6=0, taker_e6=0)


def test_the_database_takes_no_schedule_that_two_officers_did_not_confirm(venue: Any) -> None:
    mia, _ = two_officers()
    draft = fees.Draft(name="Mine", tiers=[Tier(0, 0, 0)])
    alone = fees.propose_schedule(draft=draft, maker=mia, reason="x", now=clock.now())
    lift = Proposal.objects.get(id=_approved(fees.Draft(name="Other"), kind="lift_kill_switch").id)

    for proposal in (alone, lift):
        with pytest.raises(IntegrityError, match="no second officer"), transaction.atomic():
            _recorded(proposal)


def test_the_database_takes_nothing_but_what_was_confirmed(venue: Any) -> None:
    acme = partner("acme")
    agreed = _approved(fees.Draft(name="Acme", partner=acme, tiers=[Tier(0, 900, 2_000)]))

    for whom in ({}, {"partner": partner("umbrella")}, {"partner": acme, "listing": venue.listing}):
        with pytest.raises(IntegrityError, match="for others"), transaction.atomic():
            _recorded(agreed, **whom)
    made = _recorded(agreed, partner=acme)
    for tier in ((0, 0, 2_000), (0, 900, 0), (5, 900, 2_000)):
        names = dict(zip(("volume_from_units", "maker_e6", "taker_e6"), tier, strict=True))
        with pytest.raises(IntegrityError, match="not confirmed with"), transaction.atomic():
            FeeTier.objects.create(schedule=made, **names)
    FeeTier.objects.create(schedule=made, volume_from_units=0, maker_e6=900, taker_e6=2_000)


def _approved(draft: fees.Draft, kind: str = fees.KIND) -> Proposal:
    """Confirmed by two, without its effect."""
    (mia, ned), now = two_officers(), clock.now()
    proposal = approvals.propose(
        kind=kind, subject=draft.name, body=draft.body(), reason="x", maker=mia, now=now
    )
    return approvals.approve(
        proposal_id=proposal.id, checker=ned, body_hash=proposal.body_hash, now=now
    )


def _recorded(proposal: Proposal, **whom: Any) -> FeeSchedule:
    """As somebody would who writes to the table without asking."""
    now = clock.now()
    return FeeSchedule.objects.create(
        name="Any", valid_from=now, created_at=now, proposal=proposal, **whom
    )


def test_a_schedule_takes_effect_at_the_batch_that_reads_of_it(
    venue: Any, hand_driven: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    bob = venue.investor("Bob", tokens=5)
    first = venue.order(alice, "buy", quantity=1, price=100)
    hand_driven.process(envelopes(first))

    schedule((0, 400, 800))
    second = venue.order(alice, "buy", quantity=1, price=100)
    sale = venue.order(bob, "sell", quantity=2, price=100)
    hand_driven.process(envelopes(second, sale))

    batch = Order.objects.get(id=second.id).batch_no
    items = InboxItem.objects.filter(kind="fees")
    assert {item.consumed_batch for item in items} == {batch}
    fee = {order.pk: order.fee_units for order in Order.objects.all()}
    # The first rests at the rate that it froze; the seller takes by the rate of the moment.
    assert (fee[first.id], fee[second.id], fee[sale.id]) == (100_000, 40_000, 160_000)


def test_a_partners_and_a_tiers_rates_reach_the_engine_and_survive_a_restart(
    venue: Any, hand_driven: Sequencer
) -> None:
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", usd=1_000)
    schedule((0, 900, 2_000), (MILLION_USD, 100, 300))
    acme = partner("acme")
    schedule((0, 50, 60), partner=acme, name="Acme's")
    Investor.objects.filter(pk=bob).update(partner=acme)
    day = clock.now().date()
    InvestorVolume.objects.create(investor_id=alice, day=day, day_units=1, month_units=MILLION_USD)
    VolumeDay.objects.create(day=day, closed_at=clock.now())
    hand_driven.process([])

    def rates() -> list[tuple[int, int]]:
        pool = hand_driven.owned.pool
        rules = pool.markets["AAPLxUSDC"].rules
        return [
            pool.rates.of(each, pool.eligibility[each].partner_id, rules) for each in (alice, bob)
        ]

    assert rates() == [(100, 300), (50, 60)]
    hand_driven.settle()
    hand_driven.drop()
    assert hand_driven.own()
    hand_driven.process([])
    assert rates() == [(100, 300), (50, 60)]


def test_a_waiting_stop_keeps_the_rate_it_holds_for_over_a_restart(
    venue: Any, hand_driven: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    schedule((0, 0, 1_000))
    stop = venue.order(
        alice, "buy", quantity=1, price=100, type="stop_loss_limit", trigger_price_units=95 * USD
    )
    hand_driven.process(envelopes(stop))
    schedule((0, 0, 9_000))
    hand_driven.process([])
    hand_driven.settle()
    hand_driven.drop()

    assert hand_driven.own()

    known = hand_driven.owned.pool.orders[stop.id]
    assert (known.taker_fee_e6, known.held) == (1_000, 100 * USD + 100_000)


def test_a_schedule_without_tiers_ends_the_one_before(venue: Any, hand_driven: Sequencer) -> None:
    alice = venue.investor("Alice", usd=1_000)
    schedule((0, 900, 2_000), listing=venue.listing)
    schedule(listing=venue.listing, name="The end")
    order = venue.order(alice, "buy", quantity=1, price=50)

    hand_driven.process(envelopes(order))

    assert Order.objects.get(id=order.id).maker_fee_e6 == 1_000


def test_the_demo_has_tiers_from_two_market_operators_once(venue: Any) -> None:
    for name in ("olga", "oscar"):
        officer(name)
    said: list[str] = []

    for _ in range(2):
        demo_venue.load_fees(say=said.append, now=clock.now())

    made = FeeSchedule.objects.get()
    assert (made.proposal.maker.email, made.proposal.checker.email) == (  # type: ignore[union-attr]
        "olga@bourse.example",
        "oscar@bourse.example",
    )
    assert said == ["fees in 4 tiers"]
    # Who begins pays what a listing without a schedule would ask.
    lowest = made.tiers.get(volume_from_units=0)
    listing = venue.listing
    assert (lowest.maker_e6, lowest.taker_e6) == (listing.maker_fee_e6, listing.taker_fee_e6)
