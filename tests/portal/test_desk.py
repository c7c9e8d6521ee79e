"""The staff's start page: queues with age, what waits for a second officer, who sees what."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts import approvals
from accounts.models import Investor, KycCase, User
from custody.models import ReserveAttestation
from tests.portal.conftest import NOON, TOKEN, House, client_of


def desk(who: User) -> str:
    answer = client_of(who).get(reverse("admin:index"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_visitors_and_investors_do_not_reach_the_desk(alice: Investor) -> None:
    for client in (Client(), client_of(alice)):
        answer = client.get(reverse("admin:index"))
        assert answer.status_code == 302
        assert "/login/" in answer.headers["Location"]


def test_a_flagged_case_is_counted_with_its_age_and_is_late_in_time(
    house: House, bob: Investor, olga: User
) -> None:
    KycCase.objects.create(
        investor=bob,
        status="screening_hit",
        opened_at=NOON,
        submitted_at=NOON - timedelta(hours=6),
    )

    page = desk(olga)

    assert "oldest 6 h, late" in page
    assert "?status__exact=screening_hit" in page


def test_an_officer_sees_only_the_queues_of_the_own_role(house: House) -> None:
    officer = house.sign_up("carla", is_staff=True)
    officer.user_permissions.set(Permission.objects.filter(codename="view_kyccase"))

    page = desk(officer)

    assert "KYC: a person has to look" in page
    assert "Redemptions under way" not in page


def test_ones_own_proposal_is_not_offered_to_oneself(house: House, olga: User) -> None:
    other = house.sign_up("otto", is_staff=True, is_superuser=True)
    approvals.propose(
        kind="test", subject="thing:1", body={"what": "thing"}, reason="because", maker=olga,
        now=NOON,
    )  # fmt: skip

    assert "another officer has to look" in desk(olga)
    assert "Look and decide" in desk(other)


def test_a_broken_reserve_is_an_alert(house: House, olga: User) -> None:
    ReserveAttestation.objects.create(
        asset=house.token, as_of=NOON, custodian_settled_units=0, custodian_unsettled_units=0,
        chain_supply_units=TOKEN, chain_slot=1, investor_units=TOKEN, inventory_units=0,
        multiplier_e18=10**18, required_share_units=10**9, verdict="broken", findings=["Missing."],
    )  # fmt: skip

    assert "AAPLx is not covered by settled shares" in desk(olga)
    public = Client().get(reverse("reserves")).content.decode()
    assert "1 token not covered" in public


@pytest.mark.parametrize("state", ["halted", "limit_only"])
def test_a_listing_that_is_not_open_is_an_alert_with_its_reason(
    state: str, house: House, olga: User
) -> None:
    type(house.listing).objects.update(state=state, state_reason="news pending")

    assert "news pending" in desk(olga)
    shown = Client().get(reverse("trade", args=["AAPLxUSDC"])).content.decode()
    assert "news pending" in shown
