"""What earlier runs found: the newest figure of each comparison, cases, silence."""

from collections.abc import Collection
from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from custody.models import ReconciliationCase, ReconciliationFigure, ReconciliationRun
from custody.models.reconciliation import CUSTODIAN_COMPARISONS, Comparison
from custody.reconciliation.figures import KEPT_MOVING, Key

# One look into the index for each comparison, however many figures there are.
NEWEST = """
SELECT newest.id
  FROM unnest(%s::bigint[], %s::text[]) AS wanted (asset_id, what)
 CROSS JOIN LATERAL (
       SELECT figure.id FROM custody_reconciliationfigure AS figure
        WHERE figure.asset_id = wanted.asset_id AND figure.what = wanted.what
          AND (figure.verdict <> 'unavailable' OR NOT %s)
        ORDER BY figure.id DESC LIMIT 1) AS newest
"""
# So many runs in a row without an answer are told the staff.
SILENT_RUNS_MAX = 3
STANDS_STILL_AFTER = timedelta(minutes=15)
REGULAR = [ReconciliationRun.Kind.INTERVAL, ReconciliationRun.Kind.CLOSE]


def newest_figures(
    keys: Collection[Key], *, heard_of: bool = True
) -> dict[Key, ReconciliationFigure]:
    """The newest figure of each, with its run; `heard_of`: in which the party answered."""
    with connection.cursor() as cursor:
        wanted = [key.asset_id for key in keys], [str(key.what) for key in keys], heard_of
        cursor.execute(NEWEST, wanted)
        ids = [row[0] for row in cursor.fetchall()]
    figures = ReconciliationFigure.objects.filter(id__in=ids).select_related("run", "asset")
    return {Key(each.asset_id, Comparison(each.what)): each for each in figures}


def list_open_cases() -> QuerySet[ReconciliationCase]:
    """Differences that two officers have not closed, oldest first."""
    cases = ReconciliationCase.objects.filter(state=ReconciliationCase.State.OPEN)
    return cases.select_related("asset").order_by("opened_at", "id")


def list_silent_parties() -> list[str]:
    """ "custodian", "chain": whose figures were missing in each of the last runs."""
    runs = ReconciliationRun.objects.filter(kind__in=REGULAR).order_by("-as_of", "-id")
    ids = list(runs.values_list("id", flat=True)[:SILENT_RUNS_MAX])
    if len(ids) < SILENT_RUNS_MAX:
        return []
    silent = ReconciliationFigure.objects.filter(run__in=ids, party_units=None)
    silent = silent.exclude(note=KEPT_MOVING)
    runs_of: dict[str, set[object]] = {}
    for run_id, what in silent.values_list("run_id", "what").distinct():
        party = "custodian" if what in CUSTODIAN_COMPARISONS else "chain"
        runs_of.setdefault(party, set()).add(run_id)
    return sorted(party for party, seen in runs_of.items() if len(seen) == SILENT_RUNS_MAX)


def stands_still() -> bool:
    """Whether no run has ended for a while, though there have been some."""
    runs = ReconciliationRun.objects.all()
    return runs.exists() and not runs.filter(finished_at__gt=Now() - STANDS_STILL_AFTER).exists()
