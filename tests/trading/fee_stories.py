"""Officers who set fees and stop trading, and schedules as two of them confirm them."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Permission

from accounts import approvals
from accounts.models import Partner, Proposal, User
from kernel import clock
from trading import fees
from trading.engine.rates import Tier
from trading.models import FeeSchedule

MILLION_USD = 10**12


def officer(name: str, *codenames: str) -> User:
    made = User.objects.create_user(f"{name}@bourse.example", "x", is_staff=True)
    wanted = codenames or ("propose_fees", "set_kill_switch", "view_killswitch", "view_proposal")
    made.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    return User.objects.get(pk=made.pk)


def two_officers() -> tuple[User, User]:
    found = [User.objects.filter(email=f"{name}@bourse.example").first() for name in ("mia", "ned")]
    mia, ned = (each or officer(name) for each, name in zip(found, ("mia", "ned"), strict=True))
    return mia, ned


def confirm(proposal: Proposal, checker: User) -> Proposal:
    return approvals.confirm(
        proposal_id=proposal.id, checker=checker, body_hash=proposal.body_hash, now=clock.now()
    )


def schedule(*tiers: tuple[int, int, int], **draft: Any) -> FeeSchedule:
    """Proposed by one and confirmed by the other."""
    mia, ned = two_officers()
    made = fees.Draft(**{"name": "Standard", "tiers": [Tier(*each) for each in tiers], **draft})
    proposal = fees.propose_schedule(draft=made, maker=mia, reason="Agreed", now=clock.now())
    confirm(proposal, ned)
    return FeeSchedule.objects.get(proposal=proposal)


def partner(code: str, now: datetime | None = None) -> Partner:
    return Partner.objects.create(code=code, name=code.title(), created_at=now or clock.now())
