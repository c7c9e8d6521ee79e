"""`manage.py seal`: the process that seals the ledger and the audit trail each second."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from custody import sealing
from kernel import clock

INTERVAL_SECONDS = 1.0


class Command(BaseCommand):
    # Without the checks no page is imported: the process stays small and starts quickly.
    requires_system_checks: list[str] = []
    help = "Seal what was written since the last seal, once a second; -v 2 tells each seal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Seal what there is, then leave.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        # A line a second would drown the log of who runs it as a process.
        is_told = options["once"] or options["verbosity"] > 1
        if not options["once"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        try:
            self._run(stop, once=options["once"], is_told=is_told)
        except sealing.HeadsDisagree as problem:
            raise CommandError(str(problem)) from problem
        except OperationalError as problem:
            raise CommandError(f"The database went away: {problem}") from problem

    def _run(self, stop: threading.Event, *, once: bool, is_told: bool) -> None:
        sealer = sealing.sealer()
        sealer.start()
        while not stop.is_set():
            seals = sealer.seal(clock.now())
            if is_told:
                for seal in seals:
                    self.stdout.write(f"{seal} covers {seal.leaf_count} rows")
            if once and not seals:
                return
            if not once:
                stop.wait(INTERVAL_SECONDS)
