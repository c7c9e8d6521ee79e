"""The sweep that exports the days that are over."""

from typing import Any

import structlog
from celery import shared_task

from kernel import clock
from kernel.refusals import Refusal
from reporting import operations, queries

log = structlog.get_logger()

# The deadline is the end of the next working day (MiFIR Article 26(1)): hours remain.
BEAT_SCHEDULE = {
    "export-transactions": {"task": "reporting.tasks.export_transactions", "schedule": 300.0}
}


@shared_task
def export_transactions(**kwargs: Any) -> None:
    """Build the file of every past day that has none."""
    now = clock.now()
    for day in queries.list_days_due(now=now):
        try:
            export = operations.build_rts22(day=day, now=now)
        except Refusal as refusal:
            log.warning("export_refused", day=str(day), code=refusal.code)
        else:
            log.info("export_built", day=str(day), state=export.state)
