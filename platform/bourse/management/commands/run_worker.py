"""One process for Celery's worker and beat: what a single machine needs.

Threads, because the sweeps wait for outside parties and hardly compute. Beat is
a thread too: its schedule is all intervals, so it keeps nothing on disk and
leaves nothing behind when killed. Larger installations run
`celery -A bourse.celery worker` and one `beat` instead (docs/operations.md).
"""

import threading
import warnings
from typing import Any

from celery import beat
from celery.exceptions import SecurityWarning
from django.core.management.base import BaseCommand, CommandParser

from bourse.celery import app


class Command(BaseCommand):
    help = "Run the Celery worker and its beat in this process."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=int, default=4)

    def handle(self, *args: Any, **options: Any) -> None:
        # Root in the demo's container; our supervisor starts it as whoever it is.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        app.finalize()
        service = beat.Service(app, scheduler_cls=beat.Scheduler)
        thread = threading.Thread(target=service.start, name="beat", daemon=True)
        worker = app.Worker(
            quiet=True,
            pool="threads",
            concurrency=options["threads"],
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        thread.start()
        worker.start()
        service.stop(wait=False)
