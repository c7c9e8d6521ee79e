"""An investor, what stops one, and the proof of what one was allowed when.

The latest eligibility snapshot of an investor counts; older ones stay, because
orders point at the snapshot under which they were accepted.
"""

import uuid

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.states import KycStatus


def choices(values: type[KycStatus]) -> list[tuple[str, str]]:
    return [(value.value, value.value.replace("_", " ")) for value in values]


@pghistory.track()
class Investor(models.Model):
    class Kind(models.TextChoices):
        PERSON = "person"
        FIRM = "firm"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    display_name = models.CharField(max_length=150)
    # Orders of one group never trade with each other.
    owner_group = models.UUIDField(default=uuid.uuid4)
    kyc_status = models.CharField(max_length=20, choices=choices(KycStatus), default=KycStatus.NONE)
    # Once approved, an investor may always leave: sell and redeem, unless frozen.
    first_approved_at = models.DateTimeField(null=True, blank=True)
    residence_country = models.CharField(max_length=2, blank=True)  # ISO 3166 alpha-2
    is_house = models.BooleanField(default=False)  # our own: the market maker
    # Who brought them; staff alone see it. Fees and kill switches may go by it.
    partner = models.ForeignKey(
        "accounts.Partner",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="investors",
    )
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("restrict_investor", "May freeze investors and propose to lift that")]

    def __str__(self) -> str:
        return self.display_name


@pghistory.track()
class Restriction(models.Model):
    class Kind(models.TextChoices):
        FREEZE = "freeze"  # nothing in, nothing out: a sanctions hit
        REDUCE_ONLY = "reduce_only"  # sell and redeem, never buy

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="restrictions")
    kind = models.CharField(max_length=12, choices=Kind)
    reason_code = models.CharField(max_length=40)
    note = models.TextField(blank=True)
    imposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )  # null: by a rule
    imposed_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_proposal = models.ForeignKey(
        "accounts.Proposal", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["investor", "kind", "reason_code"],
                condition=Q(lifted_at__isnull=True),
                name="one_open_restriction_per_reason",
            ),
            # Four eyes: nothing is lifted without a proposal that two officers saw.
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True) | Q(lift_proposal__isnull=False),
                name="restriction_lifted_by_proposal",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True) | Q(lifted_at__gte=F("imposed_at")),
                name="restriction_lifted_after_imposed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason_code})"


class EligibilitySnapshot(models.Model):
    """Append-only: the application's role may insert and read, nothing more."""

    investor = models.ForeignKey(
        Investor, on_delete=models.PROTECT, related_name="eligibility_snapshots"
    )
    version = models.PositiveIntegerField()
    may_buy = models.BooleanField()
    may_sell = models.BooleanField()
    country = models.CharField(max_length=2, blank=True)
    # {"AAPLx": 3}: the newest version of each disclosure that the investor accepted.
    accepted = models.JSONField(default=dict)
    reason_code = models.CharField(max_length=40, blank=True)  # why not buy; "" when one may
    facts = models.JSONField(default=dict)  # what was known, for the later proof
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["investor", "version"], name="eligibility_version_per_investor"
            ),
            models.CheckConstraint(
                condition=Q(may_buy=False) | Q(may_sell=True), name="who_may_buy_may_sell"
            ),
            models.CheckConstraint(
                condition=Q(may_buy=True, reason_code="") | ~Q(reason_code="") & Q(may_buy=False),
                name="eligibility_says_why_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.investor_id} v{self.version}"
