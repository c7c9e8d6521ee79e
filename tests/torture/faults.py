"""Faults: a part of the running house is killed or frozen, by chance."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from dataclasses import dataclass

from tests.house import House

PARTS = ("engine", "web", "worker", "postgres")
KINDS = ("kill -9", "freeze")
# Longer than an engine's heartbeat may be late, and than clients wait for an answer.
FROZEN_SECONDS_MAX = 12.0


@dataclass(frozen=True)
class Fault:
    """`seconds`: for how long it is frozen."""

    part: str
    kind: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} {self.part}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


def draw(chance: random.Random) -> Fault:
    part, kind = chance.choice(PARTS), chance.choice(KINDS)
    seconds = chance.uniform(0.5, FROZEN_SECONDS_MAX)
    return Fault(part, kind, seconds if kind == "freeze" else 0.0)


async def inject(fault: Fault, house: House) -> None:
    """Return when it is over: the part is dead, or goes on."""
    process_id = house.process_id(fault.part)
    if fault.kind == "kill -9":
        os.kill(process_id, signal.SIGKILL)
        return
    os.kill(process_id, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGCONT)
