"""verify_ledger: seconds to verify 1 million postings, beside copying and hashing them.

Both sides run in a process of their own, whose start is not timed; rounds alternate.
See README.md here for the workload.
"""

import hashlib
import json
import os
import subprocess
import sys
import time

import django

from benchmarks.report import Result, say
from benchmarks.servers import ROOT, Servers

BOUND = 3.0
PEAK_MB_MAX = 200.0


def run(servers: Servers, *, rounds: int, seed: int) -> Result:
    """Medians of both sides over the rounds."""
    django.setup()
    from benchmarks import books

    books.fill(servers, seed)
    values, copied, peaks = [], [], []
    for number in range(1, rounds + 1):
        copied.append(_side("copy_seconds")["seconds"])
        verified = _side("verify_seconds")
        values.append(verified["seconds"])
        peaks.append(verified["peak_mb"])
        say(f"verify_ledger {number}: {values[-1]:.2f} s beside {copied[-1]:.2f} s")
    return Result(
        bench="verify_ledger",
        unit="s",
        values=values,
        yardstick="COPY of the postings TO STDOUT through SHA-256, s",
        yardstick_values=copied,
        bound=BOUND,
        at_most=True,
        also={"peak_mb": (max(peaks), PEAK_MB_MAX)},
    )


def _side(name: str) -> dict[str, float]:
    """Run one of the functions below in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.verify_ledger", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def verify_seconds() -> float:
    from custody.verification.run import verify_ledger

    started = time.perf_counter()
    report = verify_ledger()
    seconds = time.perf_counter() - started
    assert report.is_clean, report.differences[:3]
    return seconds


def copy_seconds() -> float:
    from django.db import connection

    connection.ensure_connection()
    started = time.perf_counter()
    digest = hashlib.sha256()
    with connection.cursor() as cursor, cursor.copy("COPY custody_posting TO STDOUT") as copy:
        for data in copy:
            digest.update(data)
    return time.perf_counter() - started


if __name__ == "__main__":
    import resource

    django.setup()
    side = {"verify_seconds": verify_seconds, "copy_seconds": copy_seconds}[sys.argv[1]]
    taken = side()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken, "peak_mb": peak}))
