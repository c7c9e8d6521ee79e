"""Prices that never were, as a pure function of seed, ticker and time.

A day has an opening and a closing price: of a real day long ago for the
replayed tickers, of a seeded random walk for the others. Between them runs a
Brownian bridge, made by midpoint displacement from hashes, so that any instant
can be asked for without computing those before it, and the same seed always
gives the same path. Off hours a second, calmer bridge runs from a close to the
next opening; it stands still while the market is closed.
"""

import csv
import gzip
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

# Share splits inside the data's years; its prices are as traded on the day, so
# what comes before a split is divided. (Its `adj_close` also takes dividends
# out, and later splits; a chart of prices must do neither.) A halving that is
# no split stays: AAPL fell by 52 % on 2000-09-29. GOOG and IBM had none.
SPLITS: dict[str, dict[str, int]] = {
    "AAPL": {"2000-06-21": 2, "2005-02-28": 2},
    "GOOG": {},
    "IBM": {},
    "MSFT": {"2003-02-18": 2},
}

# Simulated walks pass through their seed price at the close of this day.
ANCHOR = date(2026, 11, 2)
DAILY_VOLATILITY = {"stock": 0.016, "etf": 0.007}
# How a day's variance splits into the night and the session, roughly as measured.
OFF_HOURS_SHARE = 0.3
BRIDGE_DEPTH = 12  # 2^12 steps: 6 s of a regular session, straight lines between
# A Brownian day's range is on average 1.6 standard deviations wide.
RANGE_PER_VOLATILITY = 1.6


class OffCalendar(Exception):
    """The calendar has no trading days around the instant asked for."""


@dataclass(frozen=True, slots=True)
class Day:
    """The hours of one trading day in unix seconds."""

    date: date
    overnight_open: int
    open: int
    close: int
    post_close: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's prices in dollars; `volatility` is that of its logarithm in the session."""

    open: float
    high: float
    low: float
    close: float
    volatility: float


def read_days(path: Path) -> list[Day]:
    """The trading days of a calendar CSV (see docs/reference/calendar.md)."""
    with path.open(newline="") as file:
        return [
            Day(
                date=date.fromisoformat(row["date"]),
                overnight_open=_unix(row["overnight_open_at"]),
                open=_unix(row["open_at"]),
                close=_unix(row["close_at"]),
                post_close=_unix(row["post_close_at"]),
            )
            for row in csv.DictReader(file)
        ]


def replayed_bars(ticker: str, count: int) -> list[Bar]:
    """The last `count` real daily bars of a ticker, split-adjusted.

    Their source is the package bokeh-sampledata (2000-03-01 to 2013-03-01).
    """
    return adjust_for_splits(list(_raw_bars(ticker)), SPLITS[ticker])[-count:]


def adjust_for_splits(raw: Sequence[tuple[str, Bar]], splits: dict[str, int]) -> list[Bar]:
    """Divide what was traded before a split by its factor; `raw` is (ISO date, bar)."""
    return [_divided(bar, math.prod(f for d, f in splits.items() if day < d)) for day, bar in raw]


def simulated_bars(key: str, days: Sequence[Day], *, seed_price: float, kind: str) -> list[Bar]:
    """A seeded random walk over `days` that closes at `seed_price` on ANCHOR."""
    volatility = DAILY_VOLATILITY[kind]
    night = volatility * math.sqrt(OFF_HOURS_SHARE)
    session = volatility * math.sqrt(1 - OFF_HOURS_SHARE)
    gaps = [night * gauss(f"{key}/gap/{day.date}") for day in days]
    moves = [session * gauss(f"{key}/move/{day.date}") for day in days]
    closes = _running_sum(gaps, moves)
    anchor = max(bisect_right([day.date for day in days], ANCHOR) - 1, 0)
    level = math.log(seed_price) - closes[anchor]
    return [
        _walk_bar(level + close - move, level + close, session)
        for close, move in zip(closes, moves, strict=True)
    ]


@dataclass(frozen=True)
class PricePath:
    """The path of one ticker over all days; `key` holds seed and ticker."""

    key: str
    days: Sequence[Day]
    bars: Sequence[Bar]

    @cached_property
    def _ends(self) -> list[int]:
        return [day.post_close for day in self.days]

    def price_at(self, instant: int) -> tuple[float, int]:
        """The price in dollars at a unix second, and when it was published.

        While the market is closed it is the last one before.
        :raises OffCalendar: the calendar does not reach the instant.
        """
        index = self._index(instant)
        if instant < self.days[index].overnight_open:
            return self._in_day(index - 1, self.days[index - 1].post_close), self._ends[index - 1]
        return self._in_day(index, instant), instant

    def next_published(self, instant: int) -> int:
        """The first second at or after `instant` at which a price is published.

        :raises OffCalendar: the calendar does not reach the instant.
        """
        return max(instant, self.days[self._index(instant - 1)].overnight_open)

    def _index(self, instant: int) -> int:
        """The day that an instant lies in or before; it has neighbours on both sides."""
        index = bisect_right(self._ends, instant)
        if index == 0 or index + 1 >= len(self.days):
            raise OffCalendar(f"The calendar does not reach {instant}.")
        return index

    def _in_day(self, index: int, instant: int) -> float:
        day = self.days[index]
        if instant < day.open:
            return self._off_hours(index - 1, instant)
        if instant > day.close:
            return self._off_hours(index, instant)
        bar = self.bars[index]
        share = (instant - day.open) / (day.close - day.open)
        price = bridge(f"{self.key}/{day.date}", bar.open, bar.close, bar.volatility, share)
        return min(max(price, bar.low), bar.high)

    def _off_hours(self, index: int, instant: int) -> float:
        """On the way from the close of day `index` to the next day's opening."""
        day, following = self.days[index], self.days[index + 1]
        evening = day.post_close - day.close
        night = following.open - following.overnight_open
        passed = (
            instant - day.close
            if instant <= day.post_close
            else evening + instant - following.overnight_open
        )
        start, end = self.bars[index], self.bars[index + 1]
        volatility = start.volatility * OFF_HOURS_SHARE
        share = passed / (evening + night)
        return bridge(f"{self.key}/{day.date}/night", start.close, end.open, volatility, share)


def bridge(key: str, start: float, end: float, volatility: float, share: float) -> float:
    """A geometric Brownian bridge from `start` to `end`, at `share` of its way."""
    line = math.log(start) + (math.log(end) - math.log(start)) * share
    return math.exp(line + volatility * _unit_bridge(key, share))


def _unit_bridge(key: str, share: float) -> float:
    """A Brownian bridge on [0, 1] from 0 to 0 by midpoint displacement.

    The midpoint of a stretch of length h lies, beside the mean of its ends,
    normally distributed with variance h/4.
    """
    left, right, value_left, value_right = 0.0, 1.0, 0.0, 0.0
    node = 1
    for _ in range(BRIDGE_DEPTH):
        middle = (left + right) / 2
        spread = math.sqrt(right - left) / 2
        value = (value_left + value_right) / 2 + spread * gauss(f"{key}/{node}")
        if share < middle:
            right, value_right, node = middle, value, 2 * node
        else:
            left, value_left, node = middle, value, 2 * node + 1
    return value_left + (value_right - value_left) * (share - left) / (right - left)


def gauss(key: str) -> float:
    """A standard normal number that belongs to a text (Box-Muller over a hash)."""
    digest = blake2b(key.encode(), digest_size=16).digest()
    first = (int.from_bytes(digest[:8]) + 1) / 2**64  # above 0: its logarithm is taken
    second = int.from_bytes(digest[8:]) / 2**64
    return math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)


def _running_sum(gaps: Sequence[float], moves: Sequence[float]) -> list[float]:
    total, sums = 0.0, []
    for gap, move in zip(gaps, moves, strict=True):
        total += gap + move
        sums.append(total)
    return sums


def _walk_bar(log_open: float, log_close: float, volatility: float) -> Bar:
    return Bar(math.exp(log_open), math.inf, 0.0, math.exp(log_close), volatility)


def _divided(bar: Bar, factor: int) -> Bar:
    return Bar(
        bar.open / factor, bar.high / factor, bar.low / factor, bar.close / factor, bar.volatility
    )


def _raw_bars(ticker: str) -> Iterator[tuple[str, Bar]]:
    # Found, not imported: the package's reader would build lists of every ticker.
    package = find_spec("bokeh_sampledata")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "_data" / "stocks.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["Ticker"] == ticker:
                yield row["Date"], _read_bar(row)


def _read_bar(row: dict[str, str]) -> Bar:
    opened, closed = float(row["Open"]), float(row["Close"])
    high = max(float(row["High"]), opened, closed)
    low = min(float(row["Low"]), opened, closed)
    return Bar(opened, high, low, closed, math.log(high / low) / RANGE_PER_VOLATILITY)


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
