"""ReconciliationRun, its figures, and the cases that differences open.

The one rule: both sides are kept as they were read and never changed. A case that
is open is the halt of its asset; two officers close it, nothing else does.
See docs/reconciliation.md.
"""

import pghistory
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kernel.ids import uuid7


class Comparison(models.TextChoices):
    """What is compared; each with one party."""

    SUPPLY = "supply", "Tokens in circulation on the chain"
    HOT_WALLET = "hot_wallet", "Tokens in the hot wallet"
    ISSUANCE_WALLET = "issuance_wallet", "Tokens in the issuance wallet"
    SHARES = "shares", "Shares at the custodian"
    SHARES_SETTLED = "shares_settled", "Settled shares at the custodian"
    WALLETS = "wallets", "Stablecoins in our wallets"
    CASH = "cash", "Dollars at the custodian"


CUSTODIAN_COMPARISONS = frozenset({Comparison.SHARES, Comparison.SHARES_SETTLED, Comparison.CASH})


class ReconciliationRun(models.Model):
    """One look at everything, or a second one at what did not add up."""

    class Kind(models.TextChoices):
        INTERVAL = "interval", "Every few minutes"
        AGAIN = "again", "A second look"
        CLOSE = "close", "At the close"
        ON_DEMAND = "on_demand", "Asked for"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    # The trading day whose close this is.
    trading_date = models.DateField(null=True, blank=True)
    as_of = models.DateTimeField()
    # The database's time, which a demo's clock does not move.
    finished_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="close", trading_date__isnull=False)
                | (~Q(kind="close") & Q(trading_date__isnull=True)),
                name="close_runs_name_their_day",
            ),
            models.UniqueConstraint(
                fields=["trading_date"],
                condition=Q(kind="close"),
                name="one_close_run_a_trading_day",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["interval", "again", "close", "on_demand"]),
                name="reconciliation_kind_is_known",
            ),
        ]
        indexes = [models.Index(fields=["-as_of"], name="reconciliation_runs_by_time")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.as_of:%Y-%m-%d %H:%M:%S} UTC"


class ReconciliationFigure(models.Model):
    """Both sides of one comparison, in the asset's base units, and what explains the rest.

    It adds up when the party's figure lies between `ledger_units + in_flight_low` and
    `ledger_units + in_flight_high`. What could not be read is null, never 0.
    """

    class Verdict(models.TextChoices):
        MATCHES = "matches"
        SUSPECTED = "suspected"  # does not add up, once: it is looked at again
        BREAK = "break"  # nor the second time
        UNAVAILABLE = "unavailable"

    # The constraint and the index below begin with them: the table grows by millions a year.
    run = models.ForeignKey(
        ReconciliationRun, on_delete=models.PROTECT, related_name="figures", db_index=False
    )
    asset = models.ForeignKey(
        "custody.Asset", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    what = models.CharField(max_length=16, choices=Comparison)
    ledger_units = models.BigIntegerField()
    party_units = models.BigIntegerField(null=True, blank=True)
    in_flight_low = models.BigIntegerField(default=0)
    in_flight_high = models.BigIntegerField(default=0)
    verdict = models.CharField(max_length=12, choices=Verdict)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "asset", "what"], name="one_figure_a_comparison_and_run"
            ),
            models.CheckConstraint(
                condition=Q(what__in=Comparison.values), name="figure_compares_something_known"
            ),
            models.CheckConstraint(
                condition=Q(in_flight_low__lte=F("in_flight_high")),
                name="figure_in_flight_is_a_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    verdict="matches",
                    party_units__gte=F("ledger_units") + F("in_flight_low"),
                    party_units__lte=F("ledger_units") + F("in_flight_high"),
                )
                | Q(verdict__in=["suspected", "break"], party_units__isnull=False)
                | Q(verdict="unavailable"),
                name="figure_says_what_it_shows",
            ),
        ]
        indexes = [
            # The newest of a comparison: what a run, a case and the desk ask for.
            models.Index(fields=["asset", "what", "-id"], name="figures_of_a_comparison")
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()} of asset {self.asset_id}: {self.verdict}"

    @property
    def difference_units(self) -> int | None:
        """How much more the party has than the ledger says."""
        return None if self.party_units is None else self.party_units - self.ledger_units


@pghistory.track()
class ReconciliationCase(models.Model):
    """A difference that was seen twice. While it is open, its asset is halted."""

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey(
        "custody.Asset", on_delete=models.PROTECT, related_name="reconciliation_cases"
    )
    what = models.CharField(max_length=16, choices=Comparison)
    # The run that opened it and both sides as it found them.
    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="cases")
    ledger_units = models.BigIntegerField()
    party_units = models.BigIntegerField()
    difference_units = models.BigIntegerField(help_text="How much more the party has.")
    in_flight_low = models.BigIntegerField()
    in_flight_high = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    # Told, never acted on: only officers close a case.
    matches_since = models.DateTimeField(null=True, blank=True)
    explanation = models.TextField(blank=True)
    proposal = models.OneToOneField(
        "accounts.Proposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "what"],
                condition=Q(state="open"),
                name="one_open_case_a_comparison",
            ),
            models.CheckConstraint(
                condition=Q(difference_units=F("party_units") - F("ledger_units"))
                & ~Q(difference_units=0, in_flight_low__lte=0, in_flight_high__gte=0),
                name="case_is_of_a_difference",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="open", closed_at__isnull=True, proposal__isnull=True, explanation=""
                )
                | (
                    Q(state="closed", closed_at__isnull=False, proposal__isnull=False)
                    & ~Q(explanation="")
                ),
                name="closed_cases_are_explained",
            ),
        ]
        indexes = [
            models.Index(fields=["-opened_at"], name="reconciliation_cases_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()}: {self.asset.code}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN
