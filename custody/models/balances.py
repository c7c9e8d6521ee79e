"""Balances as of seals, and closed periods: the past, ready to be read.

Both are written by the database alone (custody/migrations/0013), from postings, and
are never changed: see docs/ledger.md, "Looking back".
"""

from django.db import models
from django.db.models import Q

from custody.models.ledger import LedgerAccount


class SealedBalance(models.Model):
    """What was posted on an account as of ledger seal `seal_n`.

    There is a row where the seal moved the balance, and one of every account at the
    seal that closes a period. As of seal n the balance is the last row up to n.
    """

    pk = models.CompositePrimaryKey("account_id", "seal_n")
    account = models.ForeignKey(
        LedgerAccount,
        on_delete=models.PROTECT,
        related_name="sealed_balances",
        db_constraint=False,
        db_index=False,
    )
    seal_n = models.BigIntegerField()
    posted_units = models.BigIntegerField()

    def __str__(self) -> str:
        return f"ledger account {self.account_id} as of seal {self.seal_n}: {self.posted_units}"


class Period(models.Model):
    """Closed period n: the entries of the seals after the last period's, up to `seal_n`.

    Nothing may be booked that is dated before `ends_at`.
    """

    n = models.BigIntegerField(primary_key=True)  # 1, 2, 3...
    seal_n = models.BigIntegerField(unique=True)
    ends_at = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(n__gte=1), name="period_numbers_start_at_one"),
        ]

    def __str__(self) -> str:
        return f"period {self.n}, until ledger seal {self.seal_n}"
