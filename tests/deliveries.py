"""Delivering Celery tasks as a broker may: twice, in parallel, out of order, or not at all."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from bourse.celery import app

THREADS = 6
Deliver = Callable[[Sequence[str]], None]


def own_tasks() -> set[str]:
    """Every task that our apps register, Celery's own left out."""
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith("celery.")}


def deliver(name: str) -> None:
    """Run a task as the worker does; what it raises is raised."""
    app.tasks[name].apply(throw=True)


def twice_in_a_row(names: Sequence[str]) -> None:
    for name in names:
        deliver(name)
        deliver(name)


def in_parallel(names: Sequence[str]) -> None:
    """Each task twice at the same time, and beside other tasks."""
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(_alone, name) for name in names for _ in range(2)]:
            done.result(timeout=120)


def _alone(name: str) -> None:
    try:
        deliver(name)
    finally:
        connection.close()


def reversed_and_lossy(seed: int) -> Deliver:
    """The other way round, and every second delivery is lost on its way."""
    dice = random.Random(seed)

    def run(names: Sequence[str]) -> None:
        for name in reversed(names):
            if dice.random() < 0.5:
                deliver(name)

    return run


WAYS: dict[str, Deliver] = {
    "twice in a row": twice_in_a_row,
    "in parallel": in_parallel,
    "reversed, half of them lost": reversed_and_lossy(20_261_125),
}
