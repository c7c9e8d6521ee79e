"""Load which countries are served, and why others are not.

    python manage.py load_countries [--file F]
Safe to repeat: rows are corrected in place.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.refusals import Refusal
from reference import loading


class Command(BaseCommand):
    help = "Load which countries are served, and why others are not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, default=loading.COUNTRIES_FILE)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = loading.load_countries(rows=loading.read_countries(options["file"]))
        except (Refusal, KeyError, ValueError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CommandError(f"{options['file']}: {why}", returncode=2) from error
        self.stdout.write(f"{count} country rules changed")
