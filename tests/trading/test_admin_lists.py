"""Staff's lists show names, not ids, and cost the same however long they are."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from kernel import clock
from kernel.ids import uuid7
from trading.models import Order, Trade


@pytest.fixture
def desk() -> Client:
    client = Client()
    olga = User.objects.create_superuser("olga@example.com", "a long enough password")
    client.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    return client


def make_order(venue: Any, investor_id: int) -> Order:
    return Order.objects.create(
        id=uuid7(), listing=venue.listing, investor_id=investor_id, owner_group=uuid7(),
        side="buy", type="limit", time_in_force="gtc", price_units=238_500_000,
        quantity_units=150_000_000, status="open", source="web", batch_no=1,
        accepted_at=clock.now(), updated_at=clock.now(),
    )  # fmt: skip


def make_trade(venue: Any, buyer: int, seller: int, number: int) -> Trade:
    return Trade.objects.create(
        id=uuid7(), listing=venue.listing, trade_no=number, price_units=238_500_000,
        quantity_units=150_000_000, cash_units=357_750_000, maker_order_id=uuid7(),
        taker_order_id=uuid7(), buyer_id=buyer, seller_id=seller, taker_side="buy",
        maker_fee_units=1, taker_fee_units=1, batch_no=1, traded_at=clock.now(),
    )  # fmt: skip


def look(desk: Client, name: str, **query: str) -> tuple[str, int]:
    """The list's page, and how many queries it took."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = desk.get(reverse(f"admin:trading_{name}_changelist"), query)
    assert answer.status_code == 200
    return answer.content.decode(), len(queries)


def test_orders_are_listed_and_found_by_the_investors_name(venue: Any, desk: Client) -> None:
    alice, bob = venue.investor("Alice Adler"), venue.investor("Bob Baum")
    make_order(venue, alice)
    page, before = look(desk, "order")
    assert "Alice Adler" in page
    assert "238.50 USDC" in page
    assert "1.5 AAPLx" in page

    for _ in range(5):
        make_order(venue, bob)
    assert look(desk, "order")[1] == before

    page, _ = look(desk, "order", q="baum")
    assert "Bob Baum" in page
    assert "Alice Adler" not in page
    assert "Bob Baum" in look(desk, "order", q="AAPLxUSDC")[0]


def test_trades_name_their_buyer_and_seller(venue: Any, desk: Client) -> None:
    alice, bob = venue.investor("Alice Adler"), venue.investor("Bob Baum")
    make_trade(venue, alice, bob, 1)
    page, before = look(desk, "trade")
    assert "Alice Adler" in page
    assert "Bob Baum" in page
    assert "357.75 USDC" in page

    for number in range(2, 7):
        make_trade(venue, bob, alice, number)
    assert look(desk, "trade", q="adler")[1] == look(desk, "trade", q="nobody at all")[1] + 1
    assert look(desk, "trade")[1] == before


def test_the_inbox_says_whom_and_what_a_fact_is_about(venue: Any, desk: Client) -> None:
    venue.investor("Alice Adler")
    page, before = look(desk, "inboxitem")
    assert "Alice Adler" in page

    for name in ("Bob Baum", "Carla Cruz"):
        venue.investor(name)
    assert look(desk, "inboxitem")[1] == before
