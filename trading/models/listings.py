"""Pools and what is listed in them."""

import pghistory
from django.db import models
from django.db.models import F, Q

from trading.models.words import choices
from trading.states import Condition, ListingState, MarketPhase, TradingHours


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
    # How far trades may run from the average of the last five minutes; doubled at open and close.
    band_e6 = models.IntegerField(default=100_000)
    hours = models.TextField(
        choices=[(hours.value, hours.value) for hours in TradingHours],
        default=TradingHours.ALWAYS.value,
    )
    # The largest order; never above what the engine takes at all.
    max_cash_units = models.BigIntegerField(default=10**14)
    max_quantity_units = models.BigIntegerField(default=10**16)
    state = models.TextField(choices=choices(ListingState), default=ListingState.ONLINE.value)
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
                condition=Q(band_e6__gt=0, band_e6__lt=1_000_000),
                name="listing_trade_band_is_a_fraction",
            ),
            models.CheckConstraint(
                condition=Q(
                    max_cash_units__gte=F("min_cash_units"),
                    max_cash_units__lte=10**14,
                    max_quantity_units__gte=F("lot_units"),
                    max_quantity_units__lte=10**16,
                ),
                name="listing_largest_order_is_possible",
            ),
            models.CheckConstraint(
                condition=Q(hours__in=[hours.value for hours in TradingHours]),
                name="listing_hours_are_known",
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


class ListingPhase(models.Model):
    """What the price protection has made of a listing, and since when; the engine writes it."""

    listing = models.OneToOneField(
        Listing, on_delete=models.PROTECT, primary_key=True, related_name="phase"
    )
    phase = models.TextField(choices=choices(MarketPhase))
    reason = models.TextField(default="", blank=True)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    extensions = models.SmallIntegerField(default=0)  # how often its auction was prolonged
    # The condition that shuts it; an engine that finds it open again begins an auction.
    shut_by = models.TextField(default="", blank=True)
    batch_no = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(phase__in=[phase.value for phase in MarketPhase]),
                name="listing_phase_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    shut_by__in=[
                        "",
                        Condition.SESSION_CLOSED.value,
                        Condition.SHARE_HALTED.value,
                    ]
                ),
                name="listing_phase_shut_by_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.phase}"
