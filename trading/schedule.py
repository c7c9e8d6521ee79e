"""The coming sessions for an engine: the trading calendar as stretches of plain data.

Loaded at start, and again when the inbox says that the calendar has changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg

from reference.sessions import (
    GAP_MAX,
    NEW_YORK,
    TRADE_DATE_ROLLS_BEFORE_MIDNIGHT,
    Day,
    kind_of_closure,
)
from reference.states import Session
from trading.engine.sessions import Sessions, Stretch

DAYS = """
    SELECT date, overnight_open_at, pre_open_at, open_at, close_at, post_close_at, is_early_close
      FROM reference_tradingday WHERE post_close_at > to_timestamp(%s) ORDER BY post_close_at
"""


@dataclass(slots=True)
class CalendarDay:
    """A row of reference.TradingDay."""

    date: date
    overnight_open_at: datetime
    pre_open_at: datetime
    open_at: datetime
    close_at: datetime
    post_close_at: datetime
    is_early_close: bool


def load_sessions(connection: psycopg.Connection[Any], since: float) -> Sessions:
    """The sessions from `since` (seconds of the kernel's time) to the calendar's end."""
    from_ = max(since - GAP_MAX.total_seconds(), 0.0)
    rows = connection.execute(DAYS, [from_]).fetchall()
    return sessions_of([CalendarDay(*row) for row in rows])


def sessions_of(days: Sequence[Day]) -> Sessions:
    """The sessions of `days`, in order. The first one only says what was closed before."""
    stretches: list[Stretch] = []
    for last, day in pairwise(days):
        stretches += _merge(_stretches(last, day))
    return Sessions(stretches)


def _stretches(last: Day, day: Day) -> Iterator[Stretch]:
    for starts_at, ends_at in _closures(last.post_close_at, day.overnight_open_at):
        kind = kind_of_closure(last=last, now=starts_at)
        yield _stretch(starts_at, ends_at, kind, day, last.close_at)
    for starts_at, ends_at, session, close in (
        (day.overnight_open_at, day.pre_open_at, Session.OVERNIGHT, last.close_at),
        (day.pre_open_at, day.open_at, Session.PRE, last.close_at),
        (day.open_at, day.close_at, Session.REGULAR, last.close_at),
        (day.close_at, day.post_close_at, Session.POST, day.close_at),
    ):
        if starts_at < ends_at:
            yield _stretch(starts_at, ends_at, session, day, close)


def _closures(starts_at: datetime, ends_at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A closure cut where the trade date rolls: a weekend may go over into a holiday."""
    while starts_at < ends_at:
        shifted = starts_at.astimezone(NEW_YORK) + TRADE_DATE_ROLLS_BEFORE_MIDNIGHT
        midnight = datetime.combine(shifted.date() + timedelta(days=1), datetime.min.time())
        rolls_at = (midnight - TRADE_DATE_ROLLS_BEFORE_MIDNIGHT).replace(tzinfo=NEW_YORK)
        until = min(rolls_at, ends_at)
        yield starts_at, until
        starts_at = until


def _stretch(
    starts_at: datetime, ends_at: datetime, session: Session, day: Day, last_close_at: datetime
) -> Stretch:
    return Stretch(
        starts_at.timestamp(),
        ends_at.timestamp(),
        str(session.value),
        day.date.isoformat(),
        day.open_at.timestamp(),
        day.close_at.timestamp(),
        day.post_close_at.timestamp(),
        last_close_at.timestamp(),
    )


def _merge(stretches: Iterator[Stretch]) -> list[Stretch]:
    """Neighbours of one name made one."""
    merged: list[Stretch] = []
    for stretch in stretches:
        if merged and merged[-1].session == stretch.session:
            merged[-1] = merged[-1]._replace(ends_at=stretch.ends_at)
        else:
            merged.append(stretch)
    return merged
