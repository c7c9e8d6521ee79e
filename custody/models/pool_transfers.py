"""Moving units between an investor's `main` balance and the one she trades with.

Two writers, one row between them: custody writes `main`, the pool's engine
writes `trading`, and units on the way lie in the pool's `transit` account.
See custody/pool_transfers.py.
"""

from django.db import models
from django.db.models import Q

from accounts.models import Investor
from custody.models.ledger import Asset
from kernel.ids import uuid7


class Direction(models.TextChoices):
    IN = "in"  # main -> transit (custody), transit -> trading (engine)
    OUT = "out"  # trading -> transit (engine), transit -> main (custody)


class PoolTransferState(models.TextChoices):
    REQUESTED = "requested"  # waits for the engine
    DONE = "done"  # the engine posted its side
    REFUSED = "refused"  # the engine said no; its side was not posted


class PoolTransfer(models.Model):
    """A request to the engine of one pool. The engine alone answers it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="pool_transfers")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    pool = models.SmallIntegerField()
    direction = models.TextField(choices=Direction.choices)
    units = models.BigIntegerField()
    purpose = models.TextField()  # why: "deposit", "withdrawal", "redemption"
    # The sender's, so that a repeated request is one request.
    key = models.CharField(max_length=200, unique=True)
    reference = models.TextField(default="", blank=True)
    state = models.TextField(choices=PoolTransferState.choices, default=PoolTransferState.REQUESTED)
    reason = models.TextField(default="", blank=True)  # of a refusal
    requested_at = models.DateTimeField()
    done_batch = models.BigIntegerField(null=True, blank=True)
    # When custody took what the engine left for it in `transit` (out done, in refused).
    swept_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(direction__in=Direction.values), name="pool_transfer_direction_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=PoolTransferState.values),
                name="pool_transfer_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(units__gt=0, pool__gt=0), name="pool_transfer_moves_something"
            ),
            models.CheckConstraint(
                condition=Q(state=PoolTransferState.REQUESTED, done_batch__isnull=True)
                | (~Q(state=PoolTransferState.REQUESTED) & Q(done_batch__isnull=False)),
                name="pool_transfer_names_its_batch",
            ),
        ]
        indexes = [
            # The sweep: what the engine has answered and custody has not yet taken.
            models.Index(
                fields=["requested_at"],
                condition=Q(swept_at__isnull=True) & ~Q(state="requested"),
                name="pool_transfer_to_sweep",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.units} {self.state}"
