"""What is done here: listings, orders, trades, and the rows an engine lives on.

A pool is the set of listings (and of the investors' `trading` balances) that
one engine process owns; `epoch` names its owner and every batch is one
transaction of that owner. Orders, trades and events are written by the engine
alone, set-based, so these tables have few indexes and their foreign keys are
not checked by the database on each insert (`verify_ledger` compares them).

Amounts are integers in base units: quantities of the listing's asset, cash of
its quote; a price is quote base units per whole token, a multiple of the tick.
"""

from enum import StrEnum

import pghistory
from django.db import models
from django.db.models import F, Q

from trading.engine.terms import OrderType, Side, TimeInForce
from trading.states import ListingState, OrderStatus


def _choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ").capitalize()) for word in words]


class Pool(models.Model):
    """One engine's realm. Its row is the fence that each batch passes first."""

    id = models.SmallIntegerField(primary_key=True)
    epoch = models.BigIntegerField(default=0)
    batch_no = models.BigIntegerField(default=0)
    owner = models.TextField(default="", blank=True)
    backend_pid = models.IntegerField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    # Commands whose deadline lies before this moment are settled: executed, or never.
    processed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"pool {self.pk}"


@pghistory.track()
class Listing(models.Model):
    """An asset with trading rules: which quote, tick, lot, fees, state."""

    symbol = models.TextField(unique=True)  # "AAPLxUSDC"
    wsname = models.TextField(unique=True)  # "AAPLx/USDC"
    asset = models.ForeignKey("custody.Asset", on_delete=models.PROTECT, related_name="listings")
    quote = models.ForeignKey(
        "custody.Asset", on_delete=models.PROTECT, related_name="quoted_listings"
    )
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    tick_units = models.BigIntegerField(default=10_000)
    lot_units = models.BigIntegerField(default=100)
    min_cash_units = models.BigIntegerField(default=1_000_000)
    maker_fee_e6 = models.IntegerField(default=1_000)
    taker_fee_e6 = models.IntegerField(default=2_500)
    # How far a market order may run from the best price, a limit from the reference.
    protection_e6 = models.IntegerField(default=50_000)
    collar_e6 = models.IntegerField(default=500_000)
    state = models.TextField(choices=_choices(ListingState), default=ListingState.ONLINE.value)
    state_reason = models.TextField(default="", blank=True)
    state_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("set_listing_state", "May halt listings and change their state")]
        constraints = [
            models.UniqueConstraint(fields=["asset", "quote"], name="listing_once_per_pair"),
            models.CheckConstraint(
                condition=Q(tick_units__gt=0, lot_units__gt=0, min_cash_units__gt=0),
                name="listing_steps_are_positive",
            ),
            models.CheckConstraint(
                condition=Q(
                    maker_fee_e6__gte=0,
                    maker_fee_e6__lte=100_000,
                    taker_fee_e6__gte=0,
                    taker_fee_e6__lte=100_000,
                ),
                name="listing_fees_are_at_most_ten_percent",
            ),
            models.CheckConstraint(
                condition=Q(
                    protection_e6__gt=0,
                    protection_e6__lt=1_000_000,
                    collar_e6__gt=0,
                    collar_e6__lt=1_000_000,
                ),
                name="listing_bands_are_fractions",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in ListingState]),
                name="listing_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.wsname


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class ListingCountryBlock(models.Model):
    """A country where a listing is not offered, in any interface."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="blocks")
    country = models.CharField(max_length=2)  # ISO 3166-1 alpha-2
    reason = models.TextField(default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "country"], name="listing_block_once"),
            models.CheckConstraint(
                condition=Q(country__regex=r"^[A-Z]{2}$"), name="listing_block_country_is_alpha2"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing} not in {self.country}"


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
    side = models.TextField(choices=_choices(Side))
    type = models.TextField(choices=_choices(OrderType))
    time_in_force = models.TextField(choices=_choices(TimeInForce))
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
    status = models.TextField(choices=_choices(OrderStatus))
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
                name="order_open",
                condition=Q(status=OrderStatus.OPEN.value),
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
                condition=Q(status=OrderStatus.OPEN.value) | Q(held_units=0),
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
        return self.status == OrderStatus.OPEN

    @property
    def leaves_units(self) -> int:
        """What is still to be filled; 0 when closed."""
        return (self.quantity_units or 0) - self.filled_units if self.is_open else 0


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
    taker_side = models.TextField(choices=_choices(Side))
    maker_fee_units = models.BigIntegerField()
    taker_fee_units = models.BigIntegerField()
    batch_no = models.BigIntegerField()
    traded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["listing", "trade_no"], name="trade_by_listing"),
            models.Index(fields=["buyer_id", "id"], name="trade_by_buyer"),
            models.Index(fields=["seller_id", "id"], name="trade_by_seller"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(price_units__gt=0, quantity_units__gt=0, cash_units__gt=0),
                name="trade_amounts_are_positive",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class BookEvent(models.Model):
    """What one batch did to one listing, in order: the source of feeds and replay.

    `events` is a list of events, each a list that starts with its kind and its
    `event_seq` (docs/matching.md has the shapes). `event_seq` counts every
    event, refusals too; `book_seq` counts changes of the public book. Both run
    without gaps over a listing's rows; `first_event_seq` is where this row
    starts, `event_seq`, `book_seq` and `trade_no` are the counters after it.
    """

    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    batch_no = models.BigIntegerField()
    first_event_seq = models.BigIntegerField()
    event_seq = models.BigIntegerField()
    book_seq = models.BigIntegerField()
    trade_no = models.BigIntegerField()
    events = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "event_seq"], name="book_event_seq_once_per_listing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.first_event_seq}..{self.event_seq}"


class InboxItem(models.Model):
    """A changed fact that an engine must know, inserted with the change itself.

    Triggers on the tables of the rooms below write them (migration 0002), one
    for each pool, in the very transaction that changed the fact. The engine
    consumes them at the start of a batch and notes that batch's number.
    """

    id = models.BigAutoField(primary_key=True)
    pool_id = models.SmallIntegerField()
    kind = models.TextField()
    payload = models.JSONField()
    created_at = models.DateTimeField()
    consumed_batch = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["pool_id", "id"],
                name="inbox_unconsumed",
                condition=Q(consumed_batch__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
