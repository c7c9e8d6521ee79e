"""Redemption: tokens in, the cash of a sale at the next session out.

The one rule: the price is the fill of a sale that was sent after the units
were taken (forward price), never a quote. See docs/redemption.md.
"""

import pghistory
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from custody.states import RedemptionState
from kernel.ids import uuid7


@pghistory.track()
class Redemption(models.Model):
    """One investor's redemption; each stage carries its time."""

    class State(models.TextChoices):
        REQUESTED = RedemptionState.REQUESTED
        HELD = RedemptionState.HELD
        SUBMITTED = RedemptionState.SUBMITTED
        SOLD = RedemptionState.SOLD
        BURNED = RedemptionState.BURNED
        PAID = RedemptionState.PAID
        REFUSED = RedemptionState.REFUSED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    investor = models.ForeignKey(
        "accounts.Investor", on_delete=models.PROTECT, related_name="redemptions"
    )
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    share_asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    units = models.BigIntegerField(help_text="Tokens, 8 decimals.")
    # Fixed when the units are held: the multiplier of that moment, floored. Until then
    # that of the request.
    share_units = models.BigIntegerField(help_text="Shares to sell, 9 decimals.")
    idempotency_key = models.CharField(max_length=80)
    body_hash = models.BinaryField()
    state = models.CharField(max_length=12, choices=State, default=State.REQUESTED)
    reason = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    transfer_out = models.OneToOneField(
        "custody.PoolTransfer", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    order = models.OneToOneField(
        "custody.CustodianOrder",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="redemption",
    )
    chain_transaction = models.OneToOneField(
        "custody.ChainTransaction",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="redemption",
    )
    transfer_in = models.OneToOneField(
        "custody.PoolTransfer", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Tokens whose shares were sold: all of them, or pro rata when the sale ended in part.
    sold_units = models.BigIntegerField(null=True, blank=True, help_text="Tokens, 8 decimals.")
    fee_e6 = models.IntegerField(help_text="Parts per million of the cash, as agreed at request.")
    gross_units = models.BigIntegerField(null=True, blank=True, help_text="USDC, 6 decimals.")
    fee_units = models.BigIntegerField(null=True, blank=True, help_text="USDC, 6 decimals.")
    paid_units = models.BigIntegerField(null=True, blank=True, help_text="USDC, 6 decimals.")
    requested_at = models.DateTimeField()
    held_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    sold_at = models.DateTimeField(null=True, blank=True)
    burned_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["investor", "idempotency_key"], name="redemption_key_is_used_once"
            ),
            models.CheckConstraint(
                condition=Q(units__gt=0, share_units__gt=0), name="redemption_units_positive"
            ),
            models.CheckConstraint(
                condition=Q(fee_e6__gte=0, fee_e6__lt=1_000_000), name="redemption_fee_is_a_part"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in RedemptionState]),
                name="redemption_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid")
                | Q(
                    paid_at__isnull=False,
                    burned_at__isnull=False,
                    paid_units__gte=0,
                    fee_units__gte=0,
                    gross_units=F("paid_units") + F("fee_units"),
                ),
                name="paid_redemptions_add_up",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sold", "burned", "paid"])
                | Q(sold_units__gt=0, sold_units__lte=F("units")),
                name="sold_redemptions_say_how_much",
            ),
        ]
        indexes = [
            models.Index(
                fields=["requested_at"],
                condition=~Q(state__in=["paid", "refused"]),
                name="redemptions_open",
            ),
            models.Index(fields=["investor", "-requested_at"], name="redemptions_of_investor"),
        ]

    def __str__(self) -> str:
        return f"redemption {self.id}"
