"""A torture: a house under load, run after run of one fault each, and what it did to it."""

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.customers import accept_disclosures, trading_key
from tests.house import House
from tests.torture import faults
from tests.torture.companions import officers
from tests.torture.load import LISTINGS, Load
from tests.torture.losses import list_losses, list_unfinished
from tests.torture.plan import Run

CUSTOMER = "ida@bourse.example"
RECOVERY_SECONDS_MAX = 120
BETWEEN_RUNS_SECONDS_MAX = 0.5
RUNS_BETWEEN_CHECKS = 50
WHILE_RUNNING = ("verify_ledger", "verify_audit")
# Reserves agree once nothing is under way any more.
AT_THE_END = (*WHILE_RUNNING, "verify_reserves")


@dataclass
class Torture:
    """Runs faults against a house that is up, and remembers what was wrong.

    A short one trades and pays in, but redeems and mints nothing.
    """

    house: House
    seed: int
    plan: list[Run]
    is_short: bool = False
    wrong: list[str] = field(default_factory=list)
    covered: Counter[Run] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)

    async def run(self) -> list[str]:
        """All runs; a sentence for everything that was lost, or never came."""
        async with AsyncExitStack() as companions:
            load = await self._begin()
            if not self.is_short:
                load.mints = await companions.enter_async_context(
                    officers(self.house, str(self.seed))
                )
            try:
                await self._play_all(load)
            except BaseException:
                await load.abandon()
                raise
            await load.stop()
            await self._end(load)
        return self.wrong

    async def _play_all(self, load: Load) -> None:
        chance = random.Random(self.seed)
        for number, run in enumerate(self.plan, 1):
            await asyncio.sleep(chance.uniform(0, BETWEEN_RUNS_SECONDS_MAX))
            await self._play(number, run, load, chance)
            if number % RUNS_BETWEEN_CHECKS == 0:
                await self._check(load, WHILE_RUNNING)

    async def _begin(self) -> Load:
        """A session that is open, a customer with money, and her orders on their way."""
        run = self.house.run()
        if not self.is_short:
            await _to_a_session(self.house)
        key = trading_key(self.house, CUSTOMER)
        await accept_disclosures(run["web"], key, LISTINGS)
        load = Load(run["web"], run["env"]["SOLANA_RPC_URL"], key, self.seed)
        await load.start(is_short=self.is_short)
        return load

    async def _play(self, number: int, run: Run, load: Load, chance: random.Random) -> None:
        """One fault, until orders are answered again."""
        since = time.monotonic()
        try:
            told = await self._inject(run, chance)
        except (faults.NotReached, faults.NotReplaced) as failure:
            self.wrong.append(f"run {number}: {run}: {failure}")
            told = f"{run}: {failure}"
        seconds = await self._recovery(load, number)
        took = time.monotonic() - since
        say(f"run {number}: {told}; answers again after {seconds:.1f} s ({took:.1f} s)")

    async def _inject(self, run: Run, chance: random.Random) -> str:
        if not run.point:
            fault = faults.draw(chance)
            await faults.inject(fault, self.house)
            self.covered[run] += 1
            return str(fault)
        reached = await faults.inject_at(run, self.house)
        self.covered[run] += 1
        return f"{run} (reached in {reached:.1f} s)"

    async def _recovery(self, load: Load, number: int) -> float:
        """Seconds until an order was acknowledged that was sent after the fault."""
        since = time.monotonic()
        while load.promises.newest_answered <= since:
            if time.monotonic() - since > RECOVERY_SECONDS_MAX:
                raise SystemExit(f"run {number}: no order is answered for {RECOVERY_SECONDS_MAX} s")
            await asyncio.sleep(0.02)
        self.recoveries.append(time.monotonic() - since)
        return self.recoveries[-1]

    async def _end(self, load: Load) -> None:
        say(str(load.promises))
        for moment, done in _by_moment(self.covered).items():
            say(f"  {moment}: {done}")
        say(f"answers again after: {_percentiles(self.recoveries)}")
        database = self._database
        self.wrong += await asyncio.to_thread(list_unfinished, database, load.promises)
        await self._check(load, AT_THE_END)

    async def _check(self, load: Load, verifiers: tuple[str, ...]) -> None:
        """Compare promises and recompute; what is found is a loss."""
        database = self._database
        losses = await asyncio.to_thread(list_losses, database, load.promises)
        verified = [asyncio.to_thread(self.house.manage, command) for command in verifiers]
        for command, done in zip(verifiers, await asyncio.gather(*verified), strict=True):
            if done.returncode != 0:
                losses.append(f"{command}: {done.stdout}{done.stderr}")
        say(f"promises, {', '.join(verifiers)}: {'; '.join(losses) or 'all as it should be'}")
        self.wrong += losses

    @property
    def _database(self) -> Any:
        return self.house.run()["env"]["DATABASE_URL"]


async def _to_a_session(house: House) -> None:
    """Move the sandbox's clock to where the custodian buys and sells."""
    run = house.run()
    async with httpx.AsyncClient(timeout=60) as client:
        session = (await client.get(f"{run['web']}/api/v1/session/")).raise_for_status().json()
        bell = datetime.fromisoformat(session["next_regular_open_at"])
        # A little after it, so that the feed has printed its first prices.
        step = {"to": (bell + timedelta(minutes=1)).isoformat()}
        (await client.post(f"{run['prices']}/sandbox/clock", json=step)).raise_for_status()


def _by_moment(covered: Counter[Run]) -> dict[str, str]:
    """What was done at each moment, and how often."""
    found: dict[str, list[str]] = {}
    for run, count in sorted(covered.items(), key=str):
        what = run.victim if run.point else "killed or frozen"
        found.setdefault(run.point or "any moment", []).append(f"{what} {count}")
    return {moment: ", ".join(done) for moment, done in found.items()}


def _percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    if not ordered:
        return "nothing was tried"
    median, most = (ordered[int(len(ordered) * part)] for part in (0.5, 0.9))
    return f"median {median:.1f} s, nine of ten {most:.1f} s, longest {ordered[-1]:.1f} s"


def say(text: str) -> None:
    print(text, flush=True)
