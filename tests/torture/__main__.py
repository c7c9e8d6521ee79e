"""Faults under load: `python -m tests.torture [--seed N] [--rounds N]`.

A whole house, with servers of its own, trades and moves money while its parts are
killed and frozen at random points. Each round is one fault; the next comes once the
house answers orders again. In the end nothing acknowledged may be gone, and ledger,
audit trail and reserves have to verify. Exit code 1: something was lost.

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

from tests.customers import accept_disclosures, trading_key
from tests.house import House
from tests.torture import faults
from tests.torture.load import LISTINGS, TRADERS, Load
from tests.torture.losses import list_losses

ROUNDS = 15  # some five minutes
BETWEEN_FAULTS_SECONDS = (2.0, 6.0)
RECOVERY_SECONDS_MAX = 180
CUSTOMER = "ida@bourse.example"
VERIFIERS = ("verify_ledger", "verify_audit", "verify_reserves")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    say(f"seed {options.seed}, {options.rounds} rounds; the house starts")
    with tempfile.TemporaryDirectory(prefix="bourse-torture-") as folder:
        house = House(Path(folder) / "var")
        try:
            house.start()
            losses = asyncio.run(torture(house, options.seed, options.rounds))
            losses += verify(house)
        finally:
            house.stop()
    say(f"lost: {len(losses) or 'nothing'}")
    for loss in losses:
        say(f"  {loss}")
    return 1 if losses else 0


async def torture(house: House, seed: int, rounds: int) -> list[str]:
    """Run the load through all rounds; what was lost."""
    run = house.run()
    key = trading_key(house, CUSTOMER)
    await accept_disclosures(run["web"], key, LISTINGS)
    load = Load(run["web"], run["env"]["SOLANA_RPC_URL"], key, seed)
    await load.start()
    chance = random.Random(seed)
    try:
        for number in range(1, rounds + 1):
            await asyncio.sleep(chance.uniform(*BETWEEN_FAULTS_SECONDS))
            fault = faults.draw(chance)
            await faults.inject(fault, house)
            seconds = await recovery(load)
            say(f"round {number}: {fault}; orders answered again after {seconds:.1f} s")
    finally:
        await load.stop()
    say(str(load.promises))
    return await asyncio.to_thread(list_losses, run["env"]["DATABASE_URL"], load.promises)


async def recovery(load: Load) -> float:
    """Seconds until an order was acknowledged that was sent after the fault."""
    # Each trader may have had one on its way, whose answer was already sent.
    enough, since = len(load.promises.orders) + TRADERS + 1, time.monotonic()
    while len(load.promises.orders) < enough:
        if time.monotonic() - since > RECOVERY_SECONDS_MAX:
            raise SystemExit(f"no order was answered for {RECOVERY_SECONDS_MAX} s")
        await asyncio.sleep(0.1)
    return time.monotonic() - since


def verify(house: House) -> list[str]:
    """The three verifiers; what they find is a loss too."""
    losses = []
    for command in VERIFIERS:
        done = house.manage(command)
        say(f"{command}: {'passes' if done.returncode == 0 else 'FAILS'}")
        if done.returncode != 0:
            losses.append(f"{command}: {done.stdout}{done.stderr}")
    return losses


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
