"""A benchmark's result: a median beside its yardstick's median, as one JSON line."""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """`ratio` is value over yardstick; it holds when it is at least `bound`.

    Where `at_most`, less is better, as with times: it holds up to `bound`. `also` holds
    numbers beside the ratio, each with the most it may be; `beside` holds further
    figures, of which the medians are printed and which bind nothing.
    """

    bench: str
    unit: str
    values: Sequence[float]
    yardstick: str
    yardstick_values: Sequence[float]
    bound: float
    at_most: bool = False
    also: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return statistics.median(self.values) / statistics.median(self.yardstick_values)

    @property
    def holds(self) -> bool:
        ratio_holds = self.ratio <= self.bound if self.at_most else self.ratio >= self.bound
        return ratio_holds and all(value <= most for value, most in self.also.values())

    def as_json(self) -> str:
        return json.dumps(
            {
                "bench": self.bench,
                "value": _rounded(statistics.median(self.values)),
                "unit": self.unit,
                "yardstick": self.yardstick,
                "yardstick_value": _rounded(statistics.median(self.yardstick_values)),
                "ratio": round(self.ratio, 2),
                "bound": self.bound,
                **{name: _rounded(statistics.median(each)) for name, each in self.beside.items()},
                **{name: round(value, 1) for name, (value, _) in self.also.items()},
                "holds": self.holds,
            }
        )


def _rounded(value: float) -> float:
    """Four digits of a time below ten, one decimal of a rate."""
    return round(value, 1 if value >= 10 else 4)


def say(text: str) -> None:
    """Progress, beside the results."""
    print(text, file=sys.stderr, flush=True)
