"""A proposal: what one officer wants and another has to confirm.

The body never changes after it was proposed (a trigger), maker and checker
differ (a constraint), and who approves names the hash of what was read.
"""

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kernel.ids import uuid7

DECIDED = ["approved", "rejected", "executed"]


@pghistory.track()
class Proposal(models.Model):
    class State(models.TextChoices):
        PROPOSED = "proposed"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXECUTED = "executed"
        EXPIRED = "expired"  # nobody decided in time

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=100)  # "kyc_case:0190…", "mint:42"
    body = models.JSONField()
    body_hash = models.CharField(max_length=64)  # SHA-256 of the canonical JSON
    reason = models.TextField()
    maker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="proposals_made"
    )
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="proposals_checked",
    )
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    decision_reason = models.TextField(blank=True)
    proposed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    executed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("check_proposal", "May confirm proposals of other officers")]
        constraints = [
            models.CheckConstraint(
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")),
                name="proposal_has_four_eyes",
            ),
            models.CheckConstraint(
                condition=Q(state="proposed", checker__isnull=True, decided_at__isnull=True)
                | Q(state="expired", checker__isnull=True, decided_at__isnull=False)
                | Q(state__in=DECIDED, checker__isnull=False, decided_at__isnull=False),
                name="proposal_decided_by_a_checker",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="proposal_says_why"),
            # Two open proposals about one thing would let the second act on a stale picture.
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(state__in=["proposed", "approved"]),
                name="one_open_proposal_per_subject",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="body_is_immutable",
                fields=[
                    "id",
                    "kind",
                    "subject",
                    "body",
                    "body_hash",
                    "reason",
                    "maker",
                    "proposed_at",
                ],
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.FSM(
                name="state_goes_forward",
                field="state",
                transitions=[
                    ("proposed", "approved"),
                    ("proposed", "rejected"),
                    ("proposed", "expired"),
                    ("approved", "executed"),
                ],
            ),
            # Once somebody decided, that person stays the one who did.
            pgtrigger.Protect(
                name="checker_is_final",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.checker_id IS NOT NULL AND OLD.checker_id IS DISTINCT FROM NEW.checker_id"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
