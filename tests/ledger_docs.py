"""docs/ledger.md's tables of postings, and the same tables from what the code has booked.

A column is a kind of entry. The rows are the accounts in the order of the postings,
column by column; so a table has one right way to be written.
"""

import re
from collections.abc import Mapping, Sequence

from custody.entry_kinds import REVERSAL, EntryKind
from custody.models import JournalEntry
from kernel.money import format_units
from tests.servers import ROOT

Postings = list[tuple[str, str, str]]  # account, asset, units

PAGE = (ROOT / "docs" / "ledger.md").read_text()
_TABLE = re.compile(r"^\| account \| asset \|.*\n\|[- |]+\n(?:\|.*\n)+", re.MULTILINE)


def documented_tables() -> list[str]:
    """The tables under "Operations" and "House entries", as they are written."""
    return [match.group(0) for match in _TABLE.finditer(PAGE)]


def kinds_of(table: str) -> list[str]:
    header = table.splitlines()[0]
    return [cell.strip() for cell in header.strip("|").split("|")][2:]


def documented_kinds() -> list[str]:
    return [kind for table in documented_tables() for kind in kinds_of(table)]


def differences(booked: Mapping[str, Postings]) -> list[str]:
    """The tables that name one of these kinds and are written otherwise than booked."""
    wrong = []
    for table in documented_tables():
        kinds = kinds_of(table)
        if not set(kinds) & booked.keys():
            continue
        missing = set(kinds) - booked.keys()
        right = rendered(kinds, booked) if not missing else f"never booked: {sorted(missing)}"
        if right != table:
            wrong.append(f"{table}\nis, as the code books it:\n{right}")
    return wrong


def rendered(kinds: Sequence[str], booked: Mapping[str, Postings]) -> str:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for kind in kinds:
        for account, asset, units in booked[kind]:
            rows.setdefault((account, asset), {})[kind] = units
    lines = [["account", "asset", *kinds], ["---"] * (len(kinds) + 2)]
    lines += [[*names, *(cells.get(kind, "") for kind in kinds)] for names, cells in rows.items()]
    return "".join(_line(line) for line in lines)


def _line(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|\n"


def postings_of(entry: JournalEntry, roles: Mapping[int, str] | None = None) -> Postings:
    """An entry's postings in the page's words; `roles` names investors by id."""
    postings = entry.postings.select_related("account__asset").order_by("line_no")
    found = []
    for posting in postings:
        account, asset = posting.account, posting.account.asset
        owner = account.owner_id
        words = [(roles or {}).get(owner, "investor")] if owner else []
        words += [account.purpose, *(["(pool)"] if account.pool and not owner else [])]
        found.append((" ".join(words), asset.code, _amount(posting.units, asset.decimals)))
    return found


def _amount(units: int, decimals: int) -> str:
    digits = format_units(abs(units), decimals)
    whole, point, fraction = digits.partition(".")
    fraction = fraction.ljust(2, "0") if decimals == 6 and fraction else fraction  # money
    return f"{'−' if units < 0 else '+'}{int(whole):,}{point}{fraction}"


def booked_by_kind() -> dict[str, Postings]:
    """The first entry of each kind, reversals under their common name."""
    found: dict[str, Postings] = {}
    for entry in JournalEntry.objects.order_by("id"):
        is_reversal = entry.kind.startswith(REVERSAL)
        found.setdefault(f"{REVERSAL}…" if is_reversal else entry.kind, postings_of(entry))
    return found


def known_kinds() -> set[str]:
    return {kind.value for kind in EntryKind} | {f"{REVERSAL}…"}
