"""The sandbox's clock goes forwards only and adds up."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette

from kernel import clock as kernel_clock
from sandbox import clock, serving
from tests.asgi_client import AsgiClient


@pytest.fixture
def file(tmp_path):
    yield tmp_path / "sandbox" / "clock.json"
    kernel_clock.configure(None)


def test_nobody_has_moved_it_at_first(file):
    assert clock.read_offset(file) == 0


def test_steps_add_up_and_every_process_follows(file):
    clock.move(file, {"advance_seconds": 3600})
    clock.move(file, {"advance_seconds": 0.5})
    kernel_clock.configure(file)

    assert clock.read_offset(file) == 3600.5
    ahead = kernel_clock.now() - datetime.now(UTC)
    assert ahead == pytest.approx(timedelta(seconds=3600.5), abs=timedelta(seconds=1))


def test_it_goes_to_an_instant(file):
    target = datetime.now(UTC) + timedelta(days=3)

    clock.move(file, {"to": target.isoformat()})

    assert clock.read_offset(file) == pytest.approx(3 * 86_400, abs=1)


@pytest.mark.parametrize(
    "command",
    [
        {},
        [],
        None,
        {"advance_seconds": -1},
        {"advance_seconds": True},
        {"advance_seconds": "60"},
        {"advance_seconds": float("nan")},
        {"advance_seconds": float("inf")},
        {"advance_seconds": 10**10},
        {"to": "yesterday"},
        {"to": "2027-01-04T14:30:00"},
        {"to": "2020-01-01T00:00:00Z"},
    ],
)
def test_anything_but_a_step_forwards_is_refused(file, command):
    with pytest.raises(clock.ClockRefused):
        clock.move(file, command)

    assert clock.read_offset(file) == 0


@pytest.fixture
def http(tmp_path, file):
    options = serving.parse(
        "any", argv=["--port", "1", "--state", str(tmp_path / "sandbox" / "any")]
    )
    return AsgiClient(serving.prepare(Starlette(), "any", options))


def test_every_party_tells_and_moves_the_time(http, file):
    answer = http.post("/sandbox/clock", json={"advance_seconds": 60})

    assert answer.json()["offset_seconds"] == 60
    assert http.get("/sandbox/clock").json()["offset_seconds"] == 60
    assert json.loads(file.read_text()) == {"offset_seconds": 60}
    assert http.get("/sandbox/health").json()["party"] == "any"


def test_a_wrong_step_is_answered_with_why(http):
    assert http.post("/sandbox/clock", json={"advance_seconds": -5}).status_code == 422
    broken = http.post("/sandbox/clock", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400


def test_a_web_page_cannot_turn_the_knobs_by_a_form(http):
    answer = http.post("/sandbox/clock", data={"advance_seconds": "60"})

    assert answer.status_code == 415


def test_no_party_runs_in_production(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BOURSE_ENV", "production")

    with pytest.raises(SystemExit) as stopped:
        serving.serve(
            lambda options: Starlette(), "any", argv=["--port", "1", "--state", str(tmp_path / "x")]
        )

    assert stopped.value.code == 2
    assert "production" in capsys.readouterr().err


def test_no_party_listens_beyond_loopback(tmp_path, capsys):
    arguments = ["--host", "0.0.0.0", "--port", "1", "--state", str(tmp_path / "x")]

    with pytest.raises(SystemExit) as stopped:
        serving.serve(lambda options: Starlette(), "any", argv=arguments)

    assert stopped.value.code == 2
    assert "loopback" in capsys.readouterr().err
