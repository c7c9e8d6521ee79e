"""What a check is, and which checks there are."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from custody.ledger_core import Cursor


@dataclass(frozen=True)
class Difference:
    """Something that should be otherwise: what, where, and both sides."""

    check: str
    where: str
    expected: str
    found: str
    since: str = ""

    def __str__(self) -> str:
        since = f" (since {self.since})" if self.since else ""
        return f"{self.check}: {self.where}: expected {self.expected}, found {self.found}{since}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


# Reads through the cursor it is given, which sees one snapshot of the database.
Check = Callable[[Cursor], Iterable[Difference]]


@dataclass(frozen=True)
class HoldSource:
    """Who promised units: `query` selects (account_id, held units), one row a promise.

    `dated` selects (account_id, since when), so that a difference can say how old it may be.
    """

    name: str
    query: str
    dated: str = ""


_checks: dict[str, Check] = {}
_hold_sources: dict[str, HoldSource] = {}


def register(check: Check, *, name: str = "") -> Check:
    """Add a check to verify_ledger; call it from the app's `ready`. Also a decorator."""
    _checks[name or f"{check.__module__}.{check.__name__}"] = check
    return check


def register_holds(source: HoldSource) -> None:
    """Say what an app holds; verify_ledger compares the sum over all apps per account."""
    _hold_sources[source.name] = source


def list_checks() -> list[Check]:
    return list(_checks.values())


def list_hold_sources() -> list[HoldSource]:
    return list(_hold_sources.values())
