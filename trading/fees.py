"""Fee schedules: one officer proposes, another confirms, and engines learn of it.

A schedule is never changed: a later one of the same listing and partner takes its
place, and one without tiers ends it. Which one counts for whom is decided by
trading/engine/rates.py, here and in the engine alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import approvals
from accounts.models import Partner, Proposal, User
from kernel.money import format_units, parse_units
from kernel.refusals import Refusal
from trading.engine.rates import Tier
from trading.models import FeeSchedule, FeeTier, Listing
from trading.models.fees import RATE_MAX_E6

KIND = "fee_schedule"
PERMISSION = "trading.propose_fees"
TIERS_MAX = 20
CASH_DECIMALS, PERCENT_DECIMALS = 6, 4


class FeeTiersMalformed(Refusal):
    """Tiers begin at a volume of 0 and rise; their rates are between 0 and 10 percent."""

    code = "fee_tiers_malformed"


class FeeScheduleTooLate(Refusal):
    """The moment from which this was to be valid has passed. Propose it anew."""

    code = "fee_schedule_too_late"
    http_status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A schedule to be. Without tiers it ends the one that is valid for the same whom."""

    name: str
    listing: Listing | None = None
    partner: Partner | None = None
    valid_from: datetime | None = None  # None: from the confirmation on
    tiers: Sequence[Tier] = ()

    def body(self) -> dict[str, Any]:
        """What two officers see and confirm, in dollars and percent."""
        return {
            "name": self.name.strip(),
            "listing": self.listing.symbol if self.listing else None,
            "partner": self.partner.code if self.partner else None,
            "valid_from": self.valid_from.isoformat() if self.valid_from else "the confirmation",
            "tiers": [
                {
                    "from_usd": format_units(tier.volume_from, CASH_DECIMALS),
                    "maker_percent": format_units(tier.maker_e6, PERCENT_DECIMALS),
                    "taker_percent": format_units(tier.taker_e6, PERCENT_DECIMALS),
                }
                for tier in self.tiers
            ],
        }


def propose_schedule(*, draft: Draft, maker: User, reason: str, now: datetime) -> Proposal:
    """Ask a second officer to let a schedule begin.

    :raises FeeTiersMalformed, FeeScheduleTooLate: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as there.
    """
    if not draft.name.strip():
        raise FeeTiersMalformed("A schedule has a name.")
    check_tiers(draft.tiers)
    if draft.valid_from is not None and draft.valid_from <= now:
        raise FeeScheduleTooLate
    body = draft.body()
    subject = f"fees:{body['partner'] or 'everybody'}:{body['listing'] or 'all'}"
    return approvals.propose(
        kind=KIND, subject=subject, body=body, reason=reason, maker=maker, now=now
    )


def check_tiers(tiers: Sequence[Tier]) -> None:
    """:raises FeeTiersMalformed: as it says; no tiers at all are in order."""
    if len(tiers) > TIERS_MAX:
        raise FeeTiersMalformed(f"At most {TIERS_MAX} tiers.")
    if tiers and tiers[0].volume_from != 0:
        raise FeeTiersMalformed
    if any(lower.volume_from >= upper.volume_from for lower, upper in pairwise(tiers)):
        raise FeeTiersMalformed
    rates = [rate for tier in tiers for rate in (tier.maker_e6, tier.taker_e6)]
    if not all(0 <= rate <= RATE_MAX_E6 for rate in rates):
        raise FeeTiersMalformed


def tiers_of(body: dict[str, Any]) -> list[Tier]:
    """The tiers that a proposal's body tells."""
    return [
        Tier(
            parse_units(each["from_usd"], CASH_DECIMALS),
            parse_units(each["maker_percent"], PERCENT_DECIMALS),
            parse_units(each["taker_percent"], PERCENT_DECIMALS),
        )
        for each in body["tiers"]
    ]


@transaction.atomic
def _take_effect(proposal: Proposal, now: datetime) -> FeeSchedule:
    """:raises FeeScheduleTooLate: confirmed after it was to begin."""
    body = proposal.body
    named = body["valid_from"]
    valid_from = now if named == "the confirmation" else datetime.fromisoformat(named)
    if valid_from < now:
        raise FeeScheduleTooLate
    schedule = FeeSchedule.objects.create(
        name=body["name"],
        listing=Listing.objects.get(symbol=body["listing"]) if body["listing"] else None,
        partner=Partner.objects.get(code=body["partner"]) if body["partner"] else None,
        valid_from=valid_from,
        proposal=proposal,
        created_at=now,
    )
    FeeTier.objects.bulk_create(
        FeeTier(
            schedule=schedule,
            volume_from_units=tier.volume_from,
            maker_e6=tier.maker_e6,
            taker_e6=tier.taker_e6,
        )
        for tier in tiers_of(body)
    )
    return schedule


def _names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    return {each.id: str(each.body["name"]) for each in proposals}


approvals.register(
    approvals.Kind(name=KIND, permission=PERMISSION, effect=_take_effect, names=_names)
)
