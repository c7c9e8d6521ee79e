import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import approvals
from accounts.models import Proposal, User
from accounts.models.approvals import Proposal as Model
from kernel.refusals import Forbidden, NotFound
from tests.accounts.stories import LATER, NOW, make_officer, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def proposal(olga: User) -> Proposal:
    return propose(olga)


def propose(maker: User, subject: str = "thing:1", reason: str = "It is due.") -> Proposal:
    return approvals.propose(
        kind="test", subject=subject, body={"units": 100}, reason=reason, maker=maker, now=NOW
    )


def approve(proposal: Proposal, checker: User, body_hash: str = "") -> Proposal:
    return approvals.approve(
        proposal_id=proposal.id, checker=checker, body_hash=body_hash or proposal.body_hash,
        now=LATER,
    )  # fmt: skip


def test_another_officer_approves(proposal: Proposal, omar: User) -> None:
    approved = approve(proposal, omar)

    assert (approved.state, approved.checker, approved.decided_at) == ("approved", omar, LATER)


def test_the_maker_cannot_approve(proposal: Proposal, olga: User) -> None:
    with pytest.raises(approvals.SameOfficer):
        approve(proposal, olga)


def test_the_database_stops_a_maker_who_checks(proposal: Proposal, olga: User) -> None:
    with pytest.raises(IntegrityError, match="proposal_has_four_eyes"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(
            state="approved", checker=olga, decided_at=NOW
        )


def test_the_database_stops_an_approval_by_nobody(proposal: Proposal) -> None:
    with pytest.raises(IntegrityError, match="decided_by_a_checker"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(state="approved", decided_at=NOW)


@pytest.mark.parametrize(
    "change", [{"body": {"units": 999}}, {"body_hash": "0" * 64}, {"reason": "x"}, {"kind": "x"}]
)
def test_the_database_lets_nobody_change_a_body(
    proposal: Proposal, change: dict[str, object]
) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(**change)


def test_the_database_lets_nobody_swap_the_checker(proposal: Proposal, omar: User) -> None:
    approve(proposal, omar)
    other = make_officer("oskar")

    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(checker=other)


def test_the_database_lets_no_proposal_go_back(proposal: Proposal, omar: User) -> None:
    approve(proposal, omar)

    with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(state="rejected")


def test_the_database_lets_nobody_delete_a_proposal(proposal: Proposal) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).delete()


def test_what_was_read_has_to_be_what_was_proposed(proposal: Proposal, omar: User) -> None:
    with pytest.raises(approvals.ProposalChanged):
        approve(proposal, omar, body_hash=approvals.hash_body({"units": 101}))


def test_a_proposal_is_decided_once(proposal: Proposal, omar: User) -> None:
    approve(proposal, omar)

    with pytest.raises(approvals.ProposalDecided):
        approve(proposal, omar)
    with pytest.raises(approvals.ProposalDecided):
        approvals.reject(
            proposal_id=proposal.id, checker=omar, body_hash=proposal.body_hash, reason="No.",
            now=LATER,
        )  # fmt: skip


def test_an_effect_happens_once(proposal: Proposal, omar: User) -> None:
    with pytest.raises(approvals.ProposalDecided):
        approvals.mark_executed(proposal_id=proposal.id, now=LATER)
    approve(proposal, omar)

    assert approvals.mark_executed(proposal_id=proposal.id, now=LATER).state == "executed"
    with pytest.raises(approvals.ProposalDecided):
        approvals.mark_executed(proposal_id=proposal.id, now=LATER)


def test_two_open_proposals_about_one_thing_are_refused(proposal: Proposal, omar: User) -> None:
    with pytest.raises(approvals.AlreadyProposed):
        propose(omar)
    assert propose(omar, subject="thing:2").state == "proposed"


def test_after_a_rejection_one_may_propose_again(proposal: Proposal, omar: User) -> None:
    approvals.reject(
        proposal_id=proposal.id, checker=omar, body_hash=proposal.body_hash, reason="Too many.",
        now=LATER,
    )  # fmt: skip

    assert propose(omar).maker == omar


def test_a_reason_is_needed(olga: User, proposal: Proposal, omar: User) -> None:
    with pytest.raises(approvals.ReasonMissing):
        propose(olga, subject="thing:3", reason="  ")
    with pytest.raises(approvals.ReasonMissing):
        approvals.reject(
            proposal_id=proposal.id, checker=omar, body_hash=proposal.body_hash, reason="",
            now=LATER,
        )  # fmt: skip


def test_investors_and_powerless_staff_neither_propose_nor_approve(proposal: Proposal) -> None:
    clerk = make_officer("clara", "view_proposal")

    for person in (make_user("erika"), clerk):
        with pytest.raises(Forbidden):
            propose(person, subject="thing:4")
        with pytest.raises(Forbidden):
            approve(proposal, person)


def test_an_unknown_proposal_is_not_found(omar: User) -> None:
    from kernel.ids import uuid7

    with pytest.raises(NotFound):
        approvals.approve(proposal_id=uuid7(), checker=omar, body_hash="", now=NOW)


def test_a_kind_without_an_effect_is_confirmed_elsewhere(proposal: Proposal, omar: User) -> None:
    with pytest.raises(Forbidden):
        approvals.confirm(
            proposal_id=proposal.id, checker=omar, body_hash=proposal.body_hash, now=LATER
        )


def test_the_audit_trail_keeps_both_states_and_cannot_be_changed(
    proposal: Proposal, omar: User
) -> None:
    approve(proposal, omar)

    trail = Model.pgh_event_model.objects.filter(pgh_obj_id=proposal.id).order_by("pgh_id")  # type: ignore[attr-defined]
    assert list(trail.values_list("state", flat=True)) == ["proposed", "approved"]
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        trail.update(state="rejected")


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert approvals.hash_body({"a": 1, "b": [2]}) == approvals.hash_body({"b": [2], "a": 1})
    assert approvals.hash_body({"a": 1}) != approvals.hash_body({"a": "1"})


def test_the_connection_is_the_applications_role() -> None:
    """Else the permissions tested here would prove nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("bourse_app", False)
