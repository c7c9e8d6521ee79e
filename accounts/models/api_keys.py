"""A key with which an investor's program signs its requests."""

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models.investors import Investor

SCOPES = ["read", "trade", "fund"]


@pghistory.track(exclude=["secret_sealed", "nonce_high"])
class ApiKey(models.Model):
    class Kind(models.TextChoices):
        NATIVE = "native"
        KRAKEN = "kraken"

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="api_keys")
    key_id = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    label = models.CharField(max_length=80, blank=True)
    secret_sealed = models.BinaryField(editable=False)
    scopes = ArrayField(models.CharField(max_length=10))
    # The highest nonce used, an unsigned 64-bit number; -1 before the first.
    nonce_high = models.DecimalField(max_digits=20, decimal_places=0, default=-1)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(nonce_high__gte=-1, nonce_high__lt=2**64), name="api_key_nonce_is_u64"
            ),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES) & ~Q(scopes=[]),
                name="api_key_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(is_active=True, revoked_at__isnull=True)
                | Q(is_active=False, revoked_at__isnull=False),
                name="api_key_revoked_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.key_id
