"""DepositAddress and Deposit: stablecoins that arrive on the chain.

The one rule: an arrival is identified by (signature, instruction, inner
instruction) and credited once, when its block is final.
"""

import pghistory
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from custody.states import DepositState
from kernel.ids import uuid7


class DepositAddress(models.Model):
    """A wallet of ours that receives one asset for one investor.

    `investor` null is the house's hot wallet: what arrives there belongs to
    the treasury.
    """

    investor = models.ForeignKey(
        "accounts.Investor",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deposit_addresses",
    )
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    # The wallet that a sender names, and its token account of the asset.
    address = models.CharField(max_length=44)
    token_account = models.CharField(max_length=44, unique=True)
    # What the watcher had accounted for when it last looked (base units), and up to where.
    seen_units = models.BigIntegerField(default=0)
    seen_signature = models.CharField(max_length=88, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "deposit addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["investor", "asset"],
                nulls_distinct=False,
                name="one_deposit_address_an_investor_and_asset",
            ),
            models.CheckConstraint(
                condition=Q(seen_units__gte=0), name="deposit_address_units_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.address


@pghistory.track()
class Deposit(models.Model):
    """One transfer into a deposit address."""

    class State(models.TextChoices):
        SEEN = DepositState.SEEN
        CREDITED = DepositState.CREDITED
        VANISHED = DepositState.VANISHED
        QUARANTINED = DepositState.QUARANTINED
        RETURNED = DepositState.RETURNED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    address = models.ForeignKey(DepositAddress, on_delete=models.PROTECT, related_name="deposits")
    signature = models.CharField(max_length=88)
    instruction_index = models.SmallIntegerField()
    inner_index = models.SmallIntegerField(default=-1)  # -1: not an inner instruction
    units = models.BigIntegerField()
    sender = models.CharField(max_length=44, blank=True)
    slot = models.BigIntegerField()
    state = models.CharField(max_length=12, choices=State, default=State.SEEN)
    reason = models.CharField(max_length=80, blank=True)
    # Ours once credited: the journal entry and the move into trading.
    entry_id = models.BigIntegerField(null=True, blank=True)
    transfer = models.ForeignKey(
        "custody.PoolTransfer", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The final transaction that took a quarantined one back out of our wallet.
    return_signature = models.CharField(max_length=88, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    seen_at = models.DateTimeField()
    credited_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["signature", "instruction_index", "inner_index"],
                name="a_transfer_is_one_deposit",
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="deposit_units_positive"),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in DepositState]),
                name="deposit_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state="credited", entry_id__isnull=False, credited_at__isnull=False)
                | (~Q(state="credited") & Q(entry_id__isnull=True)),
                name="credited_deposits_are_booked",
            ),
            models.CheckConstraint(
                condition=(Q(state="returned", returned_at__isnull=False) & ~Q(return_signature=""))
                | (~Q(state="returned") & Q(return_signature="", returned_at__isnull=True)),
                name="returned_deposits_say_how",
            ),
            # One transaction cannot have returned two of them.
            models.UniqueConstraint(
                fields=["return_signature"],
                condition=~Q(return_signature=""),
                name="a_return_is_of_one_deposit",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seen_at"], condition=Q(state__in=["seen"]), name="deposits_to_credit"
            )
        ]

    def __str__(self) -> str:
        return f"{self.signature[:12]}…#{self.instruction_index}"
