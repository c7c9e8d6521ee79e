"""`manage.py up` as a process, with one small part; the whole house is in tests/journeys."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from bourse.environment import Environment
from bourse.supervisor.launch import is_alive
from tests.servers import ROOT

READY_SECONDS = 60


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing is set but the var folder, as on a bare machine."""
    ours = {name.upper() for name in Environment.model_fields}
    bare = {name: value for name, value in os.environ.items() if name not in ours}
    return bare | {"BOURSE_VAR_DIR": str(tmp_path / "var")}


class Up:
    def __init__(self, environment: dict[str, str], *options: str) -> None:
        self.var = Path(environment["BOURSE_VAR_DIR"])
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_ready(self) -> dict[str, object]:
        deadline = time.monotonic() + READY_SECONDS
        while not (self.var / "run.json").exists():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        content: dict[str, object] = json.loads((self.var / "run.json").read_text())
        return content

    def child(self, name: str) -> int:
        started = json.loads((self.var / "children.json").read_text())
        return int(started[name][0])

    def output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=60)


@pytest.fixture
def started(environment: dict[str, str]) -> Iterator[list[Up]]:
    made: list[Up] = []
    yield made
    for up in made:
        up.close()


def start(started: list[Up], environment: dict[str, str]) -> Up:
    up = Up(environment, "--only", "valkey")
    started.append(up)
    return up


def redis_url(run: dict[str, object]) -> str:
    assert isinstance(run["env"], dict)
    return str(run["env"]["REDIS_URL"])


def test_it_starts_says_where_and_stops_on_ctrl_c(
    started: list[Up], environment: dict[str, str]
) -> None:
    up = start(started, environment)
    run = up.wait_ready()
    with redis.Redis.from_url(redis_url(run)) as client:
        assert client.ping()

    up.process.send_signal(signal.SIGINT)

    output, _ = up.process.communicate(timeout=30)
    assert up.process.returncode == 0
    assert "valkey is ready" in output
    assert "stopped" in output.splitlines()[-1]
    assert not (up.var / "run.json").exists()
    assert not is_alive(up.child("valkey"))


def test_a_second_one_in_the_same_folder_is_refused(
    started: list[Up], environment: dict[str, str]
) -> None:
    start(started, environment).wait_ready()

    second = start(started, environment)

    output, _ = second.process.communicate(timeout=30)
    assert second.process.returncode == 2
    assert output.startswith("Bourse already runs from")
    assert len(output.splitlines()) == 1


def test_after_kill_9_the_next_start_serves_at_the_same_address(
    started: list[Up], environment: dict[str, str]
) -> None:
    first = start(started, environment)
    run = first.wait_ready()
    with redis.Redis.from_url(redis_url(run)) as client:
        client.set("kept", "yes")
    child = first.child("valkey")
    first.process.kill()
    first.process.communicate(timeout=10)

    second = start(started, environment)
    while second.process.poll() is None and not is_fresh(second.var, child):
        time.sleep(0.05)

    again = json.loads((second.var / "run.json").read_text())
    assert redis_url(again) == redis_url(run)
    assert not is_alive(child)
    with redis.Redis.from_url(redis_url(again)) as client:
        assert client.get("kept") == b"yes"


def is_fresh(var: Path, old_child: int) -> bool:
    """True once the run file is the second start's: it took the first one's away before."""
    try:
        child = json.loads((var / "children.json").read_text())["valkey"][0]
    except (FileNotFoundError, KeyError):
        return False
    return bool(child != old_child) and (var / "run.json").exists()


def test_a_part_that_does_not_exist_is_named(environment: dict[str, str]) -> None:
    up = Up(environment, "--only", "bank")
    output, _ = up.process.communicate(timeout=30)
    assert up.process.returncode == 2
    assert "No part is called bank: choose postgres, valkey" in output


def test_a_wrong_setting_is_one_sentence(environment: dict[str, str]) -> None:
    up = Up(environment | {"DATABASE_POOL_MAX": "many"}, "--only", "valkey")
    output, _ = up.process.communicate(timeout=30)
    assert up.process.returncode == 2
    assert output.startswith("The configuration is wrong: DATABASE_POOL_MAX: Input should be")
    assert output.count("\n") == 1


def test_unsafe_production_does_not_start(environment: dict[str, str]) -> None:
    up = Up(environment | {"BOURSE_ENV": "production"})
    output, _ = up.process.communicate(timeout=30)
    assert up.process.returncode == 2
    assert "SECRET_KEY must be" in output
    assert "Traceback" not in output
