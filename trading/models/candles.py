"""Trades summed up by time, so that no chart has to read them all."""

from django.db import models
from django.db.models import Q

from trading.models.listings import Listing


class Candle(models.Model):
    """Trades of one listing in one stretch of time at one multiplier; derived from Trade.

    Stretches are a minute, an hour or a day, and begin at multiples of that since
    1970 (UTC). When the multiplier changed within one, there are two rows. Trades
    after `CandleProgress.trade_no` are not in here yet.
    """

    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    step_seconds = models.IntegerField()
    start_at = models.DateTimeField()
    multiplier_e18 = models.DecimalField(max_digits=38, decimal_places=0)
    first_no = models.BigIntegerField()  # trade_no of its first trade, and of its last
    last_no = models.BigIntegerField()
    open_units = models.BigIntegerField()
    high_units = models.BigIntegerField()
    low_units = models.BigIntegerField()
    close_units = models.BigIntegerField()
    volume_units = models.BigIntegerField()
    cash_units = models.BigIntegerField()
    trades = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "step_seconds", "start_at", "multiplier_e18"],
                name="candle_once",
            ),
            models.CheckConstraint(
                condition=Q(step_seconds__in=[60, 3_600, 86_400]), name="candle_step_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.step_seconds} {self.start_at}"


class CandleProgress(models.Model):
    """Up to which trade a listing's candles count; whoever counts on locks it first."""

    listing = models.OneToOneField(
        Listing, on_delete=models.PROTECT, primary_key=True, related_name="candle_progress"
    )
    trade_no = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.listing_id} to {self.trade_no}"
