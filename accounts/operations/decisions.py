"""Deciding a KYC case: one officer proposes, another confirms.

The proposal holds the status and the hits that its maker saw. If either has
changed when it is confirmed, nothing happens and the officers look again.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import approvals
from accounts.cases import CaseMoved, move, note
from accounts.models import KycCase, Proposal, Restriction, ScreeningHit, User
from accounts.operations.restrictions import lift
from accounts.operations.screening import SANCTIONS_HIT
from accounts.rules import judge
from accounts.states import TRANSITIONS, KycStatus
from kernel.refusals import NotFound, Refusal

KIND = "kyc_decision"
PERMISSION = "accounts.decide_kyc"


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    RESUBMIT = "resubmit"  # ask the investor for something
    SUSPEND = "suspend"


TARGETS = {
    Decision.APPROVE: KycStatus.APPROVED,
    Decision.REJECT: KycStatus.REJECTED,
    Decision.RESUBMIT: KycStatus.NEEDS_RESUBMISSION,
    Decision.SUSPEND: KycStatus.SUSPENDED,
}
MESSAGES = {
    Decision.APPROVE: "Your identity is verified.",
    Decision.REJECT: "We cannot open an account for you. You may ask for a review.",
    Decision.RESUBMIT: "Please look at your details and upload your document again.",
    Decision.SUSPEND: "Your account is suspended. You may still sell and redeem.",
}


class DecisionImpossible(Refusal):
    """A case that stands like this cannot be decided that way."""

    code = "decision_impossible"
    http_status = 409


class UnservableInvestor(Refusal):
    """Our rules forbid to approve this investor, whoever decides."""

    code = "unservable_investor"


@transaction.atomic
def propose_decision(
    *, case_id: UUID, decision: Decision, reason: str, officer: User, now: datetime,
    investor_message: str = "",
) -> Proposal:  # fmt: skip
    """Write down a decision for another officer to confirm.

    :raises NotFound, DecisionImpossible, UnservableInvestor: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as they say.
    """
    case = _get(case_id)
    _require_possible(case, decision)
    body = _body(case, decision, investor_message or MESSAGES[decision])
    proposal = approvals.propose(
        kind=KIND, subject=_subject(case_id), body=body, reason=reason, maker=officer, now=now
    )
    details = {"decision": decision.value, "proposal": str(proposal.id)}
    note(case, kind="decision_proposed", text=reason, actor=officer, details=details, now=now)
    return proposal


def confirm_decision(*, proposal_id: UUID, officer: User, body_hash: str, now: datetime) -> KycCase:
    """Confirm as the second officer; the case moves in the same transaction.

    :raises CaseMoved: status or hits are no longer what the maker saw.
    :raises UnservableInvestor: our rules forbid it.
    :raises approvals.SameOfficer, approvals.ProposalChanged, approvals.ProposalDecided,
        Forbidden, NotFound: as they say.
    """
    proposal = approvals.confirm(
        proposal_id=proposal_id, checker=officer, body_hash=body_hash, now=now
    )
    return _get(UUID(proposal.body["case_id"]))


def get_open_proposal(*, case_id: UUID) -> Proposal | None:
    return Proposal.objects.filter(
        kind=KIND, subject=_subject(case_id), state=Proposal.State.PROPOSED
    ).first()


def list_open_proposals(*, case_ids: Sequence[UUID]) -> dict[UUID, Proposal]:
    """The open proposals about some cases, by case, in one query."""
    found = Proposal.objects.filter(
        kind=KIND, subject__in=[_subject(each) for each in case_ids], state=Proposal.State.PROPOSED
    )
    return {UUID(each.subject.split(":")[1]): each for each in found}


def list_possible(case: KycCase) -> list[Decision]:
    """The decisions that the table of states allows from here."""
    status = KycStatus(case.status)
    return [
        decision
        for decision, target in TARGETS.items()
        if (status, target) in TRANSITIONS and _is_for_officers(status, decision)
    ]


def _is_for_officers(status: KycStatus, decision: Decision) -> bool:
    # What the provider still has to answer, or the investor to mend, is not decided by officers.
    if status in {KycStatus.DRAFT, KycStatus.SUBMITTED, KycStatus.PENDING_PROVIDER}:
        return False
    return status != KycStatus.NEEDS_RESUBMISSION or decision == Decision.REJECT


def _take_effect(proposal: Proposal, now: datetime) -> None:
    case = KycCase.objects.select_for_update(no_key=True).get(id=proposal.body["case_id"])
    decision = Decision(proposal.body["decision"])
    if _seen(case) != proposal.body["seen"]:
        raise CaseMoved
    _require_possible(case, decision)
    if decision == Decision.APPROVE:
        _clear(case, proposal, now)
    elif decision == Decision.REJECT:
        case.hits.filter(state=ScreeningHit.State.OPEN).update(state=ScreeningHit.State.CONFIRMED)
    move(
        case, TARGETS[decision], now=now, reason_code=f"officers_{decision}",
        investor_message=proposal.body["investor_message"], actor=proposal.checker,
        text=proposal.reason,
    )  # fmt: skip


def _clear(case: KycCase, proposal: Proposal, now: datetime) -> None:
    """Another person is on the list: dismiss the hits, lift the freeze that they caused."""
    case.hits.filter(state=ScreeningHit.State.OPEN).update(state=ScreeningHit.State.DISMISSED)
    frozen = Restriction.objects.filter(
        investor_id=case.investor_id, reason_code=SANCTIONS_HIT, lifted_at__isnull=True
    )
    for restriction_id in list(frozen.values_list("id", flat=True)):
        lift(restriction_id=restriction_id, proposal=proposal, now=now)


def _require_possible(case: KycCase, decision: Decision) -> None:
    if decision not in list_possible(case):
        raise DecisionImpossible
    if decision == Decision.APPROVE:
        verdict = judge(case)
        if verdict.is_refused:
            raise UnservableInvestor(verdict.message)


def _body(case: KycCase, decision: Decision, investor_message: str) -> dict[str, Any]:
    return {
        "case_id": str(case.id), "decision": decision.value, "seen": _seen(case),
        "investor_message": investor_message,
    }  # fmt: skip


def _seen(case: KycCase) -> dict[str, Any]:
    hits = case.hits.filter(state=ScreeningHit.State.OPEN).order_by("id")
    return {
        "status": case.status, "provider_reviewed_ms": case.provider_reviewed_ms,
        "open_hits": list(hits.values_list("id", flat=True)),
    }  # fmt: skip


def _subject(case_id: UUID) -> str:
    return f"kyc_case:{case_id}"


def _get(case_id: UUID) -> KycCase:
    case = KycCase.objects.filter(id=case_id).first()
    if case is None:
        raise NotFound
    return case


def _names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    cases = KycCase.objects.select_related("investor").in_bulk(
        [UUID(each.subject.split(":")[1]) for each in proposals]
    )
    return {
        each.id: cases[case_id].investor.display_name
        for each in proposals
        if (case_id := UUID(each.subject.split(":")[1])) in cases
    }


approvals.register(
    approvals.Kind(name=KIND, permission=PERMISSION, effect=_take_effect, names=_names)
)
