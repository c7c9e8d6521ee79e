"""What each order may do in each state, session and phase: the code's tables are the page's."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers import ROOT
from trading.engine.sessions import Session
from trading.states import (
    ALLOWS,
    CONDITION_ALLOWS,
    EVERYTHING,
    NOTHING,
    OPEN_SESSIONS,
    PHASE_ALLOWS,
    Allows,
    Condition,
    ListingState,
    MarketPhase,
    TradingHours,
    permission,
)

PAGE = (ROOT / "docs/protection.md").read_text()
COLUMNS = (
    "limit (GTC, GTD, DAY), post-only, iceberg",
    "IOC, FOK",
    "market",
    "buys",
    "waits for a price",
    "triggers fire",
    "amend, replace",
    "cancel",
)


def cells(allows: Allows) -> list[bool]:
    """Whether each kind of order, in the order of COLUMNS."""
    return [
        allows.places,
        allows.places and allows.takes,
        allows.places and allows.market,
        allows.buys,
        allows.conditional,
        allows.triggers,
        allows.amends,
        True,
    ]


def line(name: str, allows: Allows) -> str:
    words = ["yes" if each else "no" for each in cells(allows)]
    if allows.gathers:
        words[0] = "gathers"
    elif allows.places and not allows.takes:
        words[0] = "if it rests"
    return f"| {name} | {' | '.join(words)} |"


def table() -> list[str]:
    lines = [line(f"state `{state}`", allows) for state, allows in ALLOWS.items()]
    lines += [line(f"`{name}`", allows) for name, allows in CONDITION_ALLOWS.items()]
    lines += [line(f"phase `{phase}`", allows) for phase, allows in PHASE_ALLOWS.items()]
    return [
        f"| | {' | '.join(COLUMNS)} |",
        f"|{' --- |' * (len(COLUMNS) + 1)}",
        *lines,
    ]


def hours_table() -> list[str]:
    sessions = list(Session)
    lines = []
    for hours, opened in OPEN_SESSIONS.items():
        words = ["open" if each in opened else "`session_closed`" for each in sessions]
        lines.append(f"| `{hours}` | {' | '.join(words)} |")
    names = " | ".join(each.value for each in sessions)
    return [f"| hours | {names} |", f"|{' --- |' * (len(sessions) + 1)}", *lines]


@pytest.mark.parametrize("rendered", [table(), hours_table()], ids=["orders", "hours"])
def test_the_page_has_the_table_of_the_code(rendered: list[str]) -> None:
    assert "\n".join(rendered) in PAGE


def test_every_state_condition_phase_and_session_has_its_row() -> None:
    assert set(ALLOWS) == set(ListingState)
    assert set(CONDITION_ALLOWS) == set(Condition)
    assert set(PHASE_ALLOWS) == set(MarketPhase)
    assert set(OPEN_SESSIONS) == set(TradingHours)


FACTS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(ListingState),
        "hours": st.sampled_from(TradingHours),
        "session": st.sampled_from(Session),
        "is_halted": st.booleans(),
        "is_stale": st.booleans(),
        "phase": st.sampled_from(MarketPhase),
    }
)


@given(FACTS)
def test_the_strictest_rule_counts(facts: dict[str, Any]) -> None:
    found = permission(**facts)

    rules = [ALLOWS[facts["state"]], PHASE_ALLOWS[facts["phase"]]]
    is_closed = facts["session"] not in OPEN_SESSIONS[facts["hours"]]
    rules += [NOTHING] * (facts["is_halted"] + facts["is_stale"] + is_closed)
    for name in Allows._fields[:-1]:
        assert getattr(found.allows, name) == all(getattr(rule, name) for rule in rules)
    is_free = rules == [EVERYTHING] * 2 and facts["phase"] == MarketPhase.CONTINUOUS
    assert (found.limited_by == "") == is_free


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(Condition, 2)))
def test_closed_halted_and_stale_are_told_apart(first: str, second: str) -> None:
    facts = {
        "session": "weekend" if Condition.SESSION_CLOSED in (first, second) else "regular",
        "is_halted": Condition.SHARE_HALTED in (first, second),
        "is_stale": Condition.REFERENCE_STALE in (first, second),
    }
    found = permission(state="online", hours="24/5", phase="continuous", **facts)  # type: ignore[arg-type]

    assert found.limited_by == first, "closed before halted before stale"
    assert found.allows == NOTHING
