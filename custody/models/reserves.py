"""ReserveAttestation: shares at the custodian against tokens, at a moment.

Append-only. A number that could not be read is null, never 0.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.ids import uuid7


class ReserveAttestation(models.Model):
    """What the custodian, the chain and the ledger said of one token, as of `as_of`."""

    class Verdict(models.TextChoices):
        COVERED = "covered"
        BROKEN = "broken"
        UNAVAILABLE = "unavailable"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey(
        "custody.Asset", on_delete=models.PROTECT, related_name="attestations"
    )
    as_of = models.DateTimeField()
    # The newest ledger seal when it was counted: null before the first.
    ledger_seal = models.ForeignKey(
        "custody.Seal",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="attestations",
    )
    # Shares, 9 decimals, as the custodian reports them.
    custodian_settled_units = models.BigIntegerField(null=True, blank=True)
    custodian_unsettled_units = models.BigIntegerField(null=True, blank=True)
    # Tokens, 8 decimals: the mint's supply on the chain at a final slot.
    chain_supply_units = models.BigIntegerField(null=True, blank=True)
    chain_slot = models.BigIntegerField(null=True, blank=True)
    # Tokens, 8 decimals, from the ledger.
    investor_units = models.BigIntegerField()
    inventory_units = models.BigIntegerField()
    # Tokens whose shares are sold already and whose burn is not final yet.
    burning_units = models.BigIntegerField(default=0)
    multiplier_e18 = models.DecimalField(max_digits=38, decimal_places=0)
    # Shares, 9 decimals, that the supply stands for, rounded up.
    required_share_units = models.BigIntegerField(null=True, blank=True)
    verdict = models.CharField(max_length=12, choices=Verdict)
    findings = models.JSONField(default=list, help_text="Sentences, one a break.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(verdict="covered")
                | Q(custodian_settled_units__isnull=False, chain_supply_units__isnull=False),
                name="covered_needs_both_counts",
            ),
        ]
        indexes = [models.Index(fields=["asset", "-as_of"], name="attestations_latest")]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.as_of:%Y-%m-%d %H:%M}"
