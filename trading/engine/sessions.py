"""Which session of the share's market an instant falls into, as plain data.

A stretch is a time without a change: a session of one trading day, or a part of
a closure between two. trading/schedule.py makes them from the trading calendar.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Session(StrEnum):
    """As in reference.states.Session."""

    OVERNIGHT = "overnight"
    PRE = "pre"
    REGULAR = "regular"
    POST = "post"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


CLOSED = frozenset({Session.WEEKEND.value, Session.HOLIDAY.value})


class Stretch(NamedTuple):
    """A session from its start to its end, all in seconds since the epoch.

    `open_at`, `close_at` and `day_ends_at` are of the trading day it belongs to; a
    closure belongs to the day that follows.
    """

    starts_at: float
    ends_at: float
    session: str
    trade_date: str  # "2026-11-24"
    open_at: float
    close_at: float
    day_ends_at: float  # the end of the post-market: until then lives an order for the day
    last_close_at: float  # the last regular close before it starts

    @property
    def has_prices(self) -> bool:
        """Whether the share trades somewhere, so that its price should be fresh."""
        return self.session not in CLOSED


class Sessions:
    """Stretches one after the other without a gap; beyond them nothing is guessed."""

    __slots__ = ("_starts", "_stretches")

    def __init__(self, stretches: Sequence[Stretch] = ()) -> None:
        self._stretches = list(stretches)
        self._starts = [stretch.starts_at for stretch in self._stretches]

    def at(self, now: float) -> Stretch | None:
        """The stretch around `now`; None: the calendar does not reach there."""
        index = bisect_right(self._starts, now) - 1
        if index < 0 or now >= self._stretches[index].ends_at:
            return None
        return self._stretches[index]

    def between(self, since: float, until: float) -> list[Stretch]:
        """The stretches that have lasted at some moment from `since` to `until`."""
        first = max(bisect_right(self._starts, since) - 1, 0)
        found = self._stretches[first : bisect_right(self._starts, until)]
        return [stretch for stretch in found if stretch.ends_at > since]

    def next_of(self, now: float, sessions: frozenset[str]) -> Stretch | None:
        """The first stretch after the present one that is one of `sessions`."""
        for index in range(bisect_right(self._starts, now), len(self._stretches)):
            if self._stretches[index].session in sessions:
                return self._stretches[index]
        return None

    def day_end(self, now: float) -> float | None:
        """When an order for the day expires that is accepted now."""
        stretch = self.at(now)
        return stretch.day_ends_at if stretch else None
