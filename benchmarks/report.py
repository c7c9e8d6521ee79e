"""A benchmark's result: a median beside its yardstick's median, as one JSON line."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`ratio` is value over yardstick; it holds when it is at least `bound`."""

    bench: str
    unit: str
    values: Sequence[float]
    yardstick: str
    yardstick_values: Sequence[float]
    bound: float

    @property
    def ratio(self) -> float:
        return statistics.median(self.values) / statistics.median(self.yardstick_values)

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bound

    def as_json(self) -> str:
        return json.dumps(
            {
                "bench": self.bench,
                "value": round(statistics.median(self.values), 1),
                "unit": self.unit,
                "yardstick": self.yardstick,
                "yardstick_value": round(statistics.median(self.yardstick_values), 1),
                "ratio": round(self.ratio, 2),
                "bound": self.bound,
                "holds": self.holds,
            }
        )


def say(text: str) -> None:
    """Progress, beside the results."""
    print(text, file=sys.stderr, flush=True)
