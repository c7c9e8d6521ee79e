"""ChainTransaction: what we signed, before anything was sent.

The one rule: a transaction is signed once, its bytes are stored and committed,
and only those bytes are ever sent, so a crash or a time-out can at worst send
the same transaction again, which the chain refuses. A replacement is signed
only once the first can never land (its blockhash expired at finality).
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from custody.states import ChainTransactionState
from kernel.ids import uuid7


class ChainTransaction(models.Model):
    """One signed Solana transaction and what became of it."""

    class Kind(models.TextChoices):
        CREATE_MINT = "create_mint"  # a Token-2022 mint, and our account of it
        MINT = "mint"
        BURN = "burn"
        MOVE = "move"  # between the issuance and the hot wallet

    class State(models.TextChoices):
        SIGNED = ChainTransactionState.SIGNED
        SENT = ChainTransactionState.SENT
        CONFIRMED = ChainTransactionState.CONFIRMED
        FINAL = ChainTransactionState.FINAL
        FAILED = ChainTransactionState.FAILED
        EXPIRED = ChainTransactionState.EXPIRED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    # The purpose, such as "mint:<id>": at most one of it may be alive or final.
    key = models.CharField(max_length=80)
    attempt = models.PositiveSmallIntegerField(default=1)
    signature = models.CharField(max_length=88, unique=True)
    signed_bytes = models.BinaryField()
    last_valid_block_height = models.BigIntegerField()
    state = models.CharField(max_length=12, choices=State, default=State.SIGNED)
    error = models.TextField(blank=True)
    slot = models.BigIntegerField(null=True, blank=True)
    signed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    final_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "attempt"], name="chain_attempts_are_counted"),
            models.UniqueConstraint(
                fields=["key"],
                condition=~Q(state__in=["failed", "expired"]),
                name="one_live_chain_transaction_a_key",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in ChainTransactionState]),
                name="chain_transaction_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="final") | Q(slot__isnull=False, final_at__isnull=False),
                name="final_chain_transactions_have_a_slot",
            ),
        ]
        indexes = [
            # The sweep: what is still on its way.
            models.Index(
                fields=["signed_at"],
                condition=Q(state__in=["signed", "sent", "confirmed"]),
                name="chain_transactions_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.signature[:12]}…"
