"""The documents keep up with the code: what can be set, called or met is described."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class

from bourse.environment import Environment
from tests.servers import ROOT

SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")]
    if path.name != "CHANGELOG.md"
)


def documented_commands() -> list[str]:
    """Every `manage.py` command line in the documents' shell blocks."""
    found: set[str] = set()
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            found |= {line.split("#")[0].strip() for line in block.splitlines() if line.strip()}
    return sorted(found)


def makefile_targets() -> list[str]:
    text = (ROOT / "Makefile").read_text()
    return re.findall(r"^([a-z.]+):.*## ", text, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(Environment.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name.upper()}`" in SETTINGS


def test_no_setting_is_documented_that_does_not_exist() -> None:
    others = SETTINGS.index("## What others read")
    documented = set(re.findall(r"^\| `([A-Z_]+)`", SETTINGS[:others], re.MULTILINE))
    assert documented == {name.upper() for name in Environment.model_fields}


def test_the_example_of_production_names_only_settings() -> None:
    example = (ROOT / "deploy/production.env.example").read_text()
    names = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert names <= {name.upper() for name in Environment.model_fields}
    assert "BOURSE_SEAL_KEY_FILE" in names


@pytest.mark.parametrize("target", makefile_targets())
def test_make_describes_every_target_and_can_plan_it(target: str) -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"make {target}" in listed.stdout
    plan = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert plan.returncode == 0, plan.stderr


def test_make_alone_shows_the_help() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make run" in shown.stdout


@pytest.mark.parametrize("line", documented_commands())
def test_a_documented_command_exists(line: str) -> None:
    """A make target exists; a manage.py command knows the options it is shown with."""
    words = shlex.split(line)
    if words[0] == "make":
        assert words[1] in makefile_targets()
        return
    assert words[0] == "python", f"the documents show a command that no test runs: {line}"
    if words[1] == "-c":
        compile(words[2], line, "exec")
        return
    shown = help_of(words[2])
    for option in (word for word in words[3:] if word.startswith("--")):
        assert option in shown


def help_of(command: str) -> str:
    """As `manage.py command --help` prints it, without a process for each."""
    app = get_commands().get(command)
    assert app is not None, f"there is no command {command}"
    made = app if isinstance(app, BaseCommand) else load_command_class(app, command)
    return made.create_parser("manage.py", command).format_help()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_part_of_the_supervisor_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs/operations.md").read_text()
    listed = re.findall(r"Parts: `([^`]+)`", runbook)
    names = "postgres valkey chain custodian kyc prices web engine stand-by worker sealer"
    assert listed[0].split() == [*names.split(), "market-maker"]


def test_the_words_to_avoid_are_not_class_names() -> None:
    forbidden = re.compile(r"^class \w*(Manager|Helper|Util|Utils)\b", re.MULTILINE)
    for folder in ("custody", "trading", "platform"):
        for path in (ROOT / folder).glob("**/*.py"):
            assert not forbidden.search(path.read_text()), path
