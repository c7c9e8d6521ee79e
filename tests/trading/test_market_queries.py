"""Depth, trades, candles and statistics, out of what was committed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connections, transaction

from custody.verification.run import verify_ledger
from kernel import clock
from tests.trading_database import engine_database
from trading import queries
from trading.commands import Envelope
from trading.models import Order, Trade
from trading.sequencer import Sequencer


@pytest.fixture
def traded(venue: Any, valkey_url: str) -> dict[str, int]:
    """Three trades at 100, 102 and 101, and a book of 99 against 103."""
    alice = venue.investor("Alice", usd=10_000)
    bob = venue.investor("Bob", tokens=100)
    engine = Sequencer(pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL)
    assert engine.own()
    orders = []
    for price in (100, 102, 101):
        orders.append(venue.order(bob, "sell", quantity=2, price=price))
        orders.append(venue.order(alice, "buy", quantity=2, price=price))
    orders.append(venue.order(alice, "buy", quantity=1, price=99))
    orders.append(venue.order(alice, "buy", quantity=0.5, price=99))
    orders.append(venue.order(bob, "sell", quantity=3, price=103))
    for order in orders:
        engine.process([Envelope(order, clock.now().timestamp() + 30, "nobody")])
    engine.settle()
    engine.drop()
    return {"alice": alice, "bob": bob}


def test_depth_sums_the_orders_of_a_price_and_names_its_sequence(
    venue: Any, traded: dict[str, int]
) -> None:
    found = queries.depth(listing_id=venue.listing.pk)

    assert [(lv.price_units, lv.quantity_units, lv.orders) for lv in found.bids] == [
        (99_000_000, 150_000_000, 2)
    ]
    assert [(lv.price_units, lv.orders) for lv in found.asks] == [(103_000_000, 1)]
    assert found.seq == 9


def test_trades_page_by_number_in_both_directions(venue: Any, traded: dict[str, int]) -> None:
    page = queries.recent_trades(listing_id=venue.listing.pk, limit=2)
    older = queries.recent_trades(listing_id=venue.listing.pk, before_no=page[-1].trade_no)
    newer = queries.recent_trades(listing_id=venue.listing.pk, after_no=1)

    assert [trade.trade_no for trade in page] == [3, 2]
    assert [trade.trade_no for trade in older] == [1]
    assert [trade.trade_no for trade in newer] == [2, 3]


def test_a_candle_has_the_first_highest_lowest_and_last_price(
    venue: Any, traded: dict[str, int]
) -> None:
    day = queries.candles(listing_id=venue.listing.pk, interval_seconds=86_400)

    candle = day[-1]
    assert (candle.open_units, candle.high_units, candle.low_units, candle.close_units) == (
        100_000_000,
        102_000_000,
        100_000_000,
        101_000_000,
    )
    assert (candle.volume_units, candle.cash_units, candle.trades) == (6 * 10**8, 606_000_000, 3)
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert candle.start_at == midnight.astimezone(UTC)


def test_statistics_cover_a_day_and_remember_the_last_price_longer(
    venue: Any, traded: dict[str, int]
) -> None:
    ids = [venue.listing.pk]
    today = queries.statistics(listing_ids=ids, now=clock.now())[venue.listing.pk]
    later = queries.statistics(listing_ids=ids, now=datetime(2040, 1, 1, tzinfo=UTC))

    assert (today.last_units, today.open_units, today.trades) == (101_000_000, 100_000_000, 3)
    assert later[venue.listing.pk].last_units == 101_000_000
    assert (later[venue.listing.pk].high_units, later[venue.listing.pk].trades) == (None, 0)


def test_an_investor_sees_own_orders_and_trades_alone(venue: Any, traded: dict[str, int]) -> None:
    alice, bob = traded["alice"], traded["bob"]

    assert len(queries.list_orders(investor_id=alice, open_only=True)) == 2
    first = queries.list_orders(investor_id=alice, limit=3)
    rest = queries.list_orders(investor_id=alice, before_id=first[-1].id)
    assert len(first) + len(rest) == 5
    assert {trade.role for trade in queries.list_trades(investor_id=bob)} == {"maker"}
    assert {trade.side for trade in queries.list_trades(investor_id=alice)} == {"buy"}


def test_verify_ledger_finds_a_hold_without_order_and_a_fill_without_trade(
    venue: Any, traded: dict[str, int]
) -> None:
    assert verify_ledger().is_clean
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE trading_order SET held_units = held_units - 1 WHERE status = 'open'")
        cursor.execute(
            "UPDATE trading_order SET filled_units = filled_units - 100 WHERE status = 'filled'"
        )

    found = {difference.check for difference in verify_ledger().differences}

    assert "orders sum their trades" in found
    assert "held units" in found


def test_the_application_cannot_rewrite_a_trade_or_delete_an_order(
    venue: Any, traded: dict[str, int]
) -> None:
    from django.db.utils import ProgrammingError

    with pytest.raises(ProgrammingError), transaction.atomic():
        Trade.objects.update(price_units=1)
    with pytest.raises(ProgrammingError), transaction.atomic():
        Order.objects.all()._raw_delete("default")


def test_the_database_refuses_a_closed_order_that_still_holds(
    venue: Any, traded: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(status="filled").update(held_units=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(status="open").update(filled_units=10**12)
