"""The engine's sessions are the calendar's, at any instant; every time below is New York's."""

from datetime import datetime
from types import SimpleNamespace

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.loading import read_trading_days
from reference.sessions import NEW_YORK, session_among
from tests.trading_database import engine_database
from trading.engine.sessions import Session
from trading.schedule import load_sessions, sessions_of

DAYS = [SimpleNamespace(**row) for row in read_trading_days()]
SESSIONS = sessions_of(DAYS)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


@settings(max_examples=400, deadline=None)
@given(
    st.datetimes(
        min_value=datetime(2024, 1, 4),  # noqa: DTZ001
        max_value=datetime(2028, 12, 27),  # noqa: DTZ001
    )
)
def test_the_engine_and_the_pages_agree_on_the_session(naive: datetime) -> None:
    now = naive.replace(tzinfo=NEW_YORK)

    view, stretch = session_among(days=DAYS, now=now), SESSIONS.at(now.timestamp())

    assert stretch is not None
    assert stretch.session == view.session.value
    assert stretch.trade_date == view.trade_date.isoformat()
    assert stretch.has_prices == view.has_prices
    assert stretch.last_close_at == view.last_regular_close_at.timestamp()
    assert stretch.starts_at <= now.timestamp() < stretch.ends_at


def test_stretches_follow_each_other_without_a_gap() -> None:
    now, last = at("2024-01-04 12:00"), at("2028-12-27 12:00")
    while now < last:
        stretch = SESSIONS.at(now)
        following = SESSIONS.at(stretch.ends_at) if stretch else None
        assert stretch is not None
        assert following is not None
        assert following.starts_at == stretch.ends_at
        assert following.session != stretch.session
        now = following.starts_at


@pytest.mark.parametrize(
    ("instant", "session", "ends"),
    [
        ("2026-07-02 20:00", Session.HOLIDAY, "2026-07-03 20:00"),  # the 4th is a Saturday
        ("2026-07-03 20:00", Session.WEEKEND, "2026-07-05 20:00"),
        ("2025-07-03 12:59:59", Session.REGULAR, "2025-07-03 13:00"),  # closes early
        ("2026-11-25 20:00", Session.HOLIDAY, "2026-11-26 20:00"),  # Thanksgiving
        ("2026-11-27 12:00", Session.REGULAR, "2026-11-27 13:00"),
        ("2026-11-27 17:00", Session.WEEKEND, "2026-11-29 20:00"),
        ("2026-12-24 13:00", Session.POST, "2026-12-24 17:00"),
        ("2026-12-24 17:00", Session.HOLIDAY, "2026-12-25 20:00"),
        ("2026-04-02 20:00", Session.HOLIDAY, "2026-04-03 20:00"),  # Good Friday
        ("2026-05-24 19:00", Session.WEEKEND, "2026-05-24 20:00"),  # Memorial Day on Monday
        ("2026-05-24 20:00", Session.HOLIDAY, "2026-05-25 20:00"),
        ("2026-03-08 19:59:59", Session.WEEKEND, "2026-03-08 20:00"),  # summer time began
        ("2026-11-01 20:00", Session.OVERNIGHT, "2026-11-02 04:00"),  # and has ended
    ],
)
def test_a_known_day_has_its_hours(instant: str, session: str, ends: str) -> None:
    stretch = SESSIONS.at(at(instant))

    assert stretch is not None
    assert (stretch.session, stretch.ends_at) == (session, at(ends))


def test_an_order_for_the_day_lives_until_its_post_market_closes() -> None:
    assert SESSIONS.day_end(at("2026-11-24 10:00")) == at("2026-11-24 20:00")
    assert SESSIONS.day_end(at("2026-11-24 20:00")) == at("2026-11-25 20:00")
    assert SESSIONS.day_end(at("2026-11-25 21:00")) == at("2026-11-27 17:00")
    assert SESSIONS.day_end(at("2026-11-28 12:00")) == at("2026-11-30 20:00")


def test_the_next_session_of_a_kind_is_found() -> None:
    regular = frozenset({Session.REGULAR.value})
    opening = SESSIONS.next_of(at("2026-11-25 18:00"), regular)

    assert opening is not None
    assert opening.starts_at == at("2026-11-27 09:30")


@pytest.mark.parametrize(
    ("since", "until", "sessions"),
    [
        ("2026-11-24 12:00", "2026-11-24 15:59", ["regular"]),
        ("2026-11-24 15:59", "2026-11-24 16:00", ["regular", "post"]),
        ("2026-11-24 16:00", "2026-11-25 09:30", ["post", "overnight", "pre", "regular"]),
        ("2026-11-27 16:59", "2026-11-29 20:00", ["post", "weekend", "overnight"]),
        ("2029-01-02 12:00", "2029-01-03 12:00", []),
    ],
)
def test_the_sessions_of_a_while_are_found(since: str, until: str, sessions: list[str]) -> None:
    found = SESSIONS.between(at(since), at(until))

    assert [stretch.session for stretch in found] == sessions


@pytest.mark.parametrize("instant", ["2023-12-01 12:00", "2029-01-02 12:00"])
def test_beyond_the_calendar_nothing_is_guessed(instant: str) -> None:
    assert SESSIONS.at(at(instant)) is None
    assert SESSIONS.day_end(at(instant)) is None


@pytest.mark.usefixtures("db")
def test_an_engine_reads_them_from_the_table() -> None:
    now = at("2026-11-24 10:00")
    with psycopg.connect(**engine_database()) as connection:
        loaded = load_sessions(connection, now)

    assert loaded.at(now) == SESSIONS.at(now)
    assert loaded.at(at("2028-12-20 12:00")) == SESSIONS.at(at("2028-12-20 12:00"))
