"""Which fault comes when: every named moment with every victim that makes sense, shuffled."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kernel import faults

# So many faults at no named moment join each round of those that have one.
RANDOM_FAULTS_A_ROUND = 5


class Victim(StrEnum):
    """What is done while a process stands at a named moment."""

    ITSELF = "itself"  # kill -9 of the process that stands there
    POSTGRES = "postgres"  # kill -9 of the database; then the process goes on
    VALKEY = "valkey"  # kill -9 of Valkey; then it goes on
    FROZEN = "frozen"  # it stands there longer than anybody waits, then goes on


WITH_VALKEY = ("engine.", "web.", "worker.")
# Others may take over from a frozen engine; nobody has to from the rest.
FREEZABLE = ("engine.", "web.")


@dataclass(frozen=True)
class Run:
    """One fault: at a named moment, or at any (`point` is empty)."""

    point: str
    victim: Victim = Victim.ITSELF

    def __str__(self) -> str:
        if not self.point:
            return "at any moment"
        does = "stands for long" if self.victim == Victim.FROZEN else f"kill -9 {self.victim}"
        return f"{self.point}: {does}"


def all_runs() -> list[Run]:
    """Each named moment with each victim that makes sense there."""
    return [Run(point, victim) for point in sorted(faults.POINTS) for victim in victims(point)]


def victims(point: str) -> list[Victim]:
    found = [Victim.ITSELF, Victim.POSTGRES]
    if point.startswith(WITH_VALKEY):
        found.append(Victim.VALKEY)
    if point.startswith(FREEZABLE):
        found.append(Victim.FROZEN)
    return found


def draw(chance: random.Random, count: int, only: str = "") -> list[Run]:
    """`count` runs: all of them before any comes again. `only`: those that begin with it."""
    return [run for run, _ in zip(_rounds(chance, only), range(count), strict=False)]


def _rounds(chance: random.Random, only: str) -> Iterator[Run]:
    runs = all_runs() + [Run("")] * RANDOM_FAULTS_A_ROUND
    chosen = [run for run in runs if f"{run.point}/{run.victim}".startswith(only)]
    if not chosen:
        raise SystemExit(f"no named moment begins with {only}")
    while True:
        yield from chance.sample(chosen, len(chosen))
