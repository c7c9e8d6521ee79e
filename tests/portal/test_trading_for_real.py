"""The trading pages with an engine behind them: buy, rest, cancel, and clicks too many."""

import re
import time
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import Investor, User
from accounts.operations import disclosures
from custody.models import Asset
from custody.pages import get_holding
from kernel import clock
from tests.portal.conftest import client_of
from tests.trading.conftest import Venue, engine, start_engine, venue
from trading import order_entry
from trading.models import Order

__all__ = ["engine", "start_engine", "venue"]
SYMBOL = "AAPLxUSDC"


def investor_with_login(venue: Venue, name: str, **funds: Any) -> Investor:
    investor = Investor.objects.get(pk=venue.investor(name, **funds))
    now = clock.now()
    investor.user = User.objects.create_user(f"{name}@example.com", "a long enough password")
    investor.kyc_status, investor.first_approved_at = "approved", now
    investor.residence_country = "DE"
    investor.save()
    text = disclosures.publish(subject="AAPLx", title="AAPLx", body="A token.", now=now)
    disclosures.accept(investor_id=investor.pk, disclosure_id=text.pk, ip=None, now=now)
    return investor


@pytest.fixture
def alice(venue: Venue, engine: Any) -> Investor:
    """Alice with 1,000 USDC; a maker offers ten tokens at 238 USDC."""
    maker = venue.investor("maker", tokens=20)
    order_entry.place_sync(venue.order(maker, "sell", quantity=10, price=238))
    investor = investor_with_login(venue, "alice", usd=1_000)
    wait_for_cash(investor)
    return investor


def wait_for_cash(investor: Investor) -> None:
    """Until the engine has taken the investor's USDC in."""
    usdc = Asset.objects.get(code="USDC")
    deadline = time.monotonic() + 10
    while not get_holding(investor_id=investor.pk, asset=usdc).available_units:
        assert time.monotonic() < deadline, "the engine did not take the units in"
        time.sleep(0.02)


def preview_token(client: Client) -> str:
    answer = client.get(reverse("buy", args=[SYMBOL]), {"cash": "5"})
    found = re.search(r'name="token" value="([^"]+)"', answer.content.decode())
    assert found is not None, answer.content.decode()
    return found.group(1)


def test_simple_buy_spends_what_the_preview_said_and_two_clicks_buy_once(alice: Investor) -> None:
    client = client_of(alice)
    token = preview_token(client)
    address = reverse("buy_confirm", args=[SYMBOL])

    first, second = (client.post(address, {"token": token}) for _ in range(2))

    order = Order.objects.get(investor_id=alice.pk)
    assert order.status == "filled"
    assert order.filled_cash_units + order.fee_units <= 5_000_000
    assert first.headers["Location"] == reverse("order", args=[order.id])
    assert second.headers["Location"] == first.headers["Location"]
    page = client.get(first.headers["Location"]).content.decode()
    assert "Done: Buy AAPLx" in page
    assert "Its trades" in page


def test_a_preview_is_nobody_elses(alice: Investor, venue: Venue) -> None:
    bob = investor_with_login(venue, "bob", usd=100)
    token = preview_token(client_of(alice))

    answer = client_of(bob).post(reverse("buy_confirm", args=[SYMBOL]), {"token": token})

    assert answer.headers["Location"] == reverse("buy", args=[SYMBOL])
    assert not Order.objects.filter(investor_id=bob.pk).exists()


@pytest.mark.parametrize("token", ["", "made-up", "signed for something else"])
def test_a_preview_that_was_not_ours_is_refused(token: str, alice: Investor) -> None:
    if token.startswith("signed"):
        token = signing.dumps([1, SYMBOL, 1, 1], salt="x")
    answer = client_of(alice).post(reverse("buy_confirm", args=[SYMBOL]), {"token": token})

    assert answer.headers["Location"] == reverse("buy", args=[SYMBOL])
    assert not Order.objects.filter(investor_id=alice.pk).exists()


def limit_order(client: Client, **changes: str) -> Any:
    """The plain form as the page gives it, its own key included."""
    page = client.get(reverse("trade", args=[SYMBOL])).content.decode()
    found = re.search(r'name="key" value="([0-9a-f]+)"', page)
    assert found is not None
    form = {"side": "buy", "order_type": "limit", "price": "200", "quantity": "0.5"}
    form |= {"key": found[1]} | changes
    return client.post(reverse("place_order", args=[SYMBOL]), form)


def test_a_limit_order_from_the_form_rests_is_listed_and_can_be_canceled(alice: Investor) -> None:
    client = client_of(alice)

    placed = limit_order(client)

    order = Order.objects.get(investor_id=alice.pk)
    assert placed.headers["Location"] == reverse("order", args=[order.id])
    assert str(order.id) in client.get(reverse("trade", args=[SYMBOL])).content.decode()
    canceled = client.post(reverse("cancel_order", args=[order.id]))
    assert canceled.status_code == 302
    order.refresh_from_db()
    assert (order.status, order.held_units) == ("canceled", 0)


def test_a_second_click_on_the_form_is_the_same_order(alice: Investor) -> None:
    client = client_of(alice)

    first = limit_order(client, key="0" * 24)
    second = limit_order(client, key="0" * 24)
    other = limit_order(client, key="0" * 24, quantity="0.6")

    order = Order.objects.get(investor_id=alice.pk, status="open")
    assert first.headers["Location"] == reverse("order", args=[order.id])
    assert second.headers["Location"] == first.headers["Location"]
    assert other.headers["Location"] == reverse("trade", args=[SYMBOL])


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""},
        {"key": "of my own"},
        {"quantity": "\u0661"},  # an Arabic one
        {"quantity": "NaN"},
        {"quantity": "+1"},
        {"quantity": "1,5"},
        {"quantity": "9" * 30},
        {"quantity": "1e2"},
        {"quantity": "0.123456789"},
        {"quantity": "-1"},
        {"price": ""},
        {"cash": "5"},
        {"quantity": ""},
        {"side": "hold"},
        {"price": "200.001"},
    ],
)
def test_a_form_that_makes_no_sense_places_nothing_and_says_why(
    changes: dict[str, str], alice: Investor
) -> None:
    client = client_of(alice)

    answer = limit_order(client, **changes)

    assert answer.headers["Location"] == reverse("trade", args=[SYMBOL])
    assert "data-toast" in client.get(answer.headers["Location"]).content.decode()
    assert not Order.objects.filter(investor_id=alice.pk, status="open").exists()


def test_an_order_is_nobody_elses(alice: Investor, venue: Venue) -> None:
    limit_order(client_of(alice))
    order = Order.objects.get(investor_id=alice.pk)
    bob = investor_with_login(venue, "bob")

    page = client_of(bob).get(reverse("order", args=[order.id]))
    # An id whose deadline has not passed might still become his: it is not known, not foreign.
    assert page.status_code in (202, 404)
    assert "AAPLx" not in page.content.decode()
    client_of(bob).post(reverse("cancel_order", args=[order.id]))
    order.refresh_from_db()
    assert order.status == "open"


def test_activity_lists_filters_and_exports_orders_and_trades(alice: Investor) -> None:
    client = client_of(alice)
    client.post(reverse("buy_confirm", args=[SYMBOL]), {"token": preview_token(client)})
    limit_order(client)

    everything = client.get(reverse("activity")).content.decode()
    only_open = client.get(reverse("activity"), {"state": "open"}).content.decode()
    trades = client.get(reverse("activity"), {"tab": "trades"}).content.decode()
    exported = read(client.get(reverse("activity_export"), {"tab": "trades"}))

    assert everything.count("Details</a>") == 2
    assert only_open.count("Details</a>") == 1
    assert "taker" in trades
    assert len(exported) == 2
    assert exported[0].startswith("trade_id,traded_at_utc,listing,side")
    assert ",AAPLxUSDC,buy,taker,238," in exported[1]


def read(answer: Any) -> list[str]:
    body = b"".join(answer.streaming_content).decode()
    return body.strip().splitlines()


def test_with_no_engine_an_order_is_unknown_and_never_hangs(venue: Venue, valkey_url: str) -> None:
    client = client_of(investor_with_login(venue, "alice", usd=1_000))

    answer = limit_order(client)

    page = client.get(answer.headers["Location"])
    assert page.status_code == 202
    assert "do not send it a second time" in page.content.decode()
