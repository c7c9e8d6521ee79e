"""The sweeps that count trades: into candles, and the volumes of days that are over."""

from typing import Any

import structlog
from celery import shared_task

from kernel import clock
from trading import candles, volumes

log = structlog.get_logger()

# Looked at often, done once: a day is counted at 00:10 UTC of the next.
BEAT_SCHEDULE = {
    "count-volumes": {"task": "trading.count_volumes", "schedule": 60.0},
    "count-candles": {"task": "trading.count_candles", "schedule": 10.0},
}


@shared_task(name="trading.count_volumes")
def count_volumes(**kwargs: Any) -> None:
    """Count every day that is over; engines learn of it, and tiers move."""
    for day in volumes.count_days(now=clock.now()):
        log.info("volume_counted", day=str(day))


@shared_task(name="trading.count_candles")
def count_candles(**kwargs: Any) -> None:
    """Count new trades into candles, so that reads have few left to add."""
    candles.count_all()
