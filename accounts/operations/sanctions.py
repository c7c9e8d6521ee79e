"""Loading sanctions lists, and looking at everybody again when one changes."""

from datetime import datetime
from pathlib import Path

from django.db import transaction

from accounts.gateways.sanctions_lists import Entry, ReadList, read_list
from accounts.models import SanctionsEntry, SanctionsList

INSERT_BATCH = 2_000


@transaction.atomic
def load_list(*, path: Path, source: str, now: datetime) -> SanctionsList:
    """Make the file the current list of its source; the same file twice changes nothing.

    Cases screened before it are swept by the task `rescreen_cases`.

    :raises ListUnreadable: the file is not a list of that source.
    """
    read = read_list(path, source=source)
    known = SanctionsList.objects.filter(source=source, sha256=read.sha256).first()
    if known and known.is_current:
        return known
    SanctionsList.objects.filter(source=source, is_current=True).update(is_current=False)
    if known:
        # An older file came back: screen everybody against it again.
        known.is_current, known.loaded_at = True, now
        known.save(update_fields=["is_current", "loaded_at"])
        return known
    return _store(read, source=source, now=now)


def _store(read: ReadList, *, source: str, now: datetime) -> SanctionsList:
    stored = SanctionsList.objects.create(
        source=source, list_date=read.list_date, sha256=read.sha256,
        entries_count=len(read.entries), loaded_at=now,
    )  # fmt: skip
    rows = (_row(stored, entry) for entry in read.entries)
    SanctionsEntry.objects.bulk_create(rows, batch_size=INSERT_BATCH)
    return stored


def _row(stored: SanctionsList, entry: Entry) -> SanctionsEntry:
    return SanctionsEntry(
        sanctions_list=stored, reference=entry.reference, kind=entry.kind,
        primary_name=entry.names[0], names=entry.names, birth_dates=entry.birth_dates,
        programme=entry.programme,
    )  # fmt: skip
