"""Guards of the tree: what would break imports in ways that are hard to see."""

import ast
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.servers import ROOT

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SOURCES = ("accounts", "custody", "trading", "platform", "tests", "benchmarks", "scripts")


def python_files() -> list[Path]:
    files = [path for folder in SOURCES for path in (ROOT / folder).glob("**/*.py")]
    return [path for path in files if "migrations" not in path.parts]


def test_platform_is_a_source_folder_and_not_a_package() -> None:
    assert (ROOT / "platform").is_dir()
    assert list((ROOT / "platform").glob("*.py")) == []


def test_test_folders_are_not_packages() -> None:
    """A package `tests/trading` would shadow the app `trading`."""
    assert list((ROOT / "tests").glob("*/**/__init__.py")) == []


def test_import_platform_is_the_standard_library() -> None:
    assert platform.__file__ is not None
    assert Path(platform.__file__).parent == Path(sysconfig.get_path("stdlib"))
    # In a fresh process too: pytest imported the real one before our folder
    # could get in its way, so it alone would not notice.
    subprocess.run(
        [sys.executable, "-c", "import platform; platform.machine()"], cwd=ROOT, check=True
    )


def test_manage_py_leaves_the_standard_library_in_front() -> None:
    source = (ROOT / "manage.py").read_text()
    assert "sys.path.append(" in source
    assert "sys.path.insert" not in source


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "exceptions.py"])
def test_there_is_no_drawer_for_everything(name: str) -> None:
    assert [path for path in python_files() if path.name == name] == []


def test_no_file_holds_two_nouns() -> None:
    """Past 400 lines a module is two: split it by noun."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": length
        for path in python_files()
        for node in functions_of(path)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_locks_name_no_package_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "--index-url" not in text.replace("--no-emit-index-url", "")
        assert "https://" not in text
        assert text.count("--hash=sha256:") > 100
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()
