import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts import eligibility, queries
from accounts.cases import move
from accounts.eligibility import Facts, decide
from accounts.models import Consent, EligibilitySnapshot, KycCase, Restriction
from accounts.operations import disclosures
from accounts.operations.investors import create_house_investor
from accounts.states import KycStatus
from accounts.tasks import refresh_eligibility
from kernel.refusals import NotFound
from reference.models import CountryRule
from tests.accounts.stories import LATER, NOW, make_case, put_at


def facts(**changes: object) -> Facts:
    usual: dict[str, object] = {
        "kyc_status": "approved", "was_approved": True, "is_house": False, "country": "DE",
        "country_is_served": True, "restrictions": [],
    }  # fmt: skip
    return Facts(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, (True, True, "")),
        ({"kyc_status": "none", "was_approved": False}, (False, False, "kyc_not_approved")),
        ({"kyc_status": "suspended"}, (False, True, "kyc_not_approved")),
        ({"kyc_status": "rejected"}, (False, True, "kyc_not_approved")),
        ({"country_is_served": False}, (False, True, "country_not_served")),
        ({"restrictions": ["reduce_only:x"]}, (False, True, "reduce_only")),
        ({"restrictions": ["freeze:x"]}, (False, False, "frozen")),
        ({"restrictions": ["reduce_only:x", "freeze:y"]}, (False, False, "frozen")),
        ({"kyc_status": "none", "was_approved": False, "is_house": True}, (True, True, "")),
    ],
)
def test_who_may_do_what(changes: dict[str, object], verdict: tuple[bool, bool, str]) -> None:
    assert decide(facts(**changes)) == verdict


@pytest.fixture
def approved(germany: None) -> KycCase:
    return move(put_at(make_case(), KycStatus.MANUAL_REVIEW), KycStatus.APPROVED, now=NOW)


def newest(case: KycCase) -> EligibilitySnapshot:
    snapshot = queries.get_eligibility(investor_id=case.investor_id)
    assert snapshot is not None
    return snapshot


def test_nothing_new_makes_no_snapshot(approved: KycCase) -> None:
    before = newest(approved)

    assert eligibility.refresh(investor_id=approved.investor_id, now=LATER) == before


def test_a_snapshot_says_on_what_it_rests(approved: KycCase) -> None:
    snapshot = newest(approved)

    assert snapshot.facts["kyc_status"] == "approved"
    assert (snapshot.country, snapshot.created_at) == ("DE", NOW)


def test_versions_have_no_gaps(approved: KycCase) -> None:
    versions = EligibilitySnapshot.objects.filter(investor_id=approved.investor_id)
    numbers = list(versions.order_by("version").values_list("version", flat=True))

    assert numbers == list(range(1, len(numbers) + 1))


def test_the_application_cannot_change_the_past(approved: KycCase) -> None:
    snapshots = EligibilitySnapshot.objects.filter(investor_id=approved.investor_id)

    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        snapshots.update(may_buy=False)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        snapshots.delete()


def test_the_database_refuses_who_may_buy_but_not_sell(approved: KycCase) -> None:
    with pytest.raises(IntegrityError, match="who_may_buy_may_sell"), transaction.atomic():
        EligibilitySnapshot.objects.create(
            investor_id=approved.investor_id, version=99, may_buy=True, may_sell=False,
            created_at=NOW,
        )  # fmt: skip


def test_a_country_that_is_blocked_later_leaves_the_way_out_open(approved: KycCase) -> None:
    CountryRule.objects.filter(country="DE").update(status="blocked", reason="A new law.")

    refresh_eligibility()

    snapshot = newest(approved)
    assert (snapshot.may_buy, snapshot.may_sell) == (False, True)
    assert snapshot.reason_code == "country_not_served"
    assert eligibility.list_outdated_countries() == []


def test_a_consent_is_in_the_next_snapshot(approved: KycCase) -> None:
    first = disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)

    disclosures.accept(
        investor_id=approved.investor_id, disclosure_id=first.pk, ip="203.0.113.7", now=NOW
    )

    assert newest(approved).accepted == {"AAPLx": 1}
    assert Consent.objects.get().ip == "203.0.113.7"


def test_a_second_click_on_accept_is_one_consent(approved: KycCase) -> None:
    text = disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)

    for _ in range(2):
        disclosures.accept(
            investor_id=approved.investor_id, disclosure_id=text.pk, ip=None, now=NOW
        )

    assert Consent.objects.count() == 1


def test_an_old_version_can_no_longer_be_accepted(approved: KycCase) -> None:
    old = disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)
    new = disclosures.publish(subject="AAPLx", title="AAPLx", body="More risks.", now=LATER)

    assert (old.version, new.version) == (1, 2)
    with pytest.raises(disclosures.DisclosureOutdated):
        disclosures.accept(
            investor_id=approved.investor_id, disclosure_id=old.pk, ip=None, now=LATER
        )
    with pytest.raises(NotFound):
        disclosures.accept(
            investor_id=approved.investor_id, disclosure_id=10**9, ip=None, now=LATER
        )


def test_the_same_text_is_no_new_version(db: None) -> None:
    first = disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)

    assert disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=LATER) == first


def test_a_published_text_cannot_be_changed(db: None) -> None:
    text = disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)

    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        type(text).objects.filter(pk=text.pk).update(body="No risks.")


def test_nothing_is_lifted_without_a_proposal(approved: KycCase) -> None:
    frozen = Restriction.objects.create(
        investor_id=approved.investor_id, kind="freeze", reason_code="x", imposed_at=NOW
    )

    with pytest.raises(IntegrityError, match="lifted_by_proposal"), transaction.atomic():
        Restriction.objects.filter(pk=frozen.pk).update(lifted_at=LATER)


def test_the_house_trades_without_kyc(db: None) -> None:
    house = create_house_investor(display_name="Market maker", now=NOW)

    snapshot = queries.get_eligibility(investor_id=house.pk)
    assert snapshot is not None
    assert snapshot.may_buy
