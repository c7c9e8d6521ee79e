"""Double entry: assets, ledger accounts, journal entries and their postings.

An entry's postings sum to zero per asset and arrive in one INSERT, in the
entry's own transaction; a trigger on that INSERT refuses anything else and is
the only thing that moves `posted_units`. Entries and postings are never changed:
a correction is a new entry that names the old one. Write through
`custody.ledger` alone; see docs/ledger.md and docs/locking.md.

All units are integers in the asset's base units.
"""

import pghistory
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from accounts.models import Investor
from custody.ledger_purposes import (
    CONTRA_PURPOSES,
    INVESTOR_PURPOSES,
    POOL_PURPOSES,
    SIGNED_PURPOSES,
    AssetKind,
    Purpose,
)
from custody.models.fields import CurrentXid, Xid8Field
from reference.models import Instrument

MULTIPLIER_ONE_E18 = 10**18


@pghistory.track()
class Asset(models.Model):
    """A thing the ledger counts: USDC, AAPLx, AAPL at the custodian, USD at the broker."""

    code = models.CharField(max_length=20, unique=True)  # "USDC", "AAPLx", "AAPL", "USD"
    name = models.TextField()
    kind = models.TextField(choices=AssetKind.choices)
    decimals = models.SmallIntegerField()
    instrument = models.ForeignKey(
        Instrument, null=True, blank=True, on_delete=models.PROTECT, related_name="assets"
    )
    mint_address = models.TextField(default="", blank=True)
    token_isin = models.TextField(default="", blank=True)
    token_isin_is_test = models.BooleanField(default=False)
    # Shares per token, in 1e-18: a split or a reinvested dividend changes it, never the units.
    multiplier_e18 = models.DecimalField(
        max_digits=38, decimal_places=0, default=MULTIPLIER_ONE_E18
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=AssetKind.values), name="asset_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(decimals__gte=0, decimals__lte=18), name="asset_decimals_within_18"
            ),
            models.CheckConstraint(
                condition=Q(multiplier_e18__gt=0), name="asset_multiplier_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[AssetKind.TOKEN, AssetKind.SHARE], instrument__isnull=False)
                | Q(kind__in=[AssetKind.STABLECOIN, AssetKind.FIAT], instrument__isnull=True),
                name="asset_names_its_instrument",
            ),
            models.UniqueConstraint(
                fields=["instrument", "kind"], name="asset_once_per_instrument_and_kind"
            ),
            models.UniqueConstraint(
                fields=["mint_address"],
                condition=~Q(mint_address=""),
                name="asset_mint_address_is_unique",
            ),
            models.UniqueConstraint(
                fields=["token_isin"],
                condition=~Q(token_isin=""),
                name="asset_token_isin_is_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class LedgerAccount(models.Model):
    """One balance: what one owner has of one asset for one purpose (in one pool)."""

    # None: the house, or an outside party's contra account.
    owner = models.ForeignKey(
        Investor, null=True, blank=True, on_delete=models.PROTECT, related_name="ledger_accounts"
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="ledger_accounts")
    purpose = models.TextField(choices=Purpose.choices)
    pool = models.SmallIntegerField(default=0)  # 0: none
    posted_units = models.BigIntegerField(default=0, db_default=0)
    held_units = models.BigIntegerField(default=0, db_default=0)
    opened_xid = Xid8Field(db_default=CurrentXid(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Coalesce("owner_id", 0), "asset", "purpose", "pool", name="ledger_account_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=Purpose.values), name="ledger_account_purpose_is_known"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=sorted(INVESTOR_PURPOSES), owner__isnull=False)
                | (~Q(purpose__in=sorted(INVESTOR_PURPOSES)) & Q(owner__isnull=True)),
                name="ledger_account_owner_fits_purpose",
            ),
            models.CheckConstraint(
                condition=Q(purpose=Purpose.TRADING, pool__gt=0)
                | Q(purpose__in=sorted(POOL_PURPOSES - {Purpose.TRADING}), pool__gte=0)
                | (~Q(purpose__in=sorted(POOL_PURPOSES)) & Q(pool=0)),
                name="ledger_account_pool_fits_purpose",
            ),
            models.CheckConstraint(
                # The integers first, and the engine's accounts by one comparison: this is
                # judged at every change of a balance.
                condition=(
                    Q(held_units__gte=0, posted_units__gte=F("held_units"))
                    & (
                        Q(purpose=Purpose.TRADING)
                        | ~Q(purpose__in=sorted(CONTRA_PURPOSES | SIGNED_PURPOSES))
                    )
                )
                | Q(posted_units__lte=0, held_units=0, purpose__in=sorted(CONTRA_PURPOSES))
                | Q(held_units=0, purpose__in=sorted(SIGNED_PURPOSES)),
                name="ledger_account_holds_are_covered",
            ),
        ]
        indexes = [models.Index(fields=["opened_xid"], name="ledger_account_opened")]

    def __str__(self) -> str:
        owner = f"investor {self.owner_id}" if self.owner_id else "house"
        return f"{owner} {self.purpose} {self.asset.code}" + (f" /{self.pool}" if self.pool else "")

    @property
    def available_units(self) -> int:
        """What is neither spent nor promised."""
        return self.posted_units - self.held_units


class JournalEntry(models.Model):
    """One immutable, balanced movement. Its id comes from a block (`ledger.IdBlock`)."""

    id = models.BigIntegerField(primary_key=True)
    kind = models.TextField()
    # Who repeats a request repeats its key; the content's hash tells a retry from a mistake.
    key = models.TextField(db_collation="C")
    reference = models.TextField(default="", blank=True)
    reverses = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="reversals",
        db_constraint=False,
        db_index=False,
    )
    content_hash = models.BinaryField(max_length=32)
    xid = Xid8Field(db_default=CurrentXid(), editable=False)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "journal entries"
        constraints = [
            models.UniqueConstraint(fields=["key"], name="journal_entry_key_is_unique"),
            models.UniqueConstraint(
                fields=["reverses"],
                condition=Q(reverses__isnull=False),
                name="journal_entry_is_reversed_once",
            ),
        ]
        # The sealer reads by transaction; a batch shares one, so the index stays small.
        indexes = [models.Index(fields=["xid"], name="journal_entry_by_xid")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Posting(models.Model):
    """One line of an entry: units that an account gains (+) or gives (-)."""

    pk = models.CompositePrimaryKey("entry_id", "line_no")
    # No foreign keys in the database: they cost the engine a third of its speed.
    # The trigger proves that entry and account exist; verify_ledger proves it again.
    entry = models.ForeignKey(
        JournalEntry,
        on_delete=models.PROTECT,
        related_name="postings",
        db_constraint=False,
        db_index=False,
    )
    line_no = models.SmallIntegerField()  # 1, 2, 3... within the entry
    account = models.ForeignKey(
        LedgerAccount,
        on_delete=models.PROTECT,
        related_name="postings",
        db_constraint=False,
        db_index=False,
    )
    units = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(units=0), name="posting_units_are_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "entry"], name="posting_by_account")]

    def __str__(self) -> str:
        return f"{self.entry_id}/{self.line_no}: {self.units}"
