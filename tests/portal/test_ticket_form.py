"""The ticket without JavaScript: what is typed becomes the order, or is refused in words."""

from typing import Any

import pytest

from tests.api.shapes import LISTING
from trading.forms import TicketForm

TYPED: list[tuple[dict[str, str], dict[str, Any]]] = [
    (
        {"order_type": "stop_loss", "side": "sell", "trigger_price": "190", "price": ""},
        {"type": "stop_loss", "trigger_price_units": 190_000_000, "price_units": None},
    ),
    (
        {"order_type": "take_profit", "trigger_price": "190", "price": "191"},
        {"type": "take_profit_limit", "trigger_price_units": 190_000_000},
    ),
    (
        {"order_type": "trailing_stop", "trail": "2.5", "trail_unit": "percent", "price": ""},
        {"type": "trailing_stop", "trail_e6": 25_000, "trail_units": None},
    ),
    (
        {"order_type": "trailing_stop", "trail": "2.5", "trail_unit": "cash", "price": ""},
        {"trail_e6": None, "trail_units": 2_500_000},
    ),
    (
        {"time_in_force": "gtd", "expires_at": "2030-01-02T03:04", "display": "0.1"},
        {"time_in_force": "gtd", "expires_at": 1_893_553_440.0, "display_units": 10_000_000},
    ),
    (
        {"close_take_profit": "250", "close_stop_loss": "150", "time_in_force": "day"},
        {"close_take_profit_units": 250_000_000, "close_stop_loss_units": 150_000_000},
    ),
    ({"side": "sell", "reduce_only": "on"}, {"reduce_only": True, "time_in_force": "gtc"}),
    ({"order_type": "market", "price": ""}, {"time_in_force": "ioc", "expires_at": None}),
]


@pytest.mark.parametrize(("changes", "wanted"), TYPED)
def test_the_form_has_every_kind_of_order(changes: dict[str, str], wanted: dict[str, Any]) -> None:
    typed = {"side": "buy", "order_type": "limit", "price": "200", "quantity": "0.5"}
    form = TicketForm(typed | {"key": "a" * 24} | changes, listing=LISTING)
    assert form.is_valid(), form.errors

    command = form.command(symbol="AAPLxUSDC", investor_id=7)

    assert {name: getattr(command, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": "market"},  # with a price
        {"order_type": "stop_loss"},  # without its trigger
        {"trigger_price": "190"},
        {"order_type": "trailing_stop", "price": ""},
        {"order_type": "stop_loss", "trigger_price": "190", "quantity": "", "cash": "5"},
        {"order_type": "stop_loss", "trigger_price": "190", "display": "0.1"},
        {"order_type": "take_profit", "trigger_price": "190", "close_stop_loss": "180"},
        {"time_in_force": "gtd"},
        {"time_in_force": "gtd", "expires_at": "soon"},
    ],
)
def test_what_a_kind_of_order_does_not_have_is_refused_not_ignored(changes: dict[str, str]) -> None:
    typed = {"side": "buy", "order_type": "limit", "price": "200", "quantity": "0.5"}
    form = TicketForm(typed | {"key": "a" * 24} | changes, listing=LISTING)

    assert not form.is_valid()
