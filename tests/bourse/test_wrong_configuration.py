"""A command that cannot work says so in one sentence and exits 2; no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bourse.environment import Environment
from tests.servers import ROOT


def manage(var: Path, *command: str, **environment: str) -> tuple[int, str]:
    """The exit code of a command on a bare machine, and what it wrote to stderr."""
    ours = {name.upper() for name in Environment.model_fields}
    bare = {name: value for name, value in os.environ.items() if name not in ours}
    bare |= {"BOURSE_VAR_DIR": str(var), **environment}
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("command", "environment", "sentence"),
    [
        (["verify_ledger"], {}, "No database: start Bourse"),
        (["verify_ledger"], {"DATABASE_URL": "nonsense"}, "DATABASE_URL is not an address"),
        (["run_engine"], {}, "No servers: start Bourse"),
        (["run_engine"], {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: Input should be 'DEBUG'"),
        (["check"], {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: Input should be 'DEBUG'"),
        (["check"], {"BOURSE_ENV": "staging"}, "BOURSE_ENV: Input should be"),
        (["up"], {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: Input should be 'DEBUG'"),
        (["up", "--only", "banana"], {}, "No part is called banana"),
        (["build_calendar", "--from", "2030", "--to", "2020"], {}, "CommandError: --from comes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_sentence_and_exit_2(
    tmp_path: Path, command: list[str], environment: dict[str, str], sentence: str
) -> None:
    code, said = manage(tmp_path / "var", *command, **environment)

    assert code == 2, said
    assert sentence in said
    assert len(said.splitlines()) == 1
