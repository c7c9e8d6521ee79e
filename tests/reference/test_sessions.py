"""Which session an instant falls into; every time below is New York's."""

from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.loading import read_trading_days
from reference.sessions import NEW_YORK, CalendarExhausted, session_among, session_at, spell
from reference.states import SESSIONS_WITH_PRICES, Session

DAYS = [SimpleNamespace(**row) for row in read_trading_days()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        ("2026-11-24 03:59:59", Session.OVERNIGHT),
        ("2026-11-24 04:00:00", Session.PRE),
        ("2026-11-24 09:29:59", Session.PRE),
        ("2026-11-24 09:30:00", Session.REGULAR),
        ("2026-11-24 15:59:59", Session.REGULAR),
        ("2026-11-24 16:00:00", Session.POST),
        ("2026-11-24 19:59:59", Session.POST),
        ("2026-11-24 20:00:00", Session.OVERNIGHT),
        # Thanksgiving: no overnight session before it, one before the Friday.
        ("2026-11-25 20:00:00", Session.HOLIDAY),
        ("2026-11-26 12:00:00", Session.HOLIDAY),
        ("2026-11-26 20:00:00", Session.OVERNIGHT),
        # The early close and the weekend after it.
        ("2026-11-27 12:59:59", Session.REGULAR),
        ("2026-11-27 13:00:00", Session.POST),
        ("2026-11-27 16:59:59", Session.POST),
        ("2026-11-27 17:00:00", Session.WEEKEND),
        ("2026-11-28 12:00:00", Session.WEEKEND),
        ("2026-11-29 19:59:59", Session.WEEKEND),
        ("2026-11-29 20:00:00", Session.OVERNIGHT),
        # Christmas Eve closes early, and what follows is the holiday.
        ("2026-12-24 17:00:00", Session.HOLIDAY),
        ("2026-12-25 20:00:00", Session.WEEKEND),
        # Good Friday, and a Monday holiday after a weekend.
        ("2026-04-02 20:00:00", Session.HOLIDAY),
        ("2026-04-03 19:59:59", Session.HOLIDAY),
        ("2026-04-03 20:00:00", Session.WEEKEND),
        ("2026-05-24 19:59:59", Session.WEEKEND),
        ("2026-05-24 20:00:00", Session.HOLIDAY),
        ("2026-05-25 20:00:00", Session.OVERNIGHT),
        # Summer time begins and ends on Sundays before the overnight session.
        ("2026-03-08 20:00:00", Session.OVERNIGHT),
        ("2026-03-09 09:29:59", Session.PRE),
        ("2026-03-09 09:30:00", Session.REGULAR),
        ("2026-11-01 19:59:59", Session.WEEKEND),
        ("2026-11-02 16:00:00", Session.POST),
    ],
)
def test_an_instant_falls_into_its_session(instant, session):
    assert session_among(days=DAYS, now=at(instant)).session == session


def test_the_evening_belongs_to_the_next_trading_day():
    view = session_among(days=DAYS, now=at("2026-11-23 22:00"))

    assert view.trade_date == date(2026, 11, 24)
    assert view.next_regular_open_at == at("2026-11-24 09:30")


def test_on_a_weekend_prices_are_expected_until_the_last_session_ended():
    view = session_among(days=DAYS, now=at("2026-11-21 12:00"))

    assert not view.has_prices
    assert view.prices_until == at("2026-11-20 20:00")
    assert view.last_regular_close_at == at("2026-11-20 16:00")
    assert view.next_regular_open_at == at("2026-11-23 09:30")
    assert view.next_change_at == at("2026-11-22 20:00")


def test_after_hours_the_close_before_belongs_to_the_day_before():
    view = session_among(days=DAYS, now=at("2026-11-24 17:00"))

    assert view.last_regular_close_at == at("2026-11-24 16:00")
    assert view.previous_regular_close_at == at("2026-11-23 16:00")


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        ("2026-11-24 13:46", "Regular hours, closes in 2 h 14 min"),
        ("2026-11-27 11:00", "Regular hours (early close), closes in 2 h"),
        ("2026-11-24 08:30", "Pre-market, regular hours in 1 h"),
        ("2026-11-24 16:00", "After hours, regular hours in 17 h 30 min"),
        ("2026-11-28 09:30", "Weekend, regular hours in 2 d"),
        ("2026-11-26 08:30", "Holiday, regular hours in 1 d 1 h"),
        ("2026-11-24 15:59:59", "Regular hours, closes in 1 min"),
    ],
)
def test_the_badge_says_it_in_words(instant, words):
    assert session_among(days=DAYS, now=at(instant)).words == words


@given(
    st.datetimes(
        min_value=datetime(2024, 1, 4),  # noqa: DTZ001
        max_value=datetime(2028, 12, 27),  # noqa: DTZ001
    )
)
def test_sessions_follow_each_other_without_gap_or_overlap(naive):
    now = naive.replace(tzinfo=NEW_YORK)

    view = session_among(days=DAYS, now=now)
    following = session_among(days=DAYS, now=view.next_change_at)

    assert view.started_at <= now < view.next_change_at <= view.next_regular_open_at
    assert following.session != view.session
    assert following.started_at == view.next_change_at
    assert view.has_prices == (view.session in SESSIONS_WITH_PRICES)
    assert view.last_regular_close_at <= now


@pytest.mark.parametrize("instant", ["2023-12-01 12:00", "2029-01-02 12:00", "2028-12-29 12:00"])
def test_beyond_the_calendar_nothing_is_guessed(instant):
    with pytest.raises(CalendarExhausted):
        session_among(days=DAYS, now=at(instant))


def test_a_duration_is_spelled_rounded_up_to_a_minute():
    assert spell(timedelta(seconds=61)) == "2 min"
    assert spell(timedelta(0)) == "1 min"
    assert spell(timedelta(days=1)) == "1 d"


def test_the_table_knows_the_session_of_an_early_close(db):
    view = session_at(at("2026-11-27 12:30"))

    assert view.session == Session.REGULAR
    assert view.next_change_at == at("2026-11-27 13:00")


def test_the_table_answers_with_few_rows(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        session_at(at("2026-12-26 12:00"))
