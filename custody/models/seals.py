"""Seals: signed, linked Merkle roots over what was written since the last one.

See custody/sealing.py for how they are made and custody/verification for how
they are checked. A seal's number is what "as of" means: below it nothing changes.
"""

from django.db import models
from django.db.models import F, Q

from custody.models.fields import Xid8Field


class SealChain(models.TextChoices):
    """What a chain of seals covers."""

    LEDGER = "ledger"  # ledger accounts as opened, journal entries with their postings
    AUDIT = "audit"  # the rows of every history table


class Seal(models.Model):
    """Seal number n of a chain: all rows written by transactions in [xid_from, xid_to)."""

    chain = models.TextField(choices=SealChain.choices)
    n = models.BigIntegerField()
    previous_hash = models.BinaryField(max_length=32)  # SHA-256 of the previous seal's message
    merkle_root = models.BinaryField(max_length=32)  # RFC 6962
    leaf_count = models.BigIntegerField()
    xid_from = Xid8Field()
    xid_to = Xid8Field()
    # Of each history table sealed here: its columns then, as later ones change no old leaf.
    columns = models.JSONField(default=dict, blank=True)
    sealed_at = models.DateTimeField()
    key_id = models.TextField()  # the first 16 hex digits of SHA-256 of the public key
    signature = models.BinaryField(max_length=64)  # Ed25519 over the message

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "n"], name="seal_number_is_unique"),
            models.CheckConstraint(
                condition=Q(chain__in=SealChain.values), name="seal_chain_is_known"
            ),
            models.CheckConstraint(condition=Q(n__gte=1), name="seal_numbers_start_at_one"),
            models.CheckConstraint(condition=Q(leaf_count__gt=0), name="seal_covers_something"),
            models.CheckConstraint(
                condition=Q(xid_to__gt=F("xid_from")), name="seal_range_is_not_empty"
            ),
        ]
        # Which seal covers an entry.
        indexes = [models.Index(fields=["chain", "xid_to"], name="seal_by_xid_to")]

    def __str__(self) -> str:
        return f"{self.chain} seal {self.n}"
