"""Listed here for `manage.py help`; manage.py runs it before Django (command_line.py)."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand

from bourse.supervisor import cli


class Command(BaseCommand):
    help = "Start everything Bourse consists of, watch it, and stop it in order."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        argv = ["--only", options["only"]] + (["--no-demo"] if options["no_demo"] else [])
        sys.exit(cli.main(argv))
