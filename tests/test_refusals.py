"""Every way of saying no is in docs/reference/refusals.md, and nothing else is."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from kernel.refusals import Refusal
from tests.servers import ROOT

APPS = ("kernel", "reference", "accounts", "custody", "trading", "reporting")
PAGE = (ROOT / "docs/reference/refusals.md").read_text()


def refusals() -> list[type[Refusal]]:
    for app in APPS:
        package = importlib.import_module(app)
        for module in pkgutil.walk_packages(package.__path__, f"{app}."):
            if ".migrations" not in module.name and ".commands" not in module.name:
                importlib.import_module(module.name)
    return [each for each in below(Refusal) if each.__module__.split(".")[0] in APPS]


def below(cls: type[Refusal]) -> Iterator[type[Refusal]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from below(subclass)


REFUSALS = refusals()


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_a_refusal_has_a_code_and_is_documented_with_its_status(refusal: type[Refusal]) -> None:
    assert re.fullmatch(r"[a-z_]+", refusal.code)
    assert refusal.code != Refusal.code
    assert f"| `{refusal.code}` | {refusal.http_status} |" in PAGE


def test_no_code_is_documented_that_nobody_raises() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \| \d", PAGE, re.MULTILINE))
    assert documented == {refusal.code for refusal in REFUSALS}
