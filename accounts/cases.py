"""Moving a KYC case: its status, its investor's, the timeline, what one may do, the notice.

All five in one transaction, by compare-and-swap on the old status, so that two
who act at once cannot both move it.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import eligibility
from accounts.models import CaseEvent, Investor, KycCase, Outbox, User
from accounts.states import KycStatus, advance
from kernel.refusals import Refusal

# The investor hears of these; the rest are steps of ours.
NOTICES = {
    KycStatus.APPROVED: "Your identity is verified",
    KycStatus.NEEDS_RESUBMISSION: "We need something from you",
    KycStatus.REJECTED: "We cannot open an account for you",
    KycStatus.SUSPENDED: "Your account is suspended",
}
DECIDED = {KycStatus.APPROVED, KycStatus.REJECTED, KycStatus.SUSPENDED}


class CaseMoved(Refusal):
    """The case has moved on meanwhile. Look at it again."""

    code = "case_moved"
    http_status = 409


@transaction.atomic
def move(
    case: KycCase,
    target: KycStatus,
    *,
    now: datetime,
    reason_code: str = "",
    investor_message: str = "",
    actor: User | None = None,
    text: str = "",
    **fields: Any,
) -> KycCase:
    """Take the case from the status it was read in to `target`.

    :param investor_message: what the investor is told, on the page and by mail.
    :param text: for the timeline, staff only.
    :param fields: other columns that change with it.
    :raises CaseMoved: somebody moved it since it was read.
    :raises ValueError: the table of states has no such move.
    """
    before = case.status
    changes = {
        "status": advance(status=before, target=target), "reason_code": reason_code,
        "investor_message": investor_message, **fields,
    }  # fmt: skip
    if target in DECIDED:
        changes["decided_at"] = now
    if KycCase.objects.filter(id=case.id, status=before).update(**changes) == 0:
        raise CaseMoved
    details = {"from": before, "to": target.value, "reason_code": reason_code}
    note(case, kind="status", text=text, actor=actor, now=now, details=details)
    _tell_investor(case.investor_id, target, investor_message, now)
    case.refresh_from_db()
    return case


def note(
    case: KycCase,
    *,
    kind: str,
    now: datetime,
    text: str = "",
    actor: User | None = None,
    details: dict[str, Any] | None = None,
) -> CaseEvent:
    """One more line of the timeline."""
    return CaseEvent.objects.create(
        case=case, kind=kind, text=text, actor=actor, details=details or {}, created_at=now
    )


def _tell_investor(investor_id: int, status: KycStatus, message: str, now: datetime) -> None:
    Investor.objects.filter(id=investor_id).update(kyc_status=status)
    if status == KycStatus.APPROVED:
        Investor.objects.filter(id=investor_id, first_approved_at__isnull=True).update(
            first_approved_at=now
        )
    eligibility.refresh(investor_id=investor_id, now=now)
    subject = NOTICES.get(status)
    if subject:
        Outbox.objects.create(
            investor_id=investor_id, topic=f"kyc_{status}", subject=subject,
            body=message or subject, created_at=now,
        )  # fmt: skip
