"""static/js/ticket_words.js: what an order will do, in words, and what is held for it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.portal.test_amounts_in_the_browser import ROOT, node
from trading.engine.fees import buy_hold

DATA = {
    "base": "AAPLx",
    "quote": "USDC",
    "lot": "100",
    "taker": "2500",
    "protection": "50000",
}
ORDER = {"side": "sell", "type": "stop_loss", "tif": "gtc", "until": "", "triggerBy": "last"}
AMOUNTS = ("price", "trigger", "trail", "cash", "quantity", "display", "takeProfit", "stopLoss")


def said(function: str, tmp_path: Path, **order: Any) -> Any:
    """What the module says of an order; amounts are base units."""
    for name in ("money", "ticket_words"):
        text = (ROOT / "static" / "js" / f"{name}.js").read_text()
        (tmp_path / f"{name}.mjs").write_text(text.replace('.js"', '.mjs"'))
    (tmp_path / "ask.mjs").write_text(
        f"""import * as words from "./ticket_words.mjs";
        const order = {json.dumps(ORDER | order)};
        for (const name of {json.dumps(AMOUNTS)}) {{
          order[name] = order[name] === undefined ? null : BigInt(order[name]);
        }}
        console.log(JSON.stringify(words.{function}(order, {json.dumps(DATA)}, [])));"""
    )
    out = subprocess.run(
        [node(), "ask.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


WAITING: list[tuple[dict[str, Any], str]] = [
    ({"trigger": 90_000_000}, "When the price falls to 90.00 USDC, we sell 1 AAPLx at market."),
    (
        {"side": "buy", "trigger": 110_000_000, "price": 111_000_000},
        "When the price rises to 110.00 USDC, we buy 1 AAPLx at 111.00 USDC or less.",
    ),
    (
        {"type": "take_profit", "trigger": 120_000_000, "triggerBy": "index"},
        "When the share's price per token rises to 120.00 USDC, we sell 1 AAPLx at market.",
    ),
    (
        {"type": "trailing_stop", "trail": 25_000, "trailPercent": True},
        "When the price falls back by 2.5 % from its highest from now on, we sell 1 AAPLx",
    ),
]


@pytest.mark.parametrize(("order", "words"), WAITING)
def test_what_waits_says_when_and_what(order: dict[str, Any], words: str, tmp_path: Path) -> None:
    told = said("conditionalWords", tmp_path, quantity=10**8, **order)

    assert told.startswith(words)


def test_a_sale_holds_its_tokens_and_a_purchase_its_worst_case(tmp_path: Path) -> None:
    assert said("holdWords", tmp_path, quantity=10**8, trigger=90_000_000) == "1 AAPLx"
    buy = {"side": "buy", "quantity": 10**8, "trigger": 100_000_000}
    worst = buy_hold(105_000_000, 10**8, 0, 2_500)  # trigger, 5 % protection, the fee
    assert said("holdWords", tmp_path, **buy) == f"{worst / 1_000_000} USDC"


def test_the_sheet_names_trigger_hold_fee_and_end(tmp_path: Path) -> None:
    facts = said(
        "facts", tmp_path, quantity=10**8, trigger=90_000_000, tif="gtd", until="x",
        untilWords="Friday",
    )  # fmt: skip

    assert [name for name, _ in facts] == ["When", "Held for it", "Fee", "How long"]
    assert dict(facts)["How long"] == "Until Friday"


def test_what_is_attached_is_said(tmp_path: Path) -> None:
    both = {"type": "limit", "takeProfit": 120_000_000, "stopLoss": 80_000_000}
    assert said("closeWords", tmp_path, **both) == (
        "What fills gets a take profit at 120.00 USDC and a stop loss at 80.00 USDC; "
        "when one goes, the other is canceled."
    )
    assert said("closeWords", tmp_path) == ""
    assert said("marketWords", tmp_path, type="market", quantity=1).startswith("Nobody offers")
