from datetime import timedelta

import pytest

from accounts import approvals, eligibility, queries
from accounts.cases import CaseMoved, move
from accounts.models import KycCase, Proposal, Restriction, ScreeningHit, User
from accounts.operations import restrictions
from accounts.operations.decisions import (
    Decision,
    DecisionImpossible,
    UnservableInvestor,
    confirm_decision,
    list_possible,
    propose_decision,
)
from accounts.operations.screening import rescreen_case
from accounts.states import KycStatus
from accounts.tasks import rescreen_cases
from kernel.refusals import Forbidden
from tests.accounts.stories import LATER, NOW, load_lists, make_case, put_at, reload

pytestmark = pytest.mark.usefixtures("germany")


@pytest.fixture
def flagged() -> KycCase:
    """A case that waits because of a sanctioned name."""
    case = put_at(make_case(), KycStatus.SCREENING_HIT)
    ScreeningHit.objects.create(
        case=case, source="un", reference="QDi.1", list_date=NOW.date(), score=95,
        primary_name="MUSTERMANN, Erika", matched_name="MUSTERMANN, Erika",
        birth_date="differs", found_at=NOW,
    )  # fmt: skip
    return case


def decide(case: KycCase, decision: Decision, maker: User, checker: User) -> KycCase:
    proposal = propose_decision(
        case_id=case.id, decision=decision, reason="Looked at it.", officer=maker, now=NOW
    )
    return confirm_decision(
        proposal_id=proposal.id, officer=checker, body_hash=proposal.body_hash, now=LATER
    )


def test_one_officer_alone_decides_nothing(flagged: KycCase, olga: User) -> None:
    proposal = propose_decision(
        case_id=flagged.id, decision=Decision.APPROVE, reason="Another person.", officer=olga,
        now=NOW,
    )  # fmt: skip
    assert reload(flagged).status == KycStatus.SCREENING_HIT

    with pytest.raises(approvals.SameOfficer):
        confirm_decision(
            proposal_id=proposal.id, officer=olga, body_hash=proposal.body_hash, now=LATER
        )
    assert reload(flagged).status == KycStatus.SCREENING_HIT


def test_two_officers_approve_and_dismiss_the_hit(flagged: KycCase, olga: User, omar: User) -> None:
    case = decide(flagged, Decision.APPROVE, olga, omar)

    assert (case.status, case.decided_at) == (KycStatus.APPROVED, LATER)
    assert case.hits.get().state == "dismissed"
    assert Proposal.objects.get().state == "executed"
    assert case.timeline.filter(actor=omar, kind="status").exists()


def test_two_officers_reject_and_confirm_the_hit(flagged: KycCase, olga: User, omar: User) -> None:
    case = decide(flagged, Decision.REJECT, olga, omar)

    assert case.status == KycStatus.REJECTED
    assert case.hits.get().state == "confirmed"
    assert "ask for a review" in case.investor_message


def test_a_case_that_changed_meanwhile_is_not_decided(
    flagged: KycCase, olga: User, omar: User
) -> None:
    proposal = propose_decision(
        case_id=flagged.id, decision=Decision.APPROVE, reason="Fine.", officer=olga, now=NOW
    )
    ScreeningHit.objects.create(
        case=flagged, source="eu", reference="EU.1", list_date=NOW.date(), score=99,
        primary_name="x", matched_name="x", birth_date="matches", found_at=NOW,
    )  # fmt: skip

    with pytest.raises(CaseMoved):
        confirm_decision(
            proposal_id=proposal.id, officer=omar, body_hash=proposal.body_hash, now=LATER
        )
    proposal.refresh_from_db()
    assert (proposal.state, reload(flagged).status) == ("proposed", KycStatus.SCREENING_HIT)


def test_an_officer_without_the_permission_cannot_confirm(flagged: KycCase, olga: User) -> None:
    from tests.accounts.stories import make_officer

    custody = make_officer("cora", "check_proposal")
    proposal = propose_decision(
        case_id=flagged.id, decision=Decision.APPROVE, reason="Fine.", officer=olga, now=NOW
    )

    with pytest.raises(Forbidden):
        confirm_decision(
            proposal_id=proposal.id, officer=custody, body_hash=proposal.body_hash, now=LATER
        )


def test_officers_cannot_approve_a_us_person(olga: User) -> None:
    case = put_at(make_case(nationality="US"), KycStatus.MANUAL_REVIEW)

    with pytest.raises(UnservableInvestor, match="US citizen"):
        propose_decision(
            case_id=case.id, decision=Decision.APPROVE, reason="A friend.", officer=olga, now=NOW
        )


def test_a_draft_is_not_decided_by_officers(olga: User) -> None:
    case = make_case()

    assert list_possible(case) == []
    with pytest.raises(DecisionImpossible):
        propose_decision(
            case_id=case.id, decision=Decision.APPROVE, reason="Quick.", officer=olga, now=NOW
        )


def test_suspending_leaves_the_way_out_open(olga: User, omar: User) -> None:
    case = put_at(make_case(), KycStatus.MANUAL_REVIEW)
    decide(case, Decision.APPROVE, olga, omar)

    case = decide(reload(case), Decision.SUSPEND, omar, olga)

    snapshot = queries.get_eligibility(investor_id=case.investor_id)
    assert snapshot is not None
    assert (snapshot.may_buy, snapshot.may_sell) == (False, True)
    assert snapshot.reason_code == "kyc_not_approved"


def test_a_newer_list_freezes_and_two_officers_thaw(olga: User, omar: User) -> None:
    load_lists()
    case = move(put_at(make_case(), KycStatus.MANUAL_REVIEW), KycStatus.APPROVED, now=NOW)
    load_lists(("Erika MUSTERMANN", []), at=LATER)

    case = rescreen_case(case_id=case.id, now=LATER)

    assert case.status == KycStatus.SCREENING_HIT
    snapshot = queries.get_eligibility(investor_id=case.investor_id)
    assert snapshot is not None
    assert (snapshot.may_buy, snapshot.may_sell, snapshot.reason_code) == (False, False, "frozen")

    decide(case, Decision.APPROVE, olga, omar)

    snapshot = queries.get_eligibility(investor_id=case.investor_id)
    assert snapshot is not None
    assert snapshot.may_buy
    assert Restriction.objects.get().lift_proposal is not None
    # The same entry does not come back with the next list that has it.
    load_lists(("Erika MUSTERMANN", []), at=LATER + timedelta(days=1))
    again = rescreen_case(case_id=case.id, now=LATER + timedelta(days=1))
    assert (again.status, again.accesses.filter(purpose="sanctions screening").count()) == (
        KycStatus.APPROVED,
        2,
    )


def test_a_restriction_is_imposed_by_one_and_lifted_by_two(olga: User, omar: User) -> None:
    case = move(put_at(make_case(), KycStatus.MANUAL_REVIEW), KycStatus.APPROVED, now=NOW)
    imposed = restrictions.impose(
        investor_id=case.investor_id, kind="reduce_only", reason_code="unusual_activity",
        note="Wash trades?", officer=olga, now=NOW,
    )  # fmt: skip
    assert eligibility.refresh(investor_id=case.investor_id, now=NOW).reason_code == "reduce_only"

    proposal = restrictions.propose_lift(
        restriction_id=imposed.pk, reason="Explained.", officer=olga, now=NOW
    )
    approvals.confirm(
        proposal_id=proposal.id, checker=omar, body_hash=proposal.body_hash, now=LATER
    )

    imposed.refresh_from_db()
    assert imposed.lifted_at == LATER
    assert queries.get_eligibility(investor_id=case.investor_id).may_buy  # type: ignore[union-attr]
    with pytest.raises(restrictions.AlreadyLifted):
        restrictions.propose_lift(
            restriction_id=imposed.pk, reason="Again.", officer=olga, now=LATER
        )


def test_only_officers_restrict(olga: User) -> None:
    from tests.accounts.stories import make_officer

    clerk, case = make_officer("clara", "view_investor"), make_case()

    with pytest.raises(Forbidden):
        restrictions.impose(
            investor_id=case.investor_id, kind="freeze", reason_code="x", note="", officer=clerk,
            now=NOW,
        )  # fmt: skip


def test_whoever_was_screened_before_the_newest_list_is_screened_again(olga: User) -> None:
    load_lists(at=NOW)
    case = move(put_at(make_case(), KycStatus.MANUAL_REVIEW), KycStatus.APPROVED, now=NOW)
    rescreen_cases()
    first = reload(case).screened_at
    assert first is not None

    rescreen_cases()
    assert reload(case).screened_at == first

    load_lists(("Erika MUSTERMANN", []), at=first + timedelta(seconds=1))
    rescreen_cases()
    assert reload(case).status == KycStatus.SCREENING_HIT
