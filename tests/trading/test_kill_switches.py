"""Kill switches: one sets, two lift, engines obey at a known batch, also over a restart."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts import approvals
from accounts.models import Investor
from kernel import clock
from kernel.refusals import Forbidden, NotFound
from tests.trading.fee_stories import confirm, officer, partner, two_officers
from tests.trading_database import envelopes
from trading import kill_switches
from trading.commands import CancelOrder
from trading.engine.stops import StopScope
from trading.models import InboxItem, KillSwitch, KillSwitchEffect, Order
from trading.sequencer import Sequencer


def stop(scope: Any, key: Any = 0, **fields: Any) -> KillSwitch:
    mia, _ = two_officers()
    wanted = {"reason": "Odd orders", "officer": mia, "now": clock.now(), **fields}
    return kill_switches.stop_trading(scope=scope, key=key, **wanted)


def lift(switch: KillSwitch) -> None:
    mia, ned = two_officers()
    proposal = kill_switches.propose_lift(
        switch_id=switch.pk, reason="Explained", officer=mia, now=clock.now()
    )
    with pytest.raises(approvals.SameOfficer):
        confirm(proposal, mia)
    confirm(proposal, ned)


def states(*orders: Any) -> list[tuple[str, str]]:
    found = Order.objects.in_bulk([order.id for order in orders])
    return [(found[each.id].status, found[each.id].reason) for each in orders]


@pytest.mark.parametrize("scope", list(StopScope))
def test_a_switch_pulls_and_refuses_at_its_batch_and_lets_go_when_lifted(
    venue: Any, hand_driven: Sequencer, scope: StopScope
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    acme = partner("acme")
    Investor.objects.filter(pk=alice).update(partner=acme)
    key = {
        StopScope.INVESTOR: alice, StopScope.LISTING: venue.listing.pk,
        StopScope.PARTNER: acme.pk, StopScope.VENUE: 0,
    }[scope]  # fmt: skip
    resting, second, third = (venue.order(alice, "buy", quantity=1, price=90) for _ in range(3))
    hand_driven.process(envelopes(resting))

    switch = stop(scope, key)
    hand_driven.process(envelopes(second))

    assert states(resting, second) == [("canceled", "kill_switch"), ("refused", "trading_stopped")]
    effect = KillSwitchEffect.objects.get(switch=switch)
    item = InboxItem.objects.get(kind="kill_switch")
    assert (effect.is_set, effect.orders_pulled) == (True, 1)
    assert effect.batch_no == item.consumed_batch == Order.objects.get(id=resting.id).batch_no
    assert venue.balance(alice, venue.cash)[1] == 0

    lift(switch)
    hand_driven.process(envelopes(third))
    assert states(third) == [("open", "")]
    lifted = KillSwitchEffect.objects.get(switch=switch, is_set=False)
    assert lifted.batch_no == Order.objects.get(id=third.id).batch_no


def test_a_switch_set_while_no_engine_ran_pulls_when_one_starts(
    venue: Any, hand_driven: Sequencer
) -> None:
    alice = venue.investor("Alice", usd=1_000)
    resting, later = (venue.order(alice, "buy", quantity=1, price=90) for _ in range(2))
    hand_driven.process(envelopes(resting))
    hand_driven.settle()
    hand_driven.drop()

    switch = stop(StopScope.INVESTOR, alice)
    assert hand_driven.own()
    hand_driven.process([])

    assert states(resting) == [("canceled", "kill_switch")]
    assert KillSwitchEffect.objects.get(switch=switch).orders_pulled == 1
    hand_driven.settle()
    hand_driven.drop()
    assert hand_driven.own()
    hand_driven.process(envelopes(later))
    assert states(later) == [("refused", "trading_stopped")]


def test_cancels_go_on_while_trading_is_stopped(venue: Any, hand_driven: Sequencer) -> None:
    """One that comes in the very batch finds its order pulled, which is what it asked for."""
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", usd=1_000)
    hers, his = (venue.order(each, "buy", quantity=1, price=90) for each in (alice, bob))
    hand_driven.process(envelopes(hers, his))
    stop(StopScope.INVESTOR, alice)

    hand_driven.process(envelopes(CancelOrder(investor_id=bob, order_id=his.id)))

    assert states(hers, his) == [("canceled", "kill_switch"), ("canceled", "requested")]


def test_only_who_may_stops_trading_with_a_reason_and_once(venue: Any) -> None:
    for wrong, refusal in (
        ({"officer": officer("eve", "view_listing")}, Forbidden),
        ({"reason": " "}, approvals.ReasonMissing),
        ({"scope": StopScope.LISTING, "key": 10**9}, NotFound),
    ):
        with pytest.raises(refusal):
            stop(**{"scope": StopScope.VENUE, **wrong})
    switch = stop(StopScope.VENUE)
    with pytest.raises(kill_switches.StoppedAlready):
        stop(StopScope.VENUE)

    lift(switch)

    with pytest.raises(kill_switches.NotStopped):
        lift(switch)
    assert stop(StopScope.VENUE).pk != switch.pk


def test_the_database_lets_nobody_lift_alone_or_rewrite_a_switch(venue: Any) -> None:
    switch = stop(StopScope.LISTING, venue.listing.pk)
    rows = KillSwitch.objects.filter(pk=switch.pk)

    with (
        pytest.raises(IntegrityError, match="kill_switch_lifted_by_proposal"),
        transaction.atomic(),
    ):
        rows.update(lifted_at=clock.now())
    mia, ned = two_officers()
    other = stop(StopScope.VENUE)
    for subject, is_confirmed in ((other.pk, True), (switch.pk, False)):
        asked = kill_switches.propose_lift(
            switch_id=subject, reason="x", officer=mia, now=clock.now()
        )
        if is_confirmed:
            confirm(asked, ned)
        with pytest.raises(IntegrityError, match="no second officer"), transaction.atomic():
            rows.update(lifted_at=clock.now(), lift_proposal=asked)
    for change in ({"reason": "None at all"}, {"key": 5}, {"set_at": clock.now()}):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            rows.update(**change)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        rows.delete()
    for wrong in ({"scope": "venue", "key": 3}, {"scope": "investor", "key": 0}, {"scope": "all"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            KillSwitch.objects.create(
                **{"reason": "x", "set_by": mia, "set_at": clock.now(), **wrong}
            )
