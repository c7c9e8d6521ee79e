"""The calendar file against the library it was made from, and its known days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from reference.loading import CALENDAR_FILE, read_trading_days
from reference.management.commands.build_calendar import build_rows
from reference.sessions import NEW_YORK


@pytest.fixture(scope="module")
def days():
    return {day["date"]: day for day in read_trading_days()}


# exchange-calendars reads a pandas property that pandas 3.1 wants to change.
@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_the_file_is_what_the_library_says_today():
    rows = build_rows(2024, 2028)

    lines = CALENDAR_FILE.read_text().splitlines()
    assert lines[1:] == [",".join(row.values()) for row in rows]


def test_the_day_after_thanksgiving_closes_at_one_in_the_afternoon(days):
    black_friday = days[date(2026, 11, 27)]

    assert black_friday["close_at"] == datetime(2026, 11, 27, 18, tzinfo=UTC)
    assert black_friday["post_close_at"] == datetime(2026, 11, 27, 22, tzinfo=UTC)
    assert black_friday["is_early_close"]


@pytest.mark.parametrize(
    "holiday", ["2024-03-29", "2025-01-09", "2026-06-19", "2026-11-26", "2027-07-05", "2028-12-25"]
)
def test_a_full_holiday_is_no_trading_day(days, holiday):
    assert date.fromisoformat(holiday) not in days


def test_the_regular_session_opens_at_half_past_nine_all_year(days):
    opens = {day["open_at"].astimezone(NEW_YORK).strftime("%H:%M") for day in days.values()}

    assert opens == {"09:30"}


def test_summer_time_moves_the_opening_by_an_hour_in_utc(days):
    before, after = days[date(2026, 3, 6)], days[date(2026, 3, 9)]

    assert before["open_at"].hour == 14
    assert after["open_at"].hour == 13


def test_overnight_trading_always_runs_for_eight_hours(days):
    lengths = {day["pre_open_at"] - day["overnight_open_at"] for day in days.values()}

    assert lengths == {timedelta(hours=8)}
