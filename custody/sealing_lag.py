"""How long the oldest unsealed entry has waited: the sealer's pulse."""

from datetime import datetime, timedelta

from custody.models import JournalEntry, Seal
from custody.models.seals import SealChain

# The sealer comes every second. Past this it stands still, or an open transaction holds
# it back; until then entries can still be changed unnoticed.
UNSEALED_MAX = timedelta(seconds=5)


def unsealed_for(*, now: datetime) -> timedelta:
    """The age of the oldest journal entry that no seal covers; zero when all are sealed."""
    last = Seal.objects.filter(chain=SealChain.LEDGER).order_by("-n").first()
    oldest = (
        JournalEntry.objects.filter(xid__gte=last.xid_to if last else 0)
        .order_by("xid")
        .values_list("created_at", flat=True)
        .first()
    )
    return max(now - oldest, timedelta(0)) if oldest else timedelta(0)


def list_sealing_alerts(*, now: datetime) -> list[str]:
    """Sentences for the staff when entries wait too long; none while sealing works."""
    waited = unsealed_for(now=now)
    if waited <= UNSEALED_MAX:
        return []
    return [
        f"Journal entries have waited {int(waited.total_seconds()):,} seconds for their seal. The "
        "sealer stands still, or a transaction stays open."
    ]
