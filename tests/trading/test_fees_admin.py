"""Fees and kill switches at the desk: who may, in how many steps, and what is shown."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import Proposal, User
from kernel import clock
from tests.trading.fee_stories import partner, schedule
from tests.trading_database import envelopes
from trading.models import FeeSchedule, InvestorVolume, KillSwitch
from trading.sequencer import Sequencer

SCHEDULES = reverse("admin:trading_feeschedule_changelist")
PROPOSE = reverse("admin:trading_fees_propose")
SWITCHES = reverse("admin:trading_killswitch_changelist")


def desk_of(name: str, group: str = "Market operators") -> Client:
    user = User.objects.create_user(f"{name}@bourse.example", "x", is_staff=True, full_name=name)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def desks(venue: Any) -> tuple[Client, Client]:
    return desk_of("Mia"), desk_of("Ned")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def switch_address(switch: KillSwitch) -> str:
    return reverse("admin:trading_killswitch_change", args=[switch.pk])


def test_a_schedule_is_seen_then_proposed_then_confirmed_by_another(
    desks: tuple[Client, Client],
) -> None:
    mia, ned = desks
    wanted = {"name": "Standard", "tiers": "0 0.10 0.25\n100000 0.08 0.2", "reason": "Board"}

    seen = mia.post(PROPOSE, wanted).content.decode()
    assert "100,000 USD" in seen
    assert "0.08 %" in seen
    assert not Proposal.objects.exists()
    assert mia.post(PROPOSE, {**wanted, "confirmed": "yes"}).status_code == 302
    proposal = Proposal.objects.get()
    assert "Waits for a second officer" in text(ned, SCHEDULES)

    address = reverse("admin:accounts_proposal_change", args=[proposal.pk])
    mia.post(address, {"act": "confirm", "body_hash": proposal.body_hash})
    assert not FeeSchedule.objects.exists()
    ned.post(address, {"act": "confirm", "body_hash": proposal.body_hash})

    made = FeeSchedule.objects.get()
    assert "in force" in text(ned, SCHEDULES)
    file = text(ned, reverse("admin:trading_feeschedule_change", args=[made.pk]))
    assert "mia@bourse.example" in file
    assert "ned@bourse.example" in file


def test_what_cannot_be_a_tier_is_said_and_what_was_typed_stays(
    desks: tuple[Client, Client],
) -> None:
    for tiers, words in (
        ("0 0.10", "Write a volume"),
        ("5 0.10 0.20", "begin at a volume of 0"),
        ("0 0.1 10.1", "between 0 and 10 percent"),
        ("0 -1 0.1", "plain digits"),
    ):
        wanted = {"name": "Odd", "tiers": tiers, "reason": "x"}
        page = desks[0].post(PROPOSE, wanted).content.decode()

        assert words in page
        assert f"{tiers}</textarea>" in page


def test_the_list_tells_which_schedule_counts(desks: tuple[Client, Client]) -> None:
    acme = partner("acme")
    schedule((0, 900, 2_000), name="Old")
    schedule((0, 800, 1_900), (10**12, 0, 0), name="New")
    schedule((0, 1, 2), name="Acme's", partner=acme)
    schedule(name="Acme's end", partner=acme)

    page = text(desks[0], SCHEDULES)

    for words in ("replaced", "in force", "ends", "2, from 0.08 % / 0.19 %", "everybody"):
        assert words in page


def test_stopping_takes_one_officer_and_lifting_two(
    venue: Any, desks: tuple[Client, Client], hand_driven: Sequencer
) -> None:
    mia, ned = desks
    alice = venue.investor("Alice", usd=1_000)
    hand_driven.process(envelopes(venue.order(alice, "buy", quantity=1, price=90)))
    stop = reverse("admin:trading_stop", args=["investor"])

    assert "Stop trading of an investor" in text(mia, stop)
    assert (
        "There is no such investor"
        in mia.post(stop, {"target": "nobody@example.com", "reason": "x"}).content.decode()
    )
    mia.post(stop, {"target": str(alice), "reason": "Odd orders", "public_words": "Call us."})
    switch = KillSwitch.objects.get()
    assert "not read yet" in text(mia, SWITCHES)
    hand_driven.process([])

    file = text(ned, switch_address(switch))
    assert "Alice" in file
    assert "Call us." in file
    batch = switch.effects.get().batch_no
    assert f'font-mono">{batch}</td>' in file
    assert "Alice" in text(mia, f"{SWITCHES}?state=stopped")

    mia.post(switch_address(switch), {"act": "propose", "reason": "Explained"})
    proposal = Proposal.objects.get()
    acted = {"act": "confirm", "body_hash": proposal.body_hash}
    mia.post(switch_address(switch), acted)
    switch.refresh_from_db()
    assert switch.lifted_at is None
    assert "a lift waits" in text(ned, f"{SWITCHES}?state=waits")
    ned.post(switch_address(switch), acted)
    switch.refresh_from_db()
    assert switch.lifted_at is not None
    assert "mia@bourse.example and ned@bourse.example" in text(ned, switch_address(switch))


def test_every_scope_has_its_page_and_is_stopped_once(
    venue: Any, desks: tuple[Client, Client]
) -> None:
    targets = {"listing": venue.listing.pk, "partner": partner("acme").pk, "venue": 0}
    for scope, target in targets.items():
        address = reverse("admin:trading_stop", args=[scope])

        desks[0].post(address, {"target": str(target), "reason": "A drill"})

        switch = KillSwitch.objects.latest("id")
        assert (switch.scope, switch.key) == (scope, target)
        again = desks[0].post(address, {"target": str(target), "reason": "Twice"}, follow=True)
        assert "This is stopped already." in again.content.decode()
    start = text(desks[0], reverse("admin:index"))
    for name in ("AAPLx/USDC", "Acme", "the whole venue"):
        assert f"Trading is stopped: {name}." in start


def test_a_lift_that_is_turned_down_leaves_it_stopped(
    venue: Any, desks: tuple[Client, Client]
) -> None:
    mia, ned = desks
    mia.post(reverse("admin:trading_stop", args=["venue"]), {"reason": "A drill"})
    switch = KillSwitch.objects.get()
    mia.post(switch_address(switch), {"act": "propose", "reason": "Over"})
    proposal = Proposal.objects.get()

    ned.post(
        switch_address(switch),
        {"act": "turn_down", "body_hash": proposal.body_hash, "reason": "Not yet"},
    )

    switch.refresh_from_db()
    assert switch.lifted_at is None
    assert "Propose to lift it" in text(ned, switch_address(switch))


def test_who_may_only_look_sees_no_buttons_and_stops_nothing(
    venue: Any, desks: tuple[Client, Client]
) -> None:
    looker = desk_of("Carl", "Custody officers")
    desks[0].post(reverse("admin:trading_stop", args=["venue"]), {"reason": "A drill"})
    switch = KillSwitch.objects.get()

    assert "Stop the whole venue" not in text(looker, SWITCHES)
    assert looker.get(PROPOSE).status_code == 403
    stop = reverse("admin:trading_stop", args=["venue"])
    assert looker.post(stop, {"reason": "x"}).status_code == 403
    looker.post(switch_address(switch), {"act": "propose", "reason": "x"})
    assert not Proposal.objects.exists()
    assert desks[0].get(reverse("admin:trading_stop", args=["all"])).status_code == 404


def test_volumes_are_shown_by_name(venue: Any, desks: tuple[Client, Client]) -> None:
    alice = venue.investor("Alice")
    InvestorVolume.objects.create(
        investor_id=alice, day=clock.now().date(), day_units=1_500_000, month_units=12_345_670_000
    )

    page = text(desks[0], reverse("admin:trading_investorvolume_changelist"))

    assert "Alice" in page
    assert "12,345.67 USD" in page
