"""Load the trading calendar's file into the table.

    python manage.py load_calendar [--file F]
Safe to repeat: rows are corrected in place.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.refusals import Refusal
from reference import loading


class Command(BaseCommand):
    help = "Load the trading calendar's file into the table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, default=loading.CALENDAR_FILE)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = loading.load_trading_days(rows=loading.read_trading_days(options["file"]))
        except (Refusal, KeyError, ValueError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CommandError(f"{options['file']}: {why}", returncode=2) from error
        self.stdout.write(f"{count} trading days loaded")
