"""BlockOrder and SettlementLeg: what moves at the custodian and on the chain, netted.

The one rule: a row is written before anything is sent, and its id is the name
under which the other side takes it once. Requests stay rows of their own
(CustodianOrder); a block's fill is divided among them. See docs/custody.md.
"""

import pghistory
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from custody.states import BlockOrderState, SettlementLegState
from kernel.ids import uuid7


@pghistory.track()
class BlockOrder(models.Model):
    """One market order at the custodian; its id is the client_order_id."""

    class Side(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    class State(models.TextChoices):
        NEW = BlockOrderState.NEW
        SUBMITTED = BlockOrderState.SUBMITTED
        FILLED = BlockOrderState.FILLED
        ALLOCATED = BlockOrderState.ALLOCATED
        SETTLED = BlockOrderState.SETTLED
        REJECTED = BlockOrderState.REJECTED
        STUCK = BlockOrderState.STUCK

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4, choices=Side)
    units = models.BigIntegerField(help_text="Shares of all its orders, 9 decimals.")
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    custodian_order_id = models.CharField(max_length=64, blank=True)
    # Fewer than `units` when the order ended before it was whole.
    filled_units = models.BigIntegerField(null=True, blank=True, help_text="Shares traded.")
    cash_micros = models.BigIntegerField(null=True, blank=True, help_text="USD paid or received.")
    price_micros = models.BigIntegerField(null=True, blank=True, help_text="USD per share.")
    # Payable or receivable until it settles. 0: the dollars were booked before.
    owed_micros = models.BigIntegerField(default=0, help_text="USD still to be settled.")
    settlement_date = models.DateField(null=True, blank=True)
    settles_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    formed_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    filled_at = models.DateTimeField(null=True, blank=True)
    allocated_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="block_order_units_positive"),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in BlockOrderState]),
                name="block_order_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["filled", "allocated", "settled"])
                | Q(
                    # Of what is unknown a CHECK is content.
                    filled_units__isnull=False,
                    cash_micros__isnull=False,
                    price_micros__isnull=False,
                    filled_units__gt=0,
                    filled_units__lte=F("units"),
                    cash_micros__gte=0,
                    price_micros__gt=0,
                    owed_micros__gte=0,
                    owed_micros__lte=F("cash_micros"),
                    settles_at__isnull=False,
                    filled_at__isnull=False,
                ),
                name="filled_block_orders_are_priced",
            ),
        ]
        indexes = [
            models.Index(
                fields=["formed_at"],
                condition=Q(state__in=["new", "submitted", "filled", "allocated"]),
                name="block_orders_open",
            ),
            models.Index(fields=["filled_at"], name="block_orders_by_fill"),
            models.Index(fields=["settled_at"], name="block_orders_by_settlement"),
        ]

    def __str__(self) -> str:
        return f"block {self.side} {self.asset_id} {self.id}"


@pghistory.track()
class SettlementLeg(models.Model):
    """Tokens of one asset on their way between the issuance and the hot wallet."""

    class Direction(models.TextChoices):
        OUT = "out", "Issuance to hot"
        BACK = "back", "Hot to issuance"

    class State(models.TextChoices):
        PLANNED = SettlementLegState.PLANNED
        SIGNED = SettlementLegState.SIGNED
        FINAL = SettlementLegState.FINAL
        STUCK = SettlementLegState.STUCK
        FAILED = SettlementLegState.FAILED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    direction = models.CharField(max_length=4, choices=Direction)
    units = models.BigIntegerField(help_text="Tokens, 8 decimals.")
    state = models.CharField(max_length=12, choices=State, default=State.PLANNED)
    chain_transaction = models.ForeignKey(
        "custody.ChainTransaction",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="settlement_legs",
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="That came to nothing.")
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is stuck.")
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    planned_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True, blank=True)
    final_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="settlement_leg_units_positive"),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in SettlementLegState]),
                name="settlement_leg_state_is_known",
            ),
            # Two at once would move the same units twice. A stuck one blocks too, until
            # staff have let go of it.
            models.UniqueConstraint(
                fields=["asset"],
                condition=~Q(state__in=["final", "failed"]),
                name="one_open_settlement_leg_an_asset",
            ),
        ]
        indexes = [
            models.Index(
                fields=["planned_at"],
                condition=Q(state__in=["planned", "signed"]),
                name="settlement_legs_open",
            ),
            models.Index(fields=["asset", "-planned_at"], name="settlement_legs_of_asset"),
        ]

    def __str__(self) -> str:
        return f"leg {self.direction} {self.asset_id} {self.id}"
