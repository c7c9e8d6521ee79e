"""One run: read both sides, judge, keep what was read, open cases.

The ledger is read before and after the parties; what moved in between, or does not
add up, is read again a few times, and what kept moving is never called a difference.
One that stands is suspected first and a case when the next run still sees it. The
parties are asked outside any transaction; the run, its figures and its cases are
written in one.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction

from custody.models import ReconciliationCase, ReconciliationFigure, ReconciliationRun
from custody.models.reconciliation import CUSTODIAN_COMPARISONS
from custody.reconciliation.books import list_keys, read_books
from custody.reconciliation.figures import KEPT_MOVING, NOTHING, Books, Figure, Key
from custody.reconciliation.history import list_open_cases, newest_figures
from custody.reconciliation.parties import Parties, Sources, read_parties
from reference.models import TradingDay

Kind = ReconciliationRun.Kind
Verdict = ReconciliationFigure.Verdict

READS_MAX = 4
# A second look sooner than that is the same look.
SECOND_LOOK_AFTER = timedelta(seconds=10)
# So long a close waits for parties that do not answer; then it is kept as it is.
CLOSE_WAITS = timedelta(hours=1)


def reconcile(
    *,
    kind: ReconciliationRun.Kind,
    sources: Sources,
    now: datetime,
    only: Sequence[Key] | None = None,
) -> ReconciliationRun:
    """Compare everything (or `only` these) once, and keep it.

    A party that does not answer leaves its figures unavailable; it never raises.
    """
    keys = list_keys() if only is None else list(only)
    figures = read_figures(keys=keys, sources=sources, now=now)
    return _keep(ReconciliationRun(kind=kind, as_of=now), figures)


def reconcile_suspected(*, sources: Sources, now: datetime) -> ReconciliationRun | None:
    """Look again at what did not add up the last time; None when there is nothing."""
    keys = [
        key
        for key, figure in newest_figures(list_keys()).items()
        if figure.verdict == Verdict.SUSPECTED and _is_second_look(figure, now)
    ]
    if not keys:
        return None
    return reconcile(kind=Kind.AGAIN, sources=sources, now=now, only=keys)


def reconcile_close(*, sources: Sources, now: datetime) -> ReconciliationRun | None:
    """The run of the last regular close, once a trading day; None when it is there or waits."""
    day = TradingDay.objects.filter(close_at__lte=now).order_by("-close_at").first()
    if day is None or _close_run(day.date) is not None:
        return None
    figures = read_figures(keys=list_keys(), sources=sources, now=now)
    figures = [figure for figure in figures if not figure.is_empty]
    is_whole = all(figure.party_units is not None for figure in figures)
    if not figures or (not is_whole and now < day.close_at + CLOSE_WAITS):
        return None
    run = ReconciliationRun(kind=Kind.CLOSE, trading_date=day.date, as_of=now)
    try:
        return _keep(run, figures)
    except IntegrityError:
        if _close_run(day.date) is None:
            raise
        return None  # another worker was first


def read_figures(*, keys: Sequence[Key], sources: Sources, now: datetime) -> list[Figure]:
    """Both sides of each comparison, read so that they belong together.

    An order may fill between two questions to one party, too: what does not add up is
    read again at once, before anybody calls it suspected.
    """
    found: dict[Key, Figure] = {}
    pending, moving = list(keys), set(keys)
    for _ in range(READS_MAX):
        before = read_books(pending, now)
        parties = read_parties(pending, sources, now)
        after = read_books(pending, now)
        for key in pending:
            found[key] = _figure(key, before[key], after[key], parties)
        moving = {key for key in pending if before[key] != after[key]}
        pending = [key for key in pending if key in moving or found[key].differs]
        if not pending:
            break
    return [_settle(found[key], key in moving) for key in keys]


def _close_run(day: date) -> ReconciliationRun | None:
    return ReconciliationRun.objects.filter(kind=Kind.CLOSE, trading_date=day).first()


# --- reading --------------------------------------------------------------------


def _figure(key: Key, before: Books, after: Books, parties: Parties) -> Figure:
    party = parties.units.get(key)
    # As if the ledger had stood at `after` all along; equal but for what kept moving.
    moved = before.units - after.units
    under_way = before.in_flight.shifted(moved).hull(after.in_flight)
    return Figure(
        key=key,
        ledger_units=after.units,
        party_units=party,
        in_flight=under_way + parties.in_flight.get(key, NOTHING),
        note="" if party is not None else _silence(key),
    )


def _settle(figure: Figure, is_moving: bool) -> Figure:
    """What moved at every reading and does not add up cannot be judged."""
    if is_moving and figure.differs:
        return figure.unread(KEPT_MOVING)
    return figure


def _silence(key: Key) -> str:
    party = "custodian" if key.what in CUSTODIAN_COMPARISONS else "chain"
    return f"The {party} did not say."


# --- keeping --------------------------------------------------------------------


@transaction.atomic
def _keep(run: ReconciliationRun, figures: Sequence[Figure]) -> ReconciliationRun:
    """The run with its figures, and a case for each difference that was seen twice."""
    earlier = newest_figures([figure.key for figure in figures])
    run.save(force_insert=True)
    rows = [
        _row(run, figure, _judge(figure, earlier.get(figure.key), run.as_of))
        for figure in figures
        # Assets that nobody ever had are not worth a row each time.
        if figure.key in earlier or not figure.is_empty
    ]
    ReconciliationFigure.objects.bulk_create(rows)
    _open_cases(run, [row for row in rows if row.verdict == Verdict.BREAK])
    _note_matches(rows, run.as_of)
    return run


def _judge(
    figure: Figure, earlier: ReconciliationFigure | None, as_of: datetime
) -> ReconciliationFigure.Verdict:
    if figure.party_units is None:
        return Verdict.UNAVAILABLE
    if figure.adds_up:
        return Verdict.MATCHES
    if earlier is None or earlier.verdict == Verdict.MATCHES:
        return Verdict.SUSPECTED
    if earlier.verdict == Verdict.BREAK or _is_second_look(earlier, as_of):
        return Verdict.BREAK
    return Verdict.SUSPECTED


def _is_second_look(earlier: ReconciliationFigure, now: datetime) -> bool:
    return earlier.run.as_of <= now - SECOND_LOOK_AFTER


def _row(
    run: ReconciliationRun, figure: Figure, verdict: ReconciliationFigure.Verdict
) -> ReconciliationFigure:
    return ReconciliationFigure(
        run=run,
        asset_id=figure.key.asset_id,
        what=figure.key.what,
        ledger_units=figure.ledger_units,
        party_units=figure.party_units,
        in_flight_low=figure.in_flight.low,
        in_flight_high=figure.in_flight.high,
        verdict=verdict,
        note=figure.note,
    )


def _open_cases(run: ReconciliationRun, breaks: Sequence[ReconciliationFigure]) -> None:
    """Open is halted. What another worker opened in the same moment stays the one case."""
    ReconciliationCase.objects.bulk_create(
        [_case(run, row) for row in breaks], ignore_conflicts=True
    )


def _case(run: ReconciliationRun, row: ReconciliationFigure) -> ReconciliationCase:
    assert row.party_units is not None
    return ReconciliationCase(
        asset_id=row.asset_id,
        what=row.what,
        run=run,
        ledger_units=row.ledger_units,
        party_units=row.party_units,
        difference_units=row.party_units - row.ledger_units,
        in_flight_low=row.in_flight_low,
        in_flight_high=row.in_flight_high,
        opened_at=run.as_of,
    )


def _note_matches(rows: Sequence[ReconciliationFigure], as_of: datetime) -> None:
    """An open case says since when its figures match again; it stays open all the same."""
    cases = {(case.asset_id, case.what): case for case in list_open_cases()}
    for row in rows:
        case = cases.get((row.asset_id, row.what))
        if case is None or row.verdict == Verdict.UNAVAILABLE:
            continue
        matches = row.verdict == Verdict.MATCHES
        if matches and case.matches_since is None:
            ReconciliationCase.objects.filter(id=case.id).update(matches_since=as_of)
        elif not matches and case.matches_since is not None:
            ReconciliationCase.objects.filter(id=case.id).update(matches_since=None)
