"""A house entry: a proposal to book by a template, and what became of it."""

from django.db.models import OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Proposal
from custody.models.ledger import JournalEntry

PROPOSAL_KIND = "house_entry"
KEY_PREFIX = "house_entry:"


class HouseEntry(Proposal):
    """What one officer wants booked; another confirms, and it is booked in that moment."""

    class Meta:
        proxy = True
        default_permissions = ("add", "view")
        verbose_name_plural = "house entries"

    def __str__(self) -> str:
        return str(self.body["entry"])

    @property
    def entry_id(self) -> int | None:
        """The journal entry that it was booked as; of rows of `list_house_entries`."""
        return getattr(self, "booked_id", None)

    @property
    def reversal_id(self) -> int | None:
        """The journal entry that undid it."""
        return getattr(self, "reversed_by_id", None)


def list_house_entries() -> QuerySet[HouseEntry]:
    """All proposals of house entries with the journal entry and its reversal, if any."""
    key = Concat(Value(KEY_PREFIX), Cast(OuterRef("id"), TextField()))
    booked = JournalEntry.objects.filter(key=key).values("id")[:1]
    reversal = JournalEntry.objects.filter(reverses_id=OuterRef("booked_id")).values("id")[:1]
    rows = HouseEntry.objects.filter(kind=PROPOSAL_KIND).select_related("maker", "checker")
    return rows.annotate(booked_id=Subquery(booked)).annotate(reversed_by_id=Subquery(reversal))


def list_confirmed_not_booked() -> QuerySet[HouseEntry]:
    """Those whose units have to come out of trading first, or never did."""
    confirmed = list_house_entries().filter(state=Proposal.State.EXECUTED)
    return confirmed.filter(Q(("booked_id__isnull", True)))


def is_booked(*, subject: str) -> bool:
    """Whether something of this subject is booked and not reversed."""
    found = list_house_entries().filter(subject=subject)
    return found.filter(Q(("booked_id__isnull", False), ("reversed_by_id__isnull", True))).exists()
