"""Named moments: passed by, taken once, each where it says and each described."""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from bourse.environment import Environment
from kernel import faults
from tests.servers import ROOT
from tests.torture import plan

MOMENT = "engine.before_commit"
PRODUCT = ("accounts", "custody", "trading", "platform")
PASSES_TWICE = f"""
import sys; sys.path.append("platform")
from pathlib import Path
from kernel import faults
faults.configure(Path(sys.argv[1]))
faults.reach("{MOMENT}")
faults.reach("{MOMENT}")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    faults.configure(tmp_path)
    yield tmp_path
    faults.configure(None)


def test_a_moment_that_nobody_asked_for_is_passed_by(directory: Path) -> None:
    faults.reach(MOMENT)

    assert list(directory.iterdir()) == []


def test_without_a_directory_nothing_is_looked_for() -> None:
    faults.reach("whatever is never looked up")


def test_a_moment_without_a_name_in_the_list_is_a_bug(directory: Path) -> None:
    with pytest.raises(AssertionError, match="no named moment"):
        faults.reach("engine.at_lunch")


def test_who_comes_by_takes_the_wish_and_stands_still_once(tmp_path: Path) -> None:
    (tmp_path / MOMENT).touch()
    with subprocess.Popen([sys.executable, "-c", PASSES_TWICE, str(tmp_path)], cwd=ROOT) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        taken = [path.name for path in tmp_path.iterdir()]

        os.kill(process.pid, signal.SIGCONT)

        assert process.wait(timeout=60) == 0
    assert taken == [f"{MOMENT}.{process.pid}.reached"]


def test_every_moment_is_reached_at_one_place_and_described() -> None:
    code = [path.read_text() for folder in PRODUCT for path in (ROOT / folder).glob("**/*.py")]
    reached = re.findall(r'faults\.reach\("(.*?)"\)', "".join(code))
    page = (ROOT / "docs" / "faults.md").read_text().split("## `make torture`")[0]
    described = re.findall(r"`([a-z]+\.(?:before|after|in)_[a-z]+)`", page)

    assert sorted(reached) == sorted(faults.POINTS)
    assert set(described) == faults.POINTS


def test_the_plan_of_a_seed_repeats_and_leaves_nothing_out() -> None:
    everything = plan.all_runs()
    drawn = plan.draw(random.Random(7), 210)

    assert drawn == plan.draw(random.Random(7), 210)
    assert {run.point for run in everything} == faults.POINTS
    assert all(drawn.count(run) >= 2 for run in everything)


def test_production_refuses_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOURSE_FAULTS_DIR", str(tmp_path))
    assert Environment().bourse_faults_dir == tmp_path

    monkeypatch.setenv("BOURSE_ENV", "production")
    with pytest.raises(ValidationError, match="never in production"):
        Environment()
