"""What an investor may do now, as an append-only snapshot.

`refresh` runs in the transaction that changed a fact. The newest snapshot
counts; the engine takes it up through its inbox, an order keeps its id.

A blocked investor may still leave (sell, redeem) once ever approved; only a
freeze stops that too.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from accounts import queries
from accounts.models import Consent, EligibilitySnapshot, Investor, Restriction
from accounts.states import KycStatus
from reference.queries import is_country_offered


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a decision rests on; stored with it."""

    kyc_status: str
    was_approved: bool
    is_house: bool
    country: str  # of residence
    country_is_served: bool
    restrictions: list[str]  # open ones, as "kind:reason_code"


@transaction.atomic
def refresh(*, investor_id: int, now: datetime) -> EligibilitySnapshot:
    """Append a snapshot if what the investor may do, or why, has changed; return the newest.

    :raises Investor.DoesNotExist: a bug of the caller.
    """
    # One writer at a time per investor, so versions have no gaps and no twins.
    investor = Investor.objects.select_for_update(no_key=True).get(id=investor_id)
    facts = _gather(investor)
    may_buy, may_sell, reason = decide(facts)
    wanted = {
        "may_buy": may_buy, "may_sell": may_sell, "country": facts.country,
        "accepted": _accepted(investor_id), "reason_code": reason, "facts": asdict(facts),
    }  # fmt: skip
    newest = queries.get_eligibility(investor_id=investor_id)
    if newest and all(getattr(newest, name) == value for name, value in wanted.items()):
        return newest
    version = newest.version + 1 if newest else 1
    return EligibilitySnapshot.objects.create(
        investor=investor, version=version, created_at=now, **wanted
    )


def decide(facts: Facts) -> tuple[bool, bool, str]:
    """(may buy, may sell, why not buy) as a function of the facts alone."""
    kinds = [restriction.split(":")[0] for restriction in facts.restrictions]
    if Restriction.Kind.FREEZE in kinds:
        return False, False, "frozen"
    may_sell = facts.is_house or facts.was_approved
    if not (facts.is_house or facts.kyc_status == KycStatus.APPROVED):
        return False, may_sell, "kyc_not_approved"
    if not facts.country_is_served:
        return False, may_sell, "country_not_served"
    if Restriction.Kind.REDUCE_ONLY in kinds:
        return False, may_sell, "reduce_only"
    return True, True, ""


def list_outdated_countries() -> list[str]:
    """Countries whose rule is no longer the one in the newest snapshots of their investors."""
    newest = EligibilitySnapshot.objects.order_by("investor_id", "-version").distinct("investor_id")
    used = (
        EligibilitySnapshot.objects.filter(id__in=newest.values("id"))
        .exclude(facts__is_house=True)
        .values_list("country", "facts__country_is_served")
        .distinct()
    )
    return sorted({country for country, served in used if served != is_country_offered(country)})


def _gather(investor: Investor) -> Facts:
    open_restrictions = investor.restrictions.filter(lifted_at__isnull=True).order_by("id")
    return Facts(
        kyc_status=investor.kyc_status,
        was_approved=investor.first_approved_at is not None,
        is_house=investor.is_house,
        country=investor.residence_country,
        country_is_served=investor.is_house or is_country_offered(investor.residence_country),
        restrictions=[f"{row.kind}:{row.reason_code}" for row in open_restrictions],
    )


def _accepted(investor_id: int) -> dict[str, int]:
    rows = Consent.objects.filter(investor_id=investor_id).values_list(
        "disclosure__subject", "disclosure__version"
    )
    accepted: dict[str, int] = {}
    for subject, version in rows:
        accepted[subject] = max(version, accepted.get(subject, 0))
    return accepted
