"""A small venue: one share, its token against USDC, a cast with funds, an engine."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings

from accounts.models import EligibilitySnapshot, Investor
from custody import ledger, pool_transfers
from custody.ledger import Entry, Line, Purpose
from custody.models import Asset, LedgerAccount
from custody.verification.run import verify_ledger
from kernel import clock
from kernel.ids import uuid7
from reference.models import Instrument, ReferencePrice
from tests.trading.by_hand import Hand, make_price
from tests.trading_database import engine_database
from trading.commands import PlaceOrder
from trading.models import Listing
from trading.sequencer import Sequencer

USD = 1_000_000
TOKEN = 10**8


@dataclass
class Venue:
    """The listing AAPLxUSDC and verbs to people it."""

    listing: Listing
    token: Asset
    cash: Asset
    share: Asset

    def investor(
        self, name: str, *, usd: int = 0, tokens: int = 0, country: str = "DE", **may: Any
    ) -> int:
        """An investor who may trade, funded through the ledger and the inbox."""
        now = clock.now()
        investor = Investor.objects.create(display_name=name, created_at=now)
        self.allow(investor.pk, country=country, **may)
        if usd:
            self.fund(investor.pk, self.cash, usd * USD)
        if tokens:
            self.fund(investor.pk, self.token, tokens * TOKEN)
        return investor.pk

    def allow(self, investor_id: int, **facts: Any) -> None:
        """A new eligibility snapshot."""
        known = EligibilitySnapshot.objects.filter(investor_id=investor_id).count()
        facts = {"may_buy": True, "may_sell": True, "country": "DE", **facts}
        facts.setdefault("accepted", {"AAPLx": 1})
        EligibilitySnapshot.objects.create(
            investor_id=investor_id,
            version=known + 1,
            reason_code="" if facts["may_buy"] else "reduce_only",
            created_at=clock.now(),
            **facts,
        )

    def fund(self, investor_id: int, asset: Asset, units: int, pool: int = 1) -> None:
        """Units from outside into main, and from there towards the engine."""
        chain = ledger.get_account_id(None, asset.pk, Purpose.CHAIN)
        main = ledger.get_account_id(investor_id, asset.pk, Purpose.MAIN)
        key = f"test:{uuid7()}"
        lines = [Line(chain, -units), Line(main, units)]
        if asset == self.token:  # no token without its share: nine decimals against eight
            custodian = ledger.get_account_id(None, self.share.pk, Purpose.CUSTODIAN_SETTLED)
            backing = ledger.get_account_id(None, self.share.pk, Purpose.SHARES_BACKING)
            lines += [Line(custodian, -10 * units), Line(backing, 10 * units)]
        ledger.post([Entry("given", key, "", lines)], clock.now())
        pool_transfers.request_in(
            investor_id=investor_id,
            asset_id=asset.pk,
            pool=pool,
            units=units,
            purpose="deposit",
            key=key,
            now=clock.now(),
        )

    def balance(self, investor_id: int, asset: Asset) -> tuple[int, int]:
        """(posted, held) in the pool, as committed."""
        row = LedgerAccount.objects.get(
            owner_id=investor_id, asset=asset, purpose=Purpose.TRADING, pool=1
        )
        return row.posted_units, row.held_units

    def order(self, investor_id: int, side: str, **fields: Any) -> PlaceOrder:
        """A limit order; `quantity` in tokens, `price` and `cash` in USDC."""
        if "quantity" in fields:
            fields["quantity_units"] = round(fields.pop("quantity") * TOKEN)
        if "price" in fields:
            fields["price_units"] = round(fields.pop("price") * USD)
        if "cash" in fields:
            fields["cash_units"] = round(fields.pop("cash") * USD)
        kind = "limit" if fields.get("price_units") else "market"
        return PlaceOrder(
            **{"listing": self.listing.symbol, "investor_id": investor_id, "side": side}
            | {"type": kind, **fields}
        )


@pytest.fixture
def venue(cloned_database: str) -> Venue:
    instrument = Instrument.objects.create(
        ticker="AAPL",
        name="Apple Inc.",
        kind="stock",
        exchange="XNAS",
        isin="US0378331005",
        isin_source="test",
        price_feed_id="a" * 64,
        price_source="simulated",
    )
    cash = Asset.objects.create(code="USDC", name="USD Coin", kind="stablecoin", decimals=6)
    token = Asset.objects.create(
        code="AAPLx", name="Apple token", kind="token", decimals=8, instrument=instrument
    )
    share = Asset.objects.create(
        code="AAPL", name="Apple share", kind="share", decimals=9, instrument=instrument
    )
    listing = Listing.objects.create(
        symbol="AAPLxUSDC",
        wsname="AAPLx/USDC",
        asset=token,
        quote=cash,
        pool_id=1,
        created_at=clock.now(),
    )
    return Venue(listing, token, cash, share)


@pytest.fixture
def start_engine(venue: Venue, valkey_url: str) -> Iterator[Callable[[], Sequencer]]:
    """Starts engines in threads of this process; all are stopped at the end."""
    running: list[tuple[Sequencer, threading.Thread]] = []

    def start(pool_id: int = 1, **options: Any) -> Sequencer:
        database = {**engine_database(), **options}
        sequencer = Sequencer(pool_id=pool_id, database=database, valkey_url=settings.REDIS_URL)
        thread = threading.Thread(target=sequencer.run, name="engine")
        thread.start()
        running.append((sequencer, thread))
        return sequencer

    yield start
    for sequencer, thread in running:
        sequencer.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture
def engine(start_engine: Callable[[], Sequencer]) -> Sequencer:
    return start_engine()


@pytest.fixture
def hand_driven(venue: Venue, valkey_url: str) -> Iterator[Sequencer]:
    """An engine that the test drives itself, batch by batch; its books are right at the end."""
    made = Sequencer(pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL)
    assert made.own()
    yield made
    made.settle()
    made.owned.pool.check_invariants()
    made.drop()
    report = verify_ledger()
    assert report.is_clean, report.differences


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    """The kernel's clock in the test's hand, at a Tuesday's noon in New York."""
    moved = Hand()
    monkeypatch.setattr(clock, "now", moved)
    return moved


@pytest.fixture
def price(hand: Hand, venue: Venue) -> ReferencePrice:
    """The share costs 100 dollars."""
    return make_price(venue.token.instrument, 100, hand.now)
