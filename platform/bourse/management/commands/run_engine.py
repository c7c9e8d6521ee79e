"""Listed here for `manage.py help`; manage.py runs it without Django (command_line.py)."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand

from bourse import engine_process


class Command(BaseCommand):
    help = "Run the engine of a pool; a second one stands by and takes over."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        engine_process.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(engine_process.main(["--pool", str(options["pool"])]))
