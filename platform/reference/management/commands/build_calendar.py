"""Write the trading calendar's CSV from the library exchange-calendars.

    python manage.py build_calendar --from 2024 --to 2028
A development command: the library (and pandas under it) is in
requirements-dev.lock alone; the product reads the CSV. The library's rules
reach only about a year ahead unless an end is named, so both ends are.
"""

import csv
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reference.loading import CALENDAR_FILE, HOURS
from reference.sessions import NEW_YORK

PRE_OPEN = time(4, 0)
POST_CLOSE = time(20, 0)
# NYSE Arca and Nasdaq end late trading at 17:00 on a day that closes at 13:00.
POST_CLOSE_EARLY = time(17, 0)
OVERNIGHT_OPEN = time(20, 0)


class Command(BaseCommand):
    help = "Write the XNYS trading days of some years into the calendar file."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="first_year", type=int, default=2024)
        parser.add_argument("--to", dest="last_year", type=int, default=2028)
        parser.add_argument("--file", type=Path, default=CALENDAR_FILE)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["first_year"] > options["last_year"]:
            raise CommandError("--from comes before --to, or is the same year.", returncode=2)
        rows = build_rows(options["first_year"], options["last_year"])
        with options["file"].open("w", newline="") as file:
            writer = csv.DictWriter(file, ["date", *HOURS, "is_early_close"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        self.stdout.write(f"{len(rows)} trading days written to {options['file']}")


def build_rows(first_year: int, last_year: int) -> list[dict[str, str]]:
    """The trading days of the years, as text, instants in UTC.

    :raises CommandError: the library is not installed.
    """
    try:
        import exchange_calendars
    except ImportError as error:
        raise CommandError(
            "Install requirements-dev.lock: exchange-calendars is missing."
        ) from error
    calendar = exchange_calendars.get_calendar(
        "XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31"
    )
    early = {session.date() for session in calendar.early_closes}
    return [
        _row(
            session.date(),
            calendar.session_open(session).to_pydatetime(),
            calendar.session_close(session).to_pydatetime(),
            session.date() in early,
        )
        for session in calendar.sessions
    ]


def _row(day: date, open_at: datetime, close_at: datetime, is_early: bool) -> dict[str, str]:
    eve = day - timedelta(days=1)
    return {
        "date": day.isoformat(),
        "overnight_open_at": _utc(_eastern(eve, OVERNIGHT_OPEN)),
        "pre_open_at": _utc(_eastern(day, PRE_OPEN)),
        "open_at": _utc(open_at),
        "close_at": _utc(close_at),
        "post_close_at": _utc(_eastern(day, POST_CLOSE_EARLY if is_early else POST_CLOSE)),
        "is_early_close": str(is_early).lower(),
    }


def _eastern(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=NEW_YORK)


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
