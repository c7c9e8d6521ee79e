"""`descr` in Kraken's words, which clients split at spaces, and what AddOrder's parameters mean."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import RequestFactory

from tests.api.shapes import LISTING
from trading.commands import PlaceOrder
from trading.kraken import order_requests, wording
from trading.kraken.parameters import Parameters
from trading.offering import ANYONE

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
SELL = {"pair": "AAPLxUSDC", "type": "sell", "volume": "1"}


@pytest.fixture(autouse=True)
def _listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading parameters asks the database for nothing but the pair."""
    monkeypatch.setattr(order_requests, "find_pair", lambda **_: LISTING)


def read(**values: str) -> PlaceOrder:
    parameters = Parameters(SELL | values)
    command, _ = order_requests.read_order(parameters, investor_id=7, reader=ANYONE, now=NOW)
    return command


WORDS: list[tuple[dict[str, str], str, str]] = [
    ({"ordertype": "limit", "price": "150.1"}, "limit 150.10", "limit"),
    ({"ordertype": "market"}, "market", "market"),
    ({"ordertype": "iceberg", "price": "150", "displayvol": "0.1"}, "limit 150.00", "iceberg"),
    ({"ordertype": "stop-loss", "price": "140"}, "stop loss 140.00", "stop-loss"),
    ({"ordertype": "take-profit", "price": "260"}, "take profit 260.00", "take-profit"),
    (
        {"ordertype": "stop-loss-limit", "price": "140", "price2": "139"},
        "stop loss 140.00 -> limit 139.00",
        "stop-loss-limit",
    ),
    (
        {"ordertype": "take-profit-limit", "price": "260", "price2": "259"},
        "take profit 260.00 -> limit 259.00",
        "take-profit-limit",
    ),
    ({"ordertype": "trailing-stop", "price": "+2%"}, "trailing stop +2.0000%", "trailing-stop"),
    ({"ordertype": "trailing-stop", "price": "+5"}, "trailing stop +5.00", "trailing-stop"),
    (
        {"ordertype": "trailing-stop-limit", "price": "+5", "price2": "-1"},
        "trailing stop +5.00 -> limit -1.00",
        "trailing-stop-limit",
    ),
    (
        {"ordertype": "trailing-stop-limit", "price": "+5.5%", "price2": "#1"},
        "trailing stop +5.5000% -> limit -1.00",
        "trailing-stop-limit",
    ),
]


@pytest.mark.parametrize(("values", "words", "kind"), WORDS)
def test_an_order_is_described_as_kraken_does(
    values: dict[str, str], words: str, kind: str
) -> None:
    command = read(**values)
    assert wording.order_words(command, LISTING) == f"sell 1.00000000 AAPLxUSDC @ {words}"
    assert wording.type_of(command) == kind
    assert wording.described(command, LISTING).keys() == {"order"}


def test_a_conditional_close_is_described_beside_it() -> None:
    command = read(
        ordertype="limit",
        price="150",
        **{"close[ordertype]": "stop-loss", "close[price]": "140"},
    )
    assert command.close_stop_loss_units == 140_000_000
    assert wording.described(command, LISTING)["close"] == "close position @ stop loss 140.00"


def test_every_parameter_becomes_a_field() -> None:
    command = read(
        ordertype="stop-loss-limit",
        price="140",
        price2="139",
        trigger="index",
        stptype="cancel-both",
        reduce_only="true",
        userref="9",
        cl_ord_id="mine",
        validate="True",
    )
    wanted: dict[str, Any] = {
        "type": "stop_loss_limit",
        "trigger_price_units": 140_000_000,
        "price_units": 139_000_000,
        "trigger_by": "index",
        "self_trade_prevention": "cancel_both",
        "reduce_only": True,
        "user_ref": 9,
        "client_order_id": "mine",
        "validate_only": True,
        "source": "kraken",
    }
    assert {name: getattr(command, name) for name in wanted} == wanted


def test_an_end_is_seconds_from_now_or_since_the_epoch() -> None:
    limit = {"ordertype": "limit", "price": "150"}
    relative = read(**limit, timeinforce="GTD", expiretm="+60")
    assert (relative.time_in_force, relative.expires_at) == ("gtd", NOW.timestamp() + 60)
    absolute = read(**limit, expiretm="1795600000")
    assert (absolute.time_in_force, absolute.expires_at) == ("gtd", 1_795_600_000.0)
    assert read(**limit, expiretm="0").time_in_force == "gtc"


def test_what_json_nests_is_named_as_a_form_spells_it() -> None:
    orders = '[{"volume": 1.50, "close": {"price": "9"}}, {"volume": "2"}]'
    request = RequestFactory().post(
        "/0/private/x", f'{{"orders": {orders}, "pair": "x"}}', content_type="application/json"
    )

    parameters = Parameters.of(request)

    first, second = parameters.listed("orders")
    assert (first.get("volume"), first.get("close[price]")) == ("1.50", "9")
    assert second.get("volume") == "2"
    assert parameters.listed("pair") == []
