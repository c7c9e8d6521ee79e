"""Real time, or the sandbox's: real time plus what a tester stepped on."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel import clock
from sandbox import clock as sandbox_clock


@pytest.fixture
def clock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(clock, "RECHECK_SECONDS", 0.0)
    before = clock.followed_file()
    clock.configure(tmp_path / "clock.json")
    yield tmp_path / "clock.json"
    clock.configure(before)


def is_about(moment: datetime, expected: datetime) -> bool:
    return abs(moment - expected) < timedelta(seconds=2)


def test_without_a_sandbox_it_is_real_time() -> None:
    before = clock.followed_file()
    clock.configure(None)
    assert clock.now().tzinfo is UTC
    assert is_about(clock.now(), datetime.now(UTC))
    clock.configure(before)


def test_a_clock_that_nobody_moved_is_real_time(clock_file: Path) -> None:
    assert not clock_file.exists()
    assert is_about(clock.now(), datetime.now(UTC))


def test_a_step_reaches_a_running_process(clock_file: Path) -> None:
    clock.now()
    sandbox_clock.move(clock_file, {"advance_seconds": 3600})
    assert is_about(clock.now(), datetime.now(UTC) + timedelta(hours=1))

    time.sleep(0.01)
    sandbox_clock.move(clock_file, {"advance_seconds": 3600})
    assert is_about(clock.now(), datetime.now(UTC) + timedelta(hours=2))


def test_the_offset_is_looked_up_at_most_ten_times_a_second(
    clock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "RECHECK_SECONDS", 60.0)
    clock.now()
    clock_file.write_text(json.dumps({"offset_seconds": 3600}))
    assert is_about(clock.now(), datetime.now(UTC))
