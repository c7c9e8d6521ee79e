"""Running checks side by side: two connections beside the caller's, on one snapshot.

The database does the work, so threads are enough. Inside a transaction of the
caller's everything runs on its own connection instead: nobody else sees what it has
not committed.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from django.db import connection

from custody.verification.registry import Check, Difference
from custody.verification.snapshots import share, snapshot

# Enough to see what happened; a broken table would fill the screen.
DIFFERENCES_PER_CHECK_MAX = 100
LANES = 2

Waiting = deque[tuple[int, Check]]
Found = dict[int, list[Difference]]


def run_checks(
    checks: list[Check], *, meanwhile: Callable[[], Iterable[Difference]]
) -> list[Difference]:
    """What the checks find, in their order, then what `meanwhile` finds here.

    Call it inside `snapshot()`.
    """
    waiting: Waiting = deque(enumerate(checks))
    if _is_nested():
        found = _take(waiting)
        last = _some(meanwhile())
    else:
        name = share()
        with ThreadPoolExecutor(LANES) as lanes:
            running = [lanes.submit(_lane, waiting, name) for _ in range(LANES)]
            last = _some(meanwhile())
            found = {number: some for lane in running for number, some in lane.result().items()}
    return [difference for number in sorted(found) for difference in found[number]] + last


def _is_nested() -> bool:
    """Whether this snapshot is part of a transaction that may have written."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone()[0] == "off")


def _lane(waiting: Waiting, name: str) -> Found:
    try:
        with snapshot(name):
            return _take(waiting)
    finally:
        connection.close()


def _take(waiting: Waiting) -> Found:
    """Run what is next until nothing is left."""
    found: Found = {}
    with connection.cursor() as cursor:
        while waiting:
            try:
                number, check = waiting.popleft()
            except IndexError:  # another lane was faster
                break
            found[number] = _some(check(cursor))
    return found


def _some(differences: Iterable[Difference]) -> list[Difference]:
    return list(islice(differences, DIFFERENCES_PER_CHECK_MAX))
