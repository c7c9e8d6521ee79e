"""What trading costs whom: schedules with tiers, and how much each investor traded.

Of the schedules that are valid at a moment the most specific one counts: of the
investor's partner and the listing, of the partner, of the listing, of everybody.
Where none is, the listing's own rates are the fee. A schedule without tiers ends
the one before it. Rows are written once (docs/fees.md).
"""

import pghistory
from django.db import models
from django.db.models import F, Q

from trading.models.listings import Listing

RATE_MAX_E6 = 100_000  # ten percent


@pghistory.track(pghistory.InsertEvent())
class FeeSchedule(models.Model):
    """Rates by volume for a listing (null: every one) and a partner (null: everybody)."""

    name = models.CharField(max_length=100)
    listing = models.ForeignKey(Listing, null=True, blank=True, on_delete=models.PROTECT)
    partner = models.ForeignKey(
        "accounts.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    valid_from = models.DateTimeField()
    proposal = models.OneToOneField(
        "accounts.Proposal", on_delete=models.PROTECT, related_name="fee_schedule"
    )
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("propose_fees", "May propose and confirm fee schedules")]
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "partner", "valid_from"],
                nulls_distinct=False,
                name="fee_schedule_once_per_moment",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="fee_schedule_has_a_name"),
            # Nobody's orders were judged by it before it was known.
            models.CheckConstraint(
                condition=Q(valid_from__gte=F("created_at")), name="fee_schedule_never_looks_back"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FeeTier(models.Model):
    """The rates from a 30-day volume on, in millionths of the cash that moves."""

    schedule = models.ForeignKey(FeeSchedule, on_delete=models.PROTECT, related_name="tiers")
    volume_from_units = models.BigIntegerField()  # in millionths of a dollar
    maker_e6 = models.IntegerField()
    taker_e6 = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "volume_from_units"], name="fee_tier_once_per_volume"
            ),
            models.CheckConstraint(
                condition=Q(volume_from_units__gte=0), name="fee_tier_volume_is_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(
                    maker_e6__gte=0,
                    maker_e6__lte=RATE_MAX_E6,
                    taker_e6__gte=0,
                    taker_e6__lte=RATE_MAX_E6,
                ),
                name="fee_tier_rates_are_at_most_ten_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} from {self.volume_from_units}"


class VolumeDay(models.Model):
    """A UTC day whose trades are counted; the engine learns of it with this row."""

    day = models.DateField(primary_key=True)
    closed_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.day)


class InvestorVolume(models.Model):
    """What an investor traded on a UTC day and in the 30 days that end with it.

    In millionths of a dollar; a bought and a sold dollar count alike. An investor
    without a row for the last counted day has traded nothing in its 30 days.
    """

    investor_id = models.BigIntegerField()
    day = models.DateField()
    day_units = models.BigIntegerField()
    month_units = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "investor_id"], name="volume_once_per_day"),
            models.CheckConstraint(
                condition=Q(day_units__gte=0, month_units__gte=F("day_units"), month_units__gt=0),
                name="volume_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"investor {self.investor_id} on {self.day}"
