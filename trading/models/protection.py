"""What the price protection has done; written by an engine in the batch in which it did."""

from django.db import models
from django.db.models import Q


class MarketBreaker(models.Model):
    """A level of the market-wide breaker that was reached on a trading day; each stops once."""

    pool_id = models.SmallIntegerField()
    trade_date = models.DateField()
    level = models.SmallIntegerField()
    # Of the instrument that stands for the whole market, in millionths of a dollar per share.
    price_micros = models.BigIntegerField()
    previous_close_micros = models.BigIntegerField()
    at = models.DateTimeField()
    until = models.DateTimeField()
    batch_no = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool_id", "trade_date", "level"], name="market_breaker_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(level__gte=1, level__lte=3), name="market_breaker_level_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"level {self.level} on {self.trade_date}"
