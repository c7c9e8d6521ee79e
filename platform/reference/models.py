"""What the outside world says: products, trading days, prices, countries.

Nothing here is decided by us, so nothing here is edited by hand: each table is
loaded from a file in the repository or written by the price feed.
"""

import pghistory
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from stdnum import isin

from reference.states import CountryStatus, Exchange, InstrumentKind, PriceSource, Session


def validate_isin(value: str) -> None:
    """Refuse an ISIN whose check digit is wrong (ISO 6166)."""
    if not isin.is_valid(value):
        raise ValidationError(f"{value!r} is not an ISIN.")


@pghistory.track()
class Instrument(models.Model):
    """A real share or fund unit that a token stands for, e.g. AAPL."""

    ticker = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=InstrumentKind)
    exchange = models.CharField(max_length=4, choices=Exchange)
    isin = models.CharField(max_length=12, unique=True, validators=[validate_isin])
    isin_source = models.CharField(max_length=200)
    # The feed's own id of the price per SHARE, 64 hex digits, never per token.
    price_feed_id = models.CharField(max_length=64, unique=True)
    price_source = models.CharField(max_length=20, choices=PriceSource)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(isin__regex=r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"),
                name="instrument_isin_has_its_form",
            ),
            models.CheckConstraint(
                condition=Q(price_feed_id__regex=r"^[0-9a-f]{64}$"),
                name="instrument_feed_id_is_64_hex_digits",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=InstrumentKind.values), name="instrument_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(exchange__in=Exchange.values), name="instrument_exchange_is_known"
            ),
            models.CheckConstraint(
                condition=Q(price_source__in=PriceSource.values),
                name="instrument_price_source_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.ticker

    @property
    def is_simulated(self) -> bool:
        return self.price_source != PriceSource.LIVE


class TradingDay(models.Model):
    """One day on which New York trades, with its hours as instants in UTC.

    Overnight trading from 20:00 Eastern on the day before belongs to this day.
    """

    date = models.DateField(unique=True)
    overnight_open_at = models.DateTimeField()
    pre_open_at = models.DateTimeField()
    open_at = models.DateTimeField()
    close_at = models.DateTimeField()
    post_close_at = models.DateTimeField()
    is_early_close = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(overnight_open_at__lt=F("pre_open_at"))
                & Q(pre_open_at__lt=F("open_at"))
                & Q(open_at__lt=F("close_at"))
                & Q(close_at__lte=F("post_close_at")),
                name="trading_day_hours_are_in_order",
            ),
        ]
        indexes = [
            # sessions.session_at: the days around an instant.
            models.Index(fields=["post_close_at"], name="trading_day_by_end"),
        ]

    def __str__(self) -> str:
        return self.date.isoformat()


class ReferencePrice(models.Model):
    """The newest price of one share that we believe, in millionths of a dollar.

    `suspect_*` hold a price that jumped too far to be believed alone; a second
    one near it is its corroboration (operations.record_prices).
    """

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, related_name="reference_price"
    )
    price_per_share_micros = models.BigIntegerField()
    confidence_micros = models.BigIntegerField()
    published_at = models.DateTimeField()
    received_at = models.DateTimeField()
    session = models.CharField(max_length=10, choices=Session)
    trade_date = models.DateField()
    # The last price of the last regular session, and of the one before `trade_date`.
    regular_close_micros = models.BigIntegerField(null=True, blank=True)
    regular_close_at = models.DateTimeField(null=True, blank=True)
    previous_close_micros = models.BigIntegerField(null=True, blank=True)
    closes_checked_at = models.DateTimeField(null=True, blank=True)
    suspect_price_micros = models.BigIntegerField(null=True, blank=True)
    suspect_published_at = models.DateTimeField(null=True, blank=True)
    is_halted = models.BooleanField(default=False)
    halt_reason = models.CharField(max_length=80, blank=True)
    halts_checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(price_per_share_micros__gt=0) & Q(confidence_micros__gte=0),
                name="reference_price_is_positive",
            ),
            models.CheckConstraint(
                condition=Q(session__in=Session.values), name="reference_price_session_is_known"
            ),
            models.CheckConstraint(
                condition=Q(suspect_price_micros__isnull=True, suspect_published_at__isnull=True)
                | Q(suspect_price_micros__isnull=False, suspect_published_at__isnull=False),
                name="reference_price_suspect_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id}: {self.price_per_share_micros}"


class ReferenceTick(models.Model):
    """The history of believed prices, one a minute at most, kept for some days."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="ticks")
    price_per_share_micros = models.BigIntegerField()
    confidence_micros = models.BigIntegerField()
    published_at = models.DateTimeField()
    received_at = models.DateTimeField()
    session = models.CharField(max_length=10, choices=Session)

    class Meta:
        constraints = [
            # Its index also answers queries.list_ticks.
            models.UniqueConstraint(
                fields=["instrument", "published_at"], name="reference_tick_once_per_instant"
            ),
            models.CheckConstraint(
                condition=Q(price_per_share_micros__gt=0), name="reference_tick_is_positive"
            ),
        ]
        indexes = [
            # operations.prune_ticks deletes by age alone.
            models.Index(fields=["received_at"], name="reference_tick_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.published_at:%Y-%m-%d %H:%M:%S}"


@pghistory.track()
class CountryRule(models.Model):
    """Whether people who live in a country may be served, and why not."""

    country = models.CharField(max_length=2, unique=True)
    name = models.CharField(max_length=80)
    status = models.CharField(max_length=8, choices=CountryStatus)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(country__regex=r"^[A-Z]{2}$"), name="country_rule_is_alpha_2"
            ),
            models.CheckConstraint(
                condition=Q(status=CountryStatus.ALLOWED)
                | (Q(status=CountryStatus.BLOCKED) & ~Q(reason="")),
                name="country_rule_blocks_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.country}): {self.status}"
