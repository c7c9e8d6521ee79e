"""CustodianOrder and MintRequest: shares asked for, then tokens minted.

The one rule: no token without a settled share. It stands three times: the hold
on `shares_free` in the operation, the trigger on `custody_mintrequest`, and the
trigger that compares the chain contra with `shares_backing` at commit.
"""

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from custody.states import CustodianOrderState, MintState
from kernel.ids import uuid7


@pghistory.track()
class CustodianOrder(models.Model):
    """Shares that one request needs bought or sold; a block carries it to the custodian."""

    class Side(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    class State(models.TextChoices):
        NEW = CustodianOrderState.NEW
        SUBMITTED = CustodianOrderState.SUBMITTED
        FILLED = CustodianOrderState.FILLED
        SETTLED = CustodianOrderState.SETTLED
        REJECTED = CustodianOrderState.REJECTED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4, choices=Side)
    units = models.BigIntegerField(help_text="Shares, 9 decimals.")
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    custodian_order_id = models.CharField(max_length=64, blank=True)
    # The order at the custodian that it was netted into.
    block = models.ForeignKey(
        "custody.BlockOrder",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
    )
    # The custodian refused a block with it in: what is wrong with one must not stop another.
    goes_alone = models.BooleanField(default=False)
    # Its part of the block's fill, fewer than `units` when that ended before it was whole.
    filled_units = models.BigIntegerField(null=True, blank=True, help_text="Shares traded.")
    cash_micros = models.BigIntegerField(null=True, blank=True, help_text="USD paid or received.")
    price_micros = models.BigIntegerField(null=True, blank=True, help_text="USD per share.")
    settlement_date = models.DateField(null=True, blank=True)
    settles_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    requested_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    filled_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="custodian_order_units_positive"),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in CustodianOrderState]),
                name="custodian_order_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["filled", "settled"])
                | Q(
                    # Of what is unknown a CHECK is content.
                    filled_units__isnull=False,
                    cash_micros__isnull=False,
                    price_micros__isnull=False,
                    filled_units__gt=0,
                    filled_units__lte=F("units"),
                    cash_micros__gte=0,
                    price_micros__gt=0,
                    settles_at__isnull=False,
                    filled_at__isnull=False,
                ),
                name="filled_custodian_orders_are_priced",
            ),
        ]
        indexes = [
            models.Index(
                fields=["requested_at"],
                condition=Q(state__in=["new", "submitted", "filled"]),
                name="custodian_orders_open",
            ),
            models.Index(
                fields=["requested_at"],
                condition=Q(block=None, state="new"),
                name="custodian_orders_to_net",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.asset_id} {self.id}"


@pghistory.track()
class MintRequest(models.Model):
    """A custody officer's request to mint tokens against settled shares."""

    class State(models.TextChoices):
        REQUESTED = MintState.REQUESTED
        SHARES_ORDERED = MintState.SHARES_ORDERED
        SHARES_BOUGHT = MintState.SHARES_BOUGHT
        SHARES_SETTLED = MintState.SHARES_SETTLED
        AWAITING_APPROVAL = MintState.AWAITING_APPROVAL
        APPROVED = MintState.APPROVED
        MINTING = MintState.MINTING
        MINTED = MintState.MINTED
        REJECTED = MintState.REJECTED
        FAILED = MintState.FAILED

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    share_asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="+")
    token_units = models.BigIntegerField(help_text="Tokens, 8 decimals.")
    share_units = models.BigIntegerField(help_text="Shares that back them, 9 decimals.")
    # Settled shares reserved for this mint from the moment they are there until it is booked.
    held_units = models.BigIntegerField(default=0)
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED)
    failure = models.TextField(blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    order = models.OneToOneField(
        CustodianOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="mint"
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField()
    # Made once the shares are settled: only then is there something to confirm.
    proposal = models.OneToOneField(
        "accounts.Proposal", on_delete=models.PROTECT, null=True, blank=True, related_name="mint"
    )
    chain_transaction = models.OneToOneField(
        "custody.ChainTransaction",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="mint",
    )
    requested_at = models.DateTimeField()
    shares_ordered_at = models.DateTimeField(null=True, blank=True)
    shares_bought_at = models.DateTimeField(null=True, blank=True)
    shares_settled_at = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    minting_at = models.DateTimeField(null=True, blank=True)
    minted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(token_units__gt=0, share_units__gt=0), name="mint_units_positive"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in MintState]), name="mint_state_is_known"
            ),
            # From settled to minting the shares lie reserved; else nothing is.
            models.CheckConstraint(
                condition=Q(
                    state__in=["shares_settled", "awaiting_approval", "approved", "minting"],
                    held_units=F("share_units"),
                )
                | (
                    ~Q(state__in=["shares_settled", "awaiting_approval", "approved", "minting"])
                    & Q(held_units=0)
                ),
                name="mint_holds_its_settled_shares",
            ),
        ]
        indexes = [
            models.Index(
                fields=["requested_at"],
                condition=~Q(state__in=["minted", "rejected", "failed"]),
                name="mint_requests_open",
            )
        ]

    def __str__(self) -> str:
        return f"mint {self.id}"
