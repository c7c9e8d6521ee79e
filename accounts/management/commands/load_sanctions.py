"""Load the sanctions lists of OFAC, the EU and the UN from a directory."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.gateways.sanctions_lists import (
    MEMBERS,
    ListUnavailable,
    ListUnreadable,
    download,
)
from accounts.operations.sanctions import load_list
from kernel import clock


class Command(BaseCommand):
    help = "Loads ofac.xml, eu.xml and un.xml; the same files twice change nothing."
    # Downloading happens before there is a database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dir", type=Path, default=settings.VAR_DIR / "sanctions")
        parser.add_argument("--download-only", action="store_true", help="fetch, load nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        directory: Path = options["dir"]
        try:
            if not all((directory / f"{source}.xml").exists() for source in MEMBERS):
                self.stdout.write("Downloading the sanctions lists ...")
                download(directory)
            if not options["download_only"]:
                self._load(directory)
        except (ListUnavailable, ListUnreadable) as error:
            raise CommandError(str(error), returncode=2) from error

    def _load(self, directory: Path) -> None:
        for source in MEMBERS:
            loaded = load_list(path=directory / f"{source}.xml", source=source, now=clock.now())
            self.stdout.write(f"{loaded}: {loaded.entries_count} entries")
