"""Faults: a part of the running house dies or freezes, at a named moment or at any."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.house import House
from tests.torture.plan import Run, Victim

PARTS = ("engine", "web", "worker", "postgres")
KINDS = ("kill -9", "freeze")
# Longer than an engine's heartbeat may be late.
FROZEN_SECONDS_MAX = 6.0
# A worker may have to start first, and then to find something to do.
REACH_SECONDS_MAX = 120.0
TAKE_OVER_SECONDS_MAX = 30.0
WEB_FROZEN_SECONDS = 2.0
LOOK_SECONDS = 0.02
STOPPED_OR_GONE = ("T", "Z", "")


class NotReached(Exception):
    """No process came by the named moment in time."""


class NotReplaced(Exception):
    """Nobody took the pool over from a frozen engine."""


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
        _kill(process_id)
        return
    os.kill(process_id, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        _go_on(process_id)


async def inject_at(run: Run, house: House) -> float:
    """Let a process come to the run's moment and strike there; the seconds until it came.

    :raises NotReached: none came.
    :raises NotReplaced: the engine that was frozen there remained the pool's owner.
    """
    since = time.monotonic()
    process_id = await _stand_at(run.point, house.faults)
    took = time.monotonic() - since
    try:
        await _strike(run, house, process_id)
    finally:
        _go_on(process_id)
    return took


async def _strike(run: Run, house: House, process_id: int) -> None:
    match run.victim:
        case Victim.ITSELF:
            _kill(process_id)
        case Victim.POSTGRES:
            _kill_family(house.process_id("postgres"))
        case Victim.VALKEY:
            _kill(house.process_id("valkey"))
        case Victim.FROZEN if run.point.startswith("engine."):
            await _until_replaced(house.run()["env"]["DATABASE_URL"])
        case Victim.FROZEN:
            await asyncio.sleep(WEB_FROZEN_SECONDS)


async def _stand_at(point: str, faults_dir: Path) -> int:
    """Ask for it, and the process that stands there."""
    wanted = faults_dir / point
    wanted.touch()
    try:
        return await _whoever_comes(point, faults_dir)
    finally:
        wanted.unlink(missing_ok=True)


async def _whoever_comes(point: str, faults_dir: Path) -> int:
    deadline = time.monotonic() + REACH_SECONDS_MAX
    while True:
        for reached in faults_dir.glob(f"{point}.*.reached"):
            process_id = int(reached.name.split(".")[-2])
            reached.unlink()
            await _until_stopped(process_id)
            return process_id
        if time.monotonic() > deadline:
            with suppress(FileNotFoundError):  # then somebody came just now
                (faults_dir / point).unlink()
                raise NotReached(f"{point} was not reached within {REACH_SECONDS_MAX:.0f} s")
        await asyncio.sleep(LOOK_SECONDS)


async def _until_replaced(database_url: str) -> None:
    def epoch() -> int:
        with psycopg.connect(database_url, connect_timeout=5) as database:
            row = database.execute("SELECT max(epoch) FROM trading_pool").fetchone()
        assert row is not None
        return int(row[0])

    before = await asyncio.to_thread(epoch)
    deadline = time.monotonic() + TAKE_OVER_SECONDS_MAX
    while await asyncio.to_thread(epoch) == before:
        if time.monotonic() > deadline:
            raise NotReplaced(f"no engine took over within {TAKE_OVER_SECONDS_MAX:.0f} s")
        await asyncio.sleep(0.1)


async def _until_stopped(process_id: int) -> None:
    """It takes the file first and stops then."""
    while _state(process_id) not in STOPPED_OR_GONE:
        await asyncio.sleep(LOOK_SECONDS)


def _kill_family(process_id: int) -> None:
    """A server with all its children, as when the machine goes: nobody tidies up."""
    os.kill(process_id, signal.SIGSTOP)  # or it would notice the first child's death
    for each in [*_children(process_id), process_id]:
        _kill(each)


def _children(process_id: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if _stat(int(folder.name))[1] == str(process_id):
                    yield int(folder.name)


def _state(process_id: int) -> str:
    """One letter, such as R for running and T for stopped; "" when it is gone."""
    try:
        return _stat(process_id)[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _stat(process_id: int) -> list[str]:
    """What the kernel says of a process, from its state on."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def _kill(process_id: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


def _go_on(process_id: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGCONT)
