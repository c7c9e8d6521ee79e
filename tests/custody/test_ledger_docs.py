"""docs/ledger.md names what the code has: purposes, database rules, seal chains."""

import re

from custody.ledger_purposes import (
    CONTRA_PURPOSES,
    INVESTOR_PURPOSES,
    SIGNED_PURPOSES,
    Purpose,
)
from custody.models.seals import SealChain
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "ledger.md").read_text()


def chart() -> dict[str, str]:
    """The chart of accounts: purpose -> owner."""
    section = PAGE.split("## Chart of accounts")[1].split("##")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))


def test_the_chart_of_accounts_lists_every_purpose_with_its_owner() -> None:
    owners = {
        purpose.value: "investor"
        if purpose in INVESTOR_PURPOSES
        else "contra"
        if purpose in CONTRA_PURPOSES
        else "signed"
        if purpose in SIGNED_PURPOSES
        else "house"
        for purpose in Purpose
    }

    assert chart() == owners


def test_the_page_names_each_rule_of_the_database_and_each_chain() -> None:
    for name in (
        "custody_book_postings",
        "ledger_account_holds_are_covered",
        "custody_trading_balance_has_one_writer",
        *SealChain.values,
    ):
        assert f"`{name}`" in PAGE


def test_each_table_of_postings_sums_to_zero_per_asset() -> None:
    section = PAGE.split("## Operations")[1].split("## Holds")[0]
    tables = re.findall(
        r"^\| account \| asset \|.*\n\|[- |]+\n((?:\|.*\n)+)", section, re.MULTILINE
    )
    assert len(tables) >= 9
    for table in tables:
        sums: dict[tuple[str, int], float] = {}
        for line in table.splitlines():
            _, asset, *columns = [cell.strip() for cell in line.strip("|").split("|")]
            for number, cell in enumerate(columns):
                units = float(cell.replace("−", "-").replace(",", "") or 0)
                sums[asset, number] = sums.get((asset, number), 0) + round(units * 100)
        assert set(sums.values()) == {0}, table
