"""Orders that wait, belong together or change: their pages, with an engine behind them."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Investor
from tests.portal.conftest import client_of
from tests.portal.test_trading_for_real import (
    SYMBOL,
    alice,
    engine,
    investor_with_login,
    limit_order,
    start_engine,
    venue,
)
from tests.trading.test_kill_switches import stop
from trading import order_changes, order_entry
from trading.commands import PlaceOrder, PlacePair
from trading.engine.refusals import TradingStopped
from trading.engine.stops import StopScope
from trading.models import Order

__all__ = ["alice", "engine", "start_engine", "venue"]
STOP = {"order_type": "stop_loss", "trigger_price": "250", "price": ""}


def page_of(client: Client, order: Order) -> str:
    text = client.get(reverse("order", args=[order.id])).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def only_order(investor: Investor, **of: Any) -> Order:
    return Order.objects.get(investor_id=investor.pk, **of)


def test_a_stop_waits_in_words_and_is_moved_and_canceled(alice: Investor) -> None:
    client = client_of(alice)
    limit_order(client, **STOP)
    order = only_order(alice)

    trade = client.get(reverse("trade", args=[SYMBOL])).content.decode()
    assert "when it rises to 250.00 USDC, at market" in trade
    assert "&quot;self_trade&quot;: &quot;it met an order of your own&quot;" in trade
    story = page_of(client, order)
    assert "It is not in the book: it waits for its trigger" in story
    assert "Stop loss, until filled or canceled" in story

    client.post(reverse("amend_order", args=[order.id]), {"trigger_price": "260"})
    assert "when it rises to 260.00 USDC" in page_of(client, order)
    assert str(order.id) in client.get(reverse("activity"), {"state": "open"}).content.decode()

    client.post(reverse("cancel_all_orders"), {"listing": SYMBOL, "confirmed": "yes"})
    story = page_of(client, order)
    assert "It was canceled: you asked for it." in story
    assert "Change it" not in story


def test_amending_says_what_is_wrong_and_changes_nothing(alice: Investor) -> None:
    client = client_of(alice)
    limit_order(client)
    order = only_order(alice)
    address = reverse("amend_order", args=[order.id])

    for form, words in (
        ({}, "Enter what is to change."),
        ({"price": "1,5"}, "plain digits"),
        ({"quantity": "100"}, "available"),
    ):
        answer = client.post(address, form, follow=True)
        assert words in answer.content.decode(), form
    client.post(address, {"quantity": "0.25", "price": "201"})
    order.refresh_from_db()
    assert (order.quantity_units, order.price_units) == (25_000_000, 201_000_000)


def test_orders_that_belong_together_name_each_other(alice: Investor, venue: Any) -> None:
    client = client_of(alice)
    limit_order(client, price="238", close_take_profit="300", close_stop_loss="150")
    entry = only_order(alice, type="limit")
    profit, loss = (only_order(alice, type=kind) for kind in ("take_profit", "stop_loss"))

    story = page_of(client, entry)
    assert "Take profit attached 300.00 USDC" in story
    assert story.count("it closes this one") == 2
    story = page_of(client, profit)
    assert "this one closes it" in story
    assert "one cancels the other" in story
    assert str(loss.id) in client.get(reverse("order", args=[profit.id])).content.decode()


def test_a_pair_s_other_half_says_why_it_went(alice: Investor, venue: Any) -> None:
    stop = PlaceOrder(
        listing=SYMBOL, investor_id=alice.pk, side="buy", type="stop_loss",
        quantity_units=10**8, trigger_price_units=260_000_000,
    )  # fmt: skip
    pair = PlacePair(first=venue.order(alice.pk, "buy", quantity=1, price=200), second=stop)
    first, second = order_changes.place_pair_sync(pair)
    client = client_of(alice)

    client.post(reverse("cancel_order", args=[first.id]))

    assert "its other half was triggered, filled or canceled" in page_of(
        client, Order.objects.get(pk=second.id)
    )


def test_an_order_that_a_kill_switch_pulled_says_so_in_words(alice: Investor, venue: Any) -> None:
    client = client_of(alice)
    limit_order(client)
    resting = only_order(alice)
    stop(StopScope.LISTING, venue.listing.pk)

    with pytest.raises(TradingStopped):
        order_entry.place_sync(venue.order(alice.pk, "buy", quantity=1, price=200))

    assert "It was canceled: trading was stopped." in page_of(client, resting)
    refused = only_order(alice, status="refused")
    assert "It was refused and changed nothing: trading was stopped." in page_of(client, refused)


def test_nobody_else_can_change_it(alice: Investor, venue: Any) -> None:
    limit_order(client_of(alice))
    order = only_order(alice)
    bob = investor_with_login(venue, "bob")

    answer = client_of(bob).post(reverse("amend_order", args=[order.id]), {"price": "1"})

    assert answer.status_code == 404
    order.refresh_from_db()
    assert order.price_units == 200_000_000
