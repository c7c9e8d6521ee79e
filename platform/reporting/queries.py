"""Which days still wait for their export."""

from datetime import UTC, date, datetime, time, timedelta

from reporting.models import ExportFile, ExportKind
from trading.models import Trade

# A worker that was away longer than this is a matter for people: they build by hand.
DAYS_CAUGHT_UP_MAX = 7


def list_days_due(*, now: datetime) -> list[date]:
    """Past UTC days with trades and no file built after their end, oldest first."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(DAYS_CAUGHT_UP_MAX, 0, -1)]
    exports = ExportFile.objects.filter(kind=ExportKind.RTS22, day__in=days)
    built = {export.day for export in exports if export.built_at >= _end_of(export.day)}
    return [day for day in days if day not in built and _has_trades(day)]


def _has_trades(day: date) -> bool:
    end = _end_of(day)
    start = end - timedelta(days=1)
    return Trade.objects.filter(traded_at__gte=start, traded_at__lt=end).exists()


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(0), UTC)
