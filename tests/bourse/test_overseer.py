"""The supervisor's loop, with children of a few lines."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bourse.supervisor import overseer as watching
from bourse.supervisor.launch import CannotStart, Command, is_alive, spawn
from bourse.supervisor.logfile import LogFile
from bourse.supervisor.orphans import Orphanage, started_ticks
from bourse.supervisor.overseer import Overseer, Part
from tests.servers import ROOT

SLEEPER = "import time; print('hello', flush=True); time.sleep(60)"
MakePart = Callable[..., Part]


@pytest.fixture
def make_part(tmp_path: Path) -> MakePart:
    def make(name: str, script: str, is_ready: Callable[[], bool] = lambda: True) -> Part:
        command = Command([sys.executable, "-c", script], os.environ, tmp_path)
        return Part(name, start=lambda output: spawn(command, output), is_ready=is_ready)

    return make


@pytest.fixture
def console() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def overseer(tmp_path: Path, console: io.StringIO) -> Iterator[Overseer]:
    made = Overseer(lambda name: LogFile(tmp_path / "logs" / name), console=console)
    yield made
    made.stop(lambda name: None)
    made.close()


def look_until(overseer: Overseer, condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        overseer.look(0.05)


def test_a_childs_lines_carry_its_name_and_are_kept(
    overseer: Overseer, make_part: MakePart, console: io.StringIO, tmp_path: Path
) -> None:
    overseer.start(make_part("greeter", SLEEPER))

    look_until(overseer, lambda: "greeter      | hello\n" in console.getvalue())

    assert (tmp_path / "logs" / "greeter").read_text() == "hello\n"


def test_a_child_that_ends_is_started_again_later_and_later(
    overseer: Overseer, make_part: MakePart, console: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RESTART_SECONDS_FIRST", 0.05)
    overseer.start(make_part("crasher", "raise SystemExit(3)"))

    look_until(overseer, lambda: console.getvalue().count("ended") >= 3)

    assert "crasher      | ended (exit code 3), again in 0.05 s" in console.getvalue()
    assert "again in 0.1 s" in console.getvalue()
    assert "again in 0.2 s" in console.getvalue()


def test_a_killed_child_is_replaced(
    overseer: Overseer, make_part: MakePart, console: io.StringIO
) -> None:
    first = overseer.start(make_part("victim", SLEEPER)).process
    first.kill()

    look_until(overseer, lambda: overseer.children["victim"].process.pid != first.pid)

    assert "ended (by SIGKILL)" in console.getvalue()
    assert overseer.is_running("victim")


def test_children_stop_in_reverse_order(overseer: Overseer, make_part: MakePart) -> None:
    processes = [overseer.start(make_part(name, SLEEPER)).process for name in ("one", "two")]
    stopped: list[str] = []

    overseer.stop(stopped.append)

    assert stopped == ["two", "one"]
    assert [process.poll() for process in processes] == [-signal.SIGTERM, -signal.SIGTERM]


def test_a_child_that_ignores_the_request_is_killed(
    overseer: Overseer,
    make_part: MakePart,
    console: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "STOP_SECONDS", 0.2)
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    process = overseer.start(make_part("stubborn", script)).process
    look_until(overseer, lambda: "hello" in console.getvalue())

    overseer.stop(lambda name: None)

    assert process.poll() == -signal.SIGKILL


def test_a_part_that_never_becomes_ready_is_named(overseer: Overseer, make_part: MakePart) -> None:
    part = make_part("lazy", SLEEPER, lambda: False)
    part = Part(part.name, part.start, part.is_ready, ready_seconds=0.2)
    overseer.start(part)

    with pytest.raises(CannotStart, match="lazy did not become ready"):
        overseer.wait_ready([part], lambda part, took: None)


def test_a_task_runs_to_its_end_and_its_last_words_are_kept(
    overseer: Overseer, make_part: MakePart, console: io.StringIO
) -> None:
    assert overseer.run_to_end(make_part("task", "print('no newline', end=''); exit(4)")) == 4
    assert "task         | no newline\n" in console.getvalue()


def test_a_log_is_turned_and_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bourse.supervisor.logfile.LOG_BYTES_MAX", 1000)
    log = LogFile(tmp_path / "log")
    for _ in range(100):
        log.write(b"x" * 99)
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert (tmp_path / "log").stat().st_size <= 1100
    assert (tmp_path / "log.1").stat().st_size <= 1100


def test_children_die_with_a_killed_supervisor() -> None:
    script = f"""
import sys; sys.path[:0] = ["platform"]
import os
from pathlib import Path
from bourse.supervisor.launch import Command, spawn
child = spawn(Command([sys.executable, "-c", {SLEEPER!r}], os.environ, Path(".")), 1)
print(child.pid, flush=True)
child.wait()
"""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    assert supervisor.stdout.readline() == "hello\n"
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(child)


def test_a_frozen_child_of_a_killed_supervisor_is_ended_by_the_next(tmp_path: Path) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.DEVNULL)
    orphan.send_signal(signal.SIGSTOP)
    Orphanage(tmp_path / "children.json").remember("frozen", orphan.pid)

    ended = Orphanage(tmp_path / "children.json").end_all()

    assert ended == ["frozen"]
    assert orphan.wait(timeout=10) == -signal.SIGTERM


def test_a_process_that_got_an_old_childs_number_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "children.json"
    file.write_text(f'{{"somebody": [{os.getpid()}, {started_ticks(os.getpid()) - 1}]}}')

    assert Orphanage(file).end_all() == []
    assert not file.exists()
