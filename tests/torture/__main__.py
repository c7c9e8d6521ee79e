"""Faults under load: `python -m tests.torture [--runs N] [--seed N] [--only POINT[/VICTIM]]`.

A whole house, with servers of its own and a stand-by engine, trades and moves money.
In each run a process is brought to one of its named moments (docs/faults.md) and dies
there, or PostgreSQL or Valkey does, or it stands there for too long; some faults come
at any moment. The next run comes once the house answers orders again. Nothing
acknowledged may ever be gone, and ledger, audit trail and reserves have to verify.
Exit code 1: something was lost, or a moment was never reached.

The seed repeats the faults and what is asked for; the machine's timing it cannot repeat.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "platform"))

from tests.house import House
from tests.torture.plan import draw
from tests.torture.runs import Torture, say

RUNS = 210  # each moment with each victim about three times


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--only", default="", metavar="POINT[/VICTIM]", help="those alone")
    parser.add_argument("--keep", type=Path, help="folder for the house and its logs; it stays")
    given = parser.parse_args()
    plan = draw(random.Random(given.seed), given.runs, given.only)
    say(f"seed {given.seed}, {len(plan)} runs; the house starts")
    with tempfile.TemporaryDirectory(prefix="bourse-torture-") as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        house = House(folder / "var")
        try:
            house.start()
            since = time.monotonic()
            wrong = asyncio.run(Torture(house, given.seed, plan).run())
            say(f"{len(plan)} runs took {time.monotonic() - since:.0f} s")
        finally:
            house.stop()
    say(f"lost or not as it should be: {len(wrong) or 'nothing'}")
    for sentence in wrong:
        say(f"  {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
