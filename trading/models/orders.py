"""Orders, and the trades between them."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from trading.engine.terms import OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy
from trading.models.listings import Listing
from trading.models.words import choices
from trading.states import LIVE_STATUSES, OrderStatus


class Order(models.Model):
    """An instruction, as the engine judged it. `id` is the command's id.

    Exactly one of `quantity_units` and `cash_units` is what the investor named;
    for a limit order by cash both are set, the quantity being what the cash buys
    at the limit, fee included. `held_units` is what remains held for it (cash of
    a buy, tokens of a sell) and is zero once closed.
    """

    id = models.UUIDField(primary_key=True)
    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    investor_id = models.BigIntegerField()
    owner_group = models.UUIDField()
    snapshot_id = models.BigIntegerField(null=True)  # accounts.EligibilitySnapshot: the proof
    side = models.TextField(choices=choices(Side))
    type = models.TextField(choices=choices(OrderType))
    time_in_force = models.TextField(choices=choices(TimeInForce))
    post_only = models.BooleanField(default=False)
    price_units = models.BigIntegerField(null=True)
    protection_price_units = models.BigIntegerField(null=True)
    quantity_units = models.BigIntegerField(null=True)
    cash_units = models.BigIntegerField(null=True)
    filled_units = models.BigIntegerField(default=0)
    filled_cash_units = models.BigIntegerField(default=0)
    fee_units = models.BigIntegerField(default=0)
    # The fee before rounding, in millionths of a quote base unit: `fee_units` is its ceiling.
    fee_millionths = models.BigIntegerField(default=0)
    maker_fee_e6 = models.IntegerField(default=0)  # the rate its hold was made for
    held_units = models.BigIntegerField(default=0)
    status = models.TextField(choices=choices(OrderStatus))
    reason = models.TextField(default="")
    client_order_id = models.TextField(null=True)
    body_hash = models.BinaryField(null=True)  # kept with a client_order_id alone
    user_ref = models.BigIntegerField(null=True)
    source = models.TextField()
    priority = models.BigIntegerField(default=0)  # the listing's event_seq when it was accepted
    batch_no = models.BigIntegerField()
    accepted_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [
            # list_orders and the rebuild of the book
            models.Index(
                fields=["investor_id"],
                name="order_live",
                condition=Q(status__in=LIVE_STATUSES),
            ),
            # list_orders, newest first: ids are time-ordered
            models.Index(fields=["investor_id", "id"], name="order_by_investor"),
            # the engine's look-up of a client's own id
            models.Index(
                fields=["investor_id", "client_order_id"],
                name="order_by_client_id",
                condition=Q(client_order_id__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(held_units__gte=0, filled_units__gte=0, fee_units__gte=0),
                name="order_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE_STATUSES) | Q(held_units=0),
                name="order_closed_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(quantity_units__isnull=True) | Q(filled_units__lte=F("quantity_units")),
                name="order_not_overfilled",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_open(self) -> bool:
        """Whether it lives: in the book, or waiting for its trigger."""
        return self.status in LIVE_STATUSES

    @property
    def leaves_units(self) -> int:
        """What is still to be filled; 0 when closed."""
        return (self.quantity_units or 0) - self.filled_units if self.is_open else 0


class OrderTerms(models.Model):
    """What only some orders carry; written by the engine with the order itself.

    `trigger_price_units` of a trailing stop moves with the price. `link_id` is common to two
    orders of which one cancels the other; `parent_id` is the order whose fills this one closes.
    """

    order = models.OneToOneField(
        Order, on_delete=models.PROTECT, primary_key=True, db_constraint=False, related_name="terms"
    )
    expires_at = models.DateTimeField(null=True)
    display_units = models.BigIntegerField(null=True)
    reduce_only = models.BooleanField(default=False)
    self_trade_prevention = models.TextField(choices=choices(SelfTradePrevention))
    trigger_by = models.TextField(choices=choices(TriggerBy), null=True)
    trigger_price_units = models.BigIntegerField(null=True)
    trail_units = models.BigIntegerField(null=True)
    trail_e6 = models.IntegerField(null=True)
    limit_offset_units = models.BigIntegerField(null=True)
    link_id = models.UUIDField(null=True)
    parent_id = models.UUIDField(null=True)
    close_take_profit_units = models.BigIntegerField(null=True)
    close_stop_loss_units = models.BigIntegerField(null=True)
    replaces = models.UUIDField(null=True)
    triggered_at = models.DateTimeField(null=True)
    # The taker's rate that it was last judged by: what waits for a trigger holds the dearer one.
    taker_fee_e6 = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(display_units__isnull=True) | Q(display_units__gt=0),
                name="terms_show_something",
            ),
            models.CheckConstraint(
                condition=Q(trail_units__isnull=True) | Q(trail_e6__isnull=True),
                name="terms_trail_by_one_measure",
            ),
            models.CheckConstraint(
                condition=Q(trigger_price_units__isnull=True) | Q(trigger_price_units__gt=0),
                name="terms_trigger_is_a_price",
            ),
        ]

    def __str__(self) -> str:
        return f"terms of {self.order_id}"


class Trade(models.Model):
    """The stored row of an execution; never changed."""

    id = models.UUIDField(primary_key=True)
    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    trade_no = models.BigIntegerField()  # 1, 2, 3 ... per listing
    price_units = models.BigIntegerField()
    quantity_units = models.BigIntegerField()
    cash_units = models.BigIntegerField()
    maker_order_id = models.UUIDField()
    taker_order_id = models.UUIDField()
    buyer_id = models.BigIntegerField()
    seller_id = models.BigIntegerField()
    taker_side = models.TextField(choices=choices(Side))
    maker_fee_units = models.BigIntegerField()
    taker_fee_units = models.BigIntegerField()
    batch_no = models.BigIntegerField()
    traded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["listing", "trade_no"], name="trade_by_listing"),
            models.Index(fields=["buyer_id", "id"], name="trade_by_buyer"),
            models.Index(fields=["seller_id", "id"], name="trade_by_seller"),
            # the trades of a day: rows come in the order of time, so a few pages say where
            BrinIndex(fields=["traded_at"], name="trade_by_time"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(price_units__gt=0, quantity_units__gt=0, cash_units__gt=0),
                name="trade_amounts_are_positive",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DeadMan(models.Model):
    """An investor's dead-man switch: all orders are canceled at `due_at` unless told again."""

    investor_id = models.BigIntegerField()
    pool_id = models.SmallIntegerField()
    due_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["investor_id", "pool_id"], name="dead_man_once"),
        ]

    def __str__(self) -> str:
        return f"investor {self.investor_id} until {self.due_at}"
