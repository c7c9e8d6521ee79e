"""Since when something differs: the first seal that covers it."""

from datetime import datetime

from django.db import connection

from custody.as_of import first_seal_covering
from custody.models.seals import Seal


def since_entry(xid: int) -> str:
    """The seal that covers what transaction `xid` wrote, in words."""
    seal = first_seal_covering(xid)
    return since_seal(seal) if seal else "after the last seal"


def since_seal(seal: Seal) -> str:
    return f"{seal}, {seal.sealed_at.isoformat()}"


def since_row(xmin: int) -> str:
    """For a row that is not sealed itself: the seal over its last writer, at the latest then.

    :param xmin: the row's system column, the low half of that transaction's id.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        next_xid = int(cursor.fetchone()[0])
    xid = (next_xid & ~0xFFFFFFFF) | xmin
    if xid > next_xid + 2**31:  # written before the counter's low half began anew
        xid -= 2**32
    seal = first_seal_covering(xid)
    return f"at the latest {since_seal(seal)}" if seal else UNKNOWN


def since_promise(xmin: int | None, oldest: datetime | None) -> str:
    """For a balance against open rows: who wrote it last, and the oldest of those rows."""
    known = [since_row(xmin)] if xmin is not None else []
    known += [f"the oldest open promise is of {oldest.isoformat()}"] if oldest else []
    return "; ".join(known)


UNKNOWN = "unknown: the row is not sealed, and was last written after the last seal"
