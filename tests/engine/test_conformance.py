"""Another matching engine's own tests of what price-time priority means, run on ours.

PyPI `tracebook-conformance` compares each event's outcome, trades and whole book, queue
by queue, with its reference engine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from bourse import native

ADAPTER = f"{sys.executable} {Path(__file__).with_name('conformance_adapter.py')}"
TRACES = "10"  # of 200 events each


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracebook.conformance.cli", *arguments],
        cwd=native.ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", "platform"])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_case_of_the_suite_agrees_but_the_one_that_allocates_pro_rata(
    tmp_path: Path,
) -> None:
    """What the venue does not offer is the only difference: it matches by price and time."""
    assert run("sample", str(tmp_path / "suite")).returncode == 0
    report = tmp_path / "report.json"
    done = run(
        "suite", str(tmp_path / "suite"), "--output", str(report), "--candidate-cmd", ADAPTER
    )

    cases = {case["name"]: case for case in json.loads(report.read_text())["cases"]}
    different = {name for name, case in cases.items() if not case["report"]["conformant"]}
    assert len(cases) == 9, done.stdout + done.stderr
    assert different == {"pro-rata-allocation"}, json.dumps(cases, indent=1)
    assert cases["pro-rata-allocation"]["report"]["config"]["matching_algorithm"] == "pro_rata"


def test_the_engine_qualifies_for_the_full_profile_of_price_and_time(tmp_path: Path) -> None:
    output = tmp_path / "qualification"
    done = run(
        "qualify",
        "--profile",
        "fifo-full-v1",
        "--traces",
        TRACES,
        "--output-dir",
        str(output),
        "--candidate-cmd",
        ADAPTER,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Campaign traces: {TRACES}/{TRACES}" in done.stdout
    assert "Qualification: PASS" in done.stdout
