"""Stopping an investor, at once and alone; letting one go again, with four eyes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import approvals, eligibility
from accounts.models import Investor, Proposal, Restriction, User
from kernel.refusals import Forbidden, NotFound, Refusal

LIFT = "lift_restriction"
PERMISSION = "accounts.restrict_investor"


class AlreadyLifted(Refusal):
    """This restriction has been lifted."""

    code = "already_lifted"
    http_status = 409


@transaction.atomic
def impose(
    *, investor_id: int, kind: str, reason_code: str, note: str, officer: User | None, now: datetime
) -> Restriction:
    """Restrict an investor; the same open restriction twice is one.

    :param officer: None when a rule does it.
    :raises Forbidden, NotFound: the officer lacks the permission; no such investor.
    :raises approvals.ReasonMissing: no reason code.
    """
    if officer is not None and not (officer.is_staff and officer.has_perm(PERMISSION)):
        raise Forbidden
    if not reason_code.strip():
        raise approvals.ReasonMissing
    if not Investor.objects.filter(id=investor_id).exists():
        raise NotFound
    restriction, _ = Restriction.objects.get_or_create(
        investor_id=investor_id, kind=Restriction.Kind(kind), reason_code=reason_code,
        lifted_at=None, defaults={"note": note, "imposed_by": officer, "imposed_at": now},
    )  # fmt: skip
    eligibility.refresh(investor_id=investor_id, now=now)
    return restriction


def propose_lift(*, restriction_id: int, reason: str, officer: User, now: datetime) -> Proposal:
    """Propose to lift a restriction; another officer confirms.

    :raises NotFound, AlreadyLifted: as they say; and as approvals.propose.
    """
    restriction = Restriction.objects.filter(id=restriction_id).first()
    if restriction is None:
        raise NotFound
    if restriction.lifted_at is not None:
        raise AlreadyLifted
    body = {
        "restriction_id": restriction_id, "investor_id": restriction.investor_id,
        "kind": restriction.kind, "reason_code": restriction.reason_code,
    }  # fmt: skip
    subject = f"restriction:{restriction_id}"
    return approvals.propose(
        kind=LIFT, subject=subject, body=body, reason=reason, maker=officer, now=now
    )


def lift(*, restriction_id: int, proposal: Proposal, now: datetime) -> None:
    """Inside the transaction that confirms `proposal`.

    :raises AlreadyLifted: nothing to lift.
    """
    lifted = Restriction.objects.filter(id=restriction_id, lifted_at__isnull=True)
    investor_ids = list(lifted.values_list("investor_id", flat=True))
    if lifted.update(lifted_at=now, lift_proposal=proposal) == 0:
        raise AlreadyLifted
    eligibility.refresh(investor_id=investor_ids[0], now=now)


def _take_effect(proposal: Proposal, now: datetime) -> None:
    lift(restriction_id=proposal.body["restriction_id"], proposal=proposal, now=now)


def _names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    investors = Investor.objects.in_bulk([each.body["investor_id"] for each in proposals])
    return {each.id: investors[each.body["investor_id"]].display_name for each in proposals}


approvals.register(
    approvals.Kind(name=LIFT, permission=PERMISSION, effect=_take_effect, names=_names)
)
