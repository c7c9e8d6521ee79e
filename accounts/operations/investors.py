"""Becoming an investor."""

from datetime import datetime

from django.db import transaction

from accounts import eligibility
from accounts.cases import note
from accounts.models import Investor, KycCase, User
from accounts.states import KycStatus
from kernel.refusals import Forbidden


@transaction.atomic
def open_case(*, user: User, now: datetime) -> KycCase:
    """The user's KYC case; made on the first call, together with the investor.

    :raises Forbidden: staff are not clients of their own house.
    """
    if user.is_staff:
        raise Forbidden("Staff cannot become investors with their staff login.")
    # Two first clicks at once: the second waits here and finds what the first made.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    investor, _ = Investor.objects.get_or_create(
        user=user, defaults={"display_name": user.email, "created_at": now}
    )
    case, is_new = KycCase.objects.get_or_create(investor=investor, defaults={"opened_at": now})
    if is_new:
        Investor.objects.filter(pk=investor.pk).update(kyc_status=KycStatus.DRAFT)
        note(case, kind="opened", actor=user, now=now)
        eligibility.refresh(investor_id=investor.pk, now=now)
    return case


@transaction.atomic
def create_house_investor(
    *, display_name: str, now: datetime, user: User | None = None
) -> Investor:
    """A firm of our own, such as the market maker: neither KYC nor country rules bind it."""
    investor = Investor.objects.create(
        user=user, kind=Investor.Kind.FIRM, display_name=display_name, is_house=True,
        created_at=now,
    )  # fmt: skip
    eligibility.refresh(investor_id=investor.pk, now=now)
    return investor
