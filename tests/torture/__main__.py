"""Faults under load: `python -m tests.torture [--runs N] [--seed N] [--only POINT[/VICTIM]]`.

A whole house, with servers of its own and a stand-by engine, trades and moves money.
In each run a process is brought to one of its named moments (docs/faults.md) and dies
there, or PostgreSQL or Valkey does, or it stands there for too long; some faults come
at any moment. The next run comes once the house answers orders again. Nothing
acknowledged may ever be gone, and ledger, audit trail and reserves have to verify.
Exit code 1: something was lost, or a moment was never reached. Ctrl-C and SIGTERM stop
it and its house: exit code 130.

The seed repeats the faults and what is asked for; the machine's timing it cannot repeat.
"""

import argparse
import asyncio
import random
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "platform"))

from tests.house import House
from tests.torture.plan import draw
from tests.torture.runs import Torture, say

RUNS = 210  # each moment with each victim about three times
STOPPED = 130  # as shells say it


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--only", default="", metavar="POINT[/VICTIM]", help="those alone")
    parser.add_argument("--keep", type=Path, help="folder for the house and its logs; it stays")
    given = parser.parse_args()
    plan = draw(random.Random(given.seed), given.runs, given.only)
    _stop_on_signals()
    say(f"seed {given.seed}, {len(plan)} runs; the house starts")
    with tempfile.TemporaryDirectory(prefix="bourse-torture-") as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        house = House(folder / "var")
        since = time.monotonic()
        try:
            house.start()
            wrong = asyncio.run(Torture(house, given.seed, plan).run())
        except KeyboardInterrupt:
            say("stopped; the house stops")
            return STOPPED
        finally:
            house.stop()
        say(f"{len(plan)} runs took {time.monotonic() - since:.0f} s, with the start")
    say(f"lost or not as it should be: {len(wrong) or 'nothing'}")
    for sentence in wrong:
        say(f"  {sentence}")
    return 1 if wrong else 0


def _stop_on_signals() -> None:
    """SIGTERM as Ctrl-C: it ends what is under way; also where a shell ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


if __name__ == "__main__":
    sys.exit(main())
