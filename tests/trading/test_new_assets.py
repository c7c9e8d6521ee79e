"""A pair whose assets came after the engine started, in a batch that fails at first."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from custody.models import Asset
from custody.verification.run import verify_ledger
from kernel import clock
from tests.trading_database import engine_database
from trading.commands import Command, Envelope, PlaceOrder
from trading.models import Trade
from trading.operations import create_listing
from trading.sequencer import Sequencer


@pytest.fixture
def engine(venue: Any, valkey_url: str) -> Iterator[Sequencer]:
    made = Sequencer(pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL)
    assert made.own()
    yield made
    made.owned.pool.check_invariants()
    made.drop()
    report = verify_ledger()
    assert report.is_clean, report.differences


def run(engine: Sequencer, *commands: Command) -> None:
    deadline = clock.now().timestamp() + 30
    engine.process([Envelope(command, deadline, "nobody") for command in commands])
    engine.settle()


def test_accounts_opened_in_a_batch_that_failed_are_opened_again(
    venue: Any, engine: Sequencer
) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "ALTER TABLE trading_order ADD CONSTRAINT poison CHECK (user_ref IS DISTINCT FROM 13)"
        )
    alice, bob = venue.investor("Alice", usd=1_000), venue.investor("Bob", tokens=10)
    run(engine)
    dollar = Asset.objects.create(code="USDT", name="Tether", kind="stablecoin", decimals=6)
    listing = create_listing(asset_id=venue.token.pk, quote_id=dollar.pk, now=clock.now())

    run(engine, venue.order(alice, "buy", quantity=1, price=100, user_ref=13))
    venue.fund(alice, dollar, 1_000_000_000)
    run(engine)

    def order(investor_id: int, side: Any) -> PlaceOrder:
        return PlaceOrder(
            listing=listing.symbol,
            investor_id=investor_id,
            side=side,
            type="limit",
            quantity_units=10**8,
            price_units=100_000_000,
        )

    run(engine, order(bob, "sell"), order(alice, "buy"))

    assert Trade.objects.filter(listing_id=listing.pk).count() == 1
