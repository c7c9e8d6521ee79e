"""The Celery application: tasks sweep rows, beat tells them when.

An app's `tasks.py` says how often its sweeps run:

    BEAT_SCHEDULE = {"poll-prices": {"task": "reference.tasks.poll_prices", "schedule": 10.0}}
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bourse.settings")

APPS = ("reference", "accounts", "custody", "trading", "reporting")

app = Celery("bourse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def merge_schedules(sender: Celery, **kwargs: Any) -> None:
    """Let beat know every app's schedule; a name may be taken once."""
    schedule: dict[str, Any] = {}
    for name in APPS:
        if find_spec(f"{name}.tasks") is None:
            continue
        for entry, content in getattr(import_module(f"{name}.tasks"), "BEAT_SCHEDULE", {}).items():
            assert entry not in schedule, f"two apps schedule {entry}"
            # A sweep that could not start before the next one is due is not needed.
            content.setdefault("options", {}).setdefault("expires", 60)
            schedule[entry] = content
    sender.conf.beat_schedule = schedule
