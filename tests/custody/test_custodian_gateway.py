"""What the custodian's answers are read as, also those that make no sense."""

from typing import Any

import pytest

from custody.gateways import custodian
from custody.gateways.custodian import AlpacaCustodian
from kernel.gateways import GatewayUnavailable

ANSWER = {
    "id": "c1", "status": "filled", "filled_qty": "2", "filled_avg_price": "190.5",
    "filled_at": "2026-03-02T15:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    "nonsense",
    [
        {"filled_avg_price": None},
        {"filled_qty": "0"},
        {"filled_qty": "-2"},
        {"filled_qty": "99999999999999"},
    ],
)
def test_a_fill_that_makes_no_sense_is_no_answer(nonsense: dict[str, Any]) -> None:
    assert custodian._order(ANSWER).cash_micros("buy") == 381_000_000

    with pytest.raises(GatewayUnavailable):
        custodian._order(ANSWER | nonsense)


def test_dollars_that_the_broker_lent_us_are_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"cash": "-12.5"}
    monkeypatch.setattr(AlpacaCustodian, "_get", lambda *_: said)
    monkeypatch.setattr(AlpacaCustodian, "_trading", lambda *_: "account")

    with AlpacaCustodian("http://127.0.0.1:1", "key", "secret") as broker:
        assert broker.cash_micros() == -12_500_000
        said["cash"] = "--1"
        with pytest.raises(GatewayUnavailable):
            broker.cash_micros()
