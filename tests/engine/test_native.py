"""The compiled engine: the same answers, and never from other sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bourse import native

RUN = """
import sys
sys.path[:0] = [".", "platform"]
from bourse import native
assert native.install()
from trading.engine import core, pool
assert core.__file__.endswith(native.SUFFIX) and pool.__file__.endswith(native.SUFFIX)
import django, os, pytest
os.environ["DJANGO_SETTINGS_MODULE"] = "bourse.settings"
django.setup()  # some read the calendar's rows from their file
plugins = ["-p", "tests.engine.conftest", "-p", "no:cacheprovider"]
sys.exit(pytest.main(["-q", "-n0", "--noconftest", *plugins, *sys.argv[1:]]))
"""
PROPERTIES = [
    *("test_book.py", "test_auction.py", "test_fees.py", "test_pool.py", "test_pool_twins.py"),
    *("test_rules.py", "test_order_lives.py", "test_order_changes.py", "test_stops.py"),
    *("test_phases.py", "test_phases_sessions.py", "test_protection_random.py"),
    *("test_batch_undo.py", "test_throttle.py", "test_rates.py"),
]


@pytest.fixture(scope="module")
def built() -> Path:
    """The build of these sources; made now if nobody has made it."""
    script = [sys.executable, "scripts/native.py"]
    done = subprocess.run(script, cwd=native.ROOT, capture_output=True, text=True, check=False)
    if "not compiled" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert native.build_folder().is_dir(), done.stdout + done.stderr
    return native.build_folder()


def test_the_compiled_engine_passes_the_engines_property_tests(built: Path) -> None:
    paths = [f"tests/engine/{name}" for name in PROPERTIES]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *paths],
        cwd=native.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compiled_or_not_the_same_bytes_are_written_and_told(built: Path) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-m", "tests.engine.written", mode],
            cwd=native.ROOT,
            env={**os.environ, "PYTHONPATH": f"{native.ROOT}:{native.ROOT / 'platform'}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for mode in ("plain", "compiled")
    ]
    assert said[0] == said[1]
    assert int(said[0].split()[0]) > 100, "they trade"


def test_every_compiled_module_is_among_the_sources() -> None:
    sources = {path for pattern in native.SOURCES for path in native.ROOT.glob(pattern)}
    assert {native.source_of(module) for module in native.MODULES} <= sources


def test_a_build_of_other_sources_is_never_used(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pattern in native.SOURCES:
        for path in native.ROOT.glob(pattern):
            copy = tmp_path / path.relative_to(native.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    monkeypatch.setattr(native, "ROOT", tmp_path)
    assert native.build_folder() == built, "the same sources elsewhere"

    with (tmp_path / "trading/engine/fees.py").open("a") as source:
        source.write("# changed\n")

    assert native.build_folder() != built
    before = list(sys.meta_path)
    assert native.install() is False
    assert sys.meta_path == before


@pytest.mark.parametrize("place", [".", "trading", "trading/book.so", ".."])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_build_that_others_could_have_made_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, mode: int
) -> None:
    folder = tmp_path / "native" / native.build_folder().name
    (folder / "trading").mkdir(parents=True)
    (folder / "trading/book.so").touch()
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755)
    monkeypatch.setattr(native, "FOLDER", folder.parent)
    assert native.is_ours(folder)

    (folder / place).chmod(0o755 | mode)

    before = list(sys.meta_path)
    assert native.install() is False
    assert sys.meta_path == before


def test_a_build_of_another_user_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "native" / "build"
    folder.mkdir(parents=True)
    monkeypatch.setattr(native, "_owners", lambda: {os.getuid() + 1})

    assert not native.is_ours(folder)


def test_without_a_compiler_the_engine_stays_plain_and_set_up_goes_on(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for folder in ("platform", "scripts", "trading/engine"):
        shutil.copytree(native.ROOT / folder, checkout / folder)
    done = subprocess.run(
        [sys.executable, "scripts/native.py"],
        cwd=checkout,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == "the engine is not compiled (no C compiler); it runs as plain Python\n"
    assert not list((checkout / "var").glob("native/*"))
