"""static/js/money.js against kernel.money: the browser and the server read amounts alike."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kernel.money import format_units, parse_units
from kernel.refusals import Refusal

ROOT = Path(__file__).resolve().parents[2]
SPELLINGS = [
    "0", "1", "12.5", "12.50", "0.000001", "0.0000001", "1e3", "-1", "+1", " 1", "1 ", "", ".5",
    "5.", "01", "1_000", "1,000", "١", "99999999999999999999", "9223372036854", "abc", "1.2.3",
]  # fmt: skip


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node on the path to run the browser's module with")
    return found


def run(script: str, tmp_path: Path) -> Any:
    shutil.copyfile(ROOT / "static" / "js" / "money.js", tmp_path / "money.mjs")
    (tmp_path / "ask.mjs").write_text(f'import * as money from "./money.mjs";\n{script}')
    out = subprocess.run(
        [node(), "ask.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def parsed(text: str) -> str | None:
    try:
        return str(parse_units(text, 6))
    except Refusal:
        return None


def test_both_read_the_same_amounts(tmp_path: Path) -> None:
    script = f"""const read = {json.dumps(SPELLINGS)}.map((text) => money.parseUnits(text, 6));
    console.log(JSON.stringify(read.map((units) => units === null ? null : String(units))));"""

    assert run(script, tmp_path) == [parsed(text) for text in SPELLINGS]


def test_both_write_the_same_digits(tmp_path: Path) -> None:
    units = [0, 1, 10, 999_999, 1_000_000, 1_234_567, -5, -1_500_000, 10**15]
    script = f"""const units = {json.dumps([str(each) for each in units])};
    console.log(JSON.stringify(units.map((each) => money.formatUnits(BigInt(each), 6, 2))));"""

    assert run(script, tmp_path) == [format_units(each, 6, places_min=2) for each in units]


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("12,50", "12.50"),
        ("0,123", "0.123"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1,234,567", "1234567"),
        ("1 000", "1000"),
        # A thousand or one and a bit: nobody knows, so it stays and is refused.
        ("1,234", "1,234"),
        ("1.234", "1.234"),
    ],
)
def test_a_comma_is_understood_only_where_it_means_one_thing(
    typed: str, understood: str, tmp_path: Path
) -> None:
    script = f"console.log(JSON.stringify(money.plainDigits({json.dumps(typed)})))"

    assert run(script, tmp_path) == understood
