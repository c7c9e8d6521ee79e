"""What has to be told to an investor once the fact is committed.

Written in the transaction that changed the fact, sent by a task; so nobody is
told of something that did not happen, and nothing that happened stays untold.
"""

from django.db import models
from django.db.models import Q

from accounts.models.investors import Investor


class Outbox(models.Model):
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="notices")
    topic = models.CharField(max_length=40)  # "kyc_decided"
    subject = models.CharField(max_length=200)
    body = models.TextField()
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [
            models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="outbox_to_send")
        ]

    def __str__(self) -> str:
        return self.topic
