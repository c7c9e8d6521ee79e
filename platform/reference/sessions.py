"""Which session of the underlying market an instant falls into.

Sessions are data: the days in `TradingDay`, never `weekday()`. A trading day D
owns the hours from 20:00 Eastern on the evening before (overnight) to its
post-market close; what no day owns is a weekend or a holiday. So overnight
trading before a full holiday or a weekend does not exist, because no day owns it.

See docs/reference/calendar.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from reference.states import SESSIONS_WITH_PRICES, Session

if TYPE_CHECKING:
    from reference.models import TradingDay

NEW_YORK = ZoneInfo("America/New_York")

# The evening hour from which a trading date belongs to the next day (20:00 + 4 h).
TRADE_DATE_ROLLS_BEFORE_MIDNIGHT = timedelta(hours=4)

# No closure of the market was longer since 1933 than a week (11 September 2001).
GAP_MAX = timedelta(days=10)


class CalendarExhausted(Exception):
    """The trading calendar does not reach this instant: load a newer file."""


class Day(Protocol):
    """The hours of one trading day; `TradingDay` is one."""

    date: date
    overnight_open_at: datetime
    pre_open_at: datetime
    open_at: datetime
    close_at: datetime
    post_close_at: datetime
    is_early_close: bool


@dataclass(frozen=True, slots=True)
class SessionView:
    """The session at an instant and what comes next; all instants in UTC."""

    session: Session
    at: datetime
    trade_date: date  # the day whose session this is, or the next one when closed
    started_at: datetime
    next_change_at: datetime
    next_regular_open_at: datetime
    last_regular_close_at: datetime
    previous_regular_close_at: datetime  # of the day before `trade_date`
    is_early_close: bool

    @property
    def has_prices(self) -> bool:
        """Whether the underlying trades somewhere, so that its price should be fresh."""
        return self.session in SESSIONS_WITH_PRICES

    @property
    def is_regular(self) -> bool:
        return self.session == Session.REGULAR

    @property
    def prices_until(self) -> datetime:
        """The instant up to which the feed should have published."""
        return self.at if self.has_prices else self.started_at

    @property
    def words(self) -> str:
        """For the badge: "Regular hours, closes in 2 h 14 min"."""
        if self.is_regular:
            early = " (early close)" if self.is_early_close else ""
            return f"{self.session.label}{early}, closes in {spell(self.next_change_at - self.at)}"
        opens_in = spell(self.next_regular_open_at - self.at)
        return f"{self.session.label}, regular hours in {opens_in}"


def session_at(now: datetime) -> SessionView:
    """The session at `now`, from the table.

    :raises CalendarExhausted: the table has no days around `now`.
    """
    return session_among(days=list_days_around(since=now, until=now), now=now)


def list_days_around(*, since: datetime, until: datetime) -> "list[TradingDay]":
    """The trading days needed to judge any instant between `since` and `until`."""
    from reference.models import TradingDay  # here, because the engine runs without Django

    days = TradingDay.objects.filter(
        post_close_at__gt=since - GAP_MAX, overnight_open_at__lt=until + GAP_MAX
    )
    return list(days.order_by("post_close_at"))


def session_among(*, days: Sequence[Day], now: datetime) -> SessionView:
    """The session at `now` among `days` in order, which must reach to both sides of it.

    :raises CalendarExhausted: they do not.
    """
    before = [day for day in days if day.post_close_at <= now]
    after = [day for day in days if day.post_close_at > now]
    if not before or not after:
        raise CalendarExhausted(f"The trading calendar has no days around {now.isoformat()}.")
    started_at, ends_at, session = _period(last=before[-1], day=after[0], now=now)
    closes = [day.close_at for day in days if day.close_at <= now]
    opens = [day.open_at for day in after if day.open_at > now]
    if not opens:
        raise CalendarExhausted(f"The trading calendar ends at {now.isoformat()}.")
    return SessionView(
        session=session,
        at=now,
        trade_date=after[0].date,
        started_at=started_at,
        next_change_at=ends_at,
        next_regular_open_at=opens[0],
        last_regular_close_at=closes[-1],
        previous_regular_close_at=before[-1].close_at,
        is_early_close=after[0].is_early_close,
    )


def _period(*, last: Day, day: Day, now: datetime) -> tuple[datetime, datetime, Session]:
    """Begin, end and name of the stretch around `now`, which lies in or before `day`."""
    bounds = [
        (day.overnight_open_at, day.pre_open_at, Session.OVERNIGHT),
        (day.pre_open_at, day.open_at, Session.PRE),
        (day.open_at, day.close_at, Session.REGULAR),
        (day.close_at, day.post_close_at, Session.POST),
    ]
    for started_at, ends_at, session in bounds:
        if started_at <= now < ends_at:
            return started_at, ends_at, session
    return last.post_close_at, day.overnight_open_at, kind_of_closure(last=last, now=now)


def kind_of_closure(*, last: Day, now: datetime) -> Session:
    """Weekend or holiday: judged by the trade date that the instant would have had."""
    would_be = (now.astimezone(NEW_YORK) + TRADE_DATE_ROLLS_BEFORE_MIDNIGHT).date()
    if would_be <= last.date:  # after an early close, before 20:00
        would_be = last.date + timedelta(days=1)
    return Session.WEEKEND if would_be.weekday() >= 5 else Session.HOLIDAY


def spell(duration: timedelta) -> str:
    """A duration in words, rounded up to a minute: "2 h 14 min", "1 d 3 h", "1 min"."""
    minutes = max(1, -(-int(duration.total_seconds()) // 60))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
