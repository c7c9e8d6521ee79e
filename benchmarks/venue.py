"""Filling a fresh database with the workload's investors, listings and funds."""

import time

from django.db import connection, transaction

from accounts.models import EligibilitySnapshot, Investor
from benchmarks.workload import CASH_UNITS, INVESTORS, LISTINGS, LOT, TICK, TOKEN_UNITS
from custody import ledger, pool_transfers
from custody.ledger import Entry, Line, Purpose
from custody.models import Asset, PoolTransfer
from kernel import clock
from reference.models import Instrument
from trading import operations
from trading.engine.market import Rules
from trading.loading import load_rules


@transaction.atomic  # one commit instead of ten thousand
def build(*, listings: int = LISTINGS, investors: int = INVESTORS) -> tuple[list[int], list[Rules]]:
    """Investors' ids and the listings' rules, funded once an engine has run."""
    cash = Asset.objects.create(code="USDC", name="USD Coin", kind="stablecoin", decimals=6)
    tokens = [_list(number, cash) for number in range(listings)]
    ids = [_admit(number, tokens) for number in range(investors)]
    for token in tokens:
        _fund(ids, token, TOKEN_UNITS)
    _fund(ids, cash, CASH_UNITS)
    return ids, _rules()


def _list(number: int, cash: Asset) -> Asset:
    ticker = f"B{number:03d}"
    instrument = Instrument.objects.create(
        ticker=ticker,
        name=f"Benchmark {number}",
        kind="stock",
        exchange="XNAS",
        isin=f"US{number:09d}0",
        isin_source="invented for a benchmark",
        price_feed_id=f"{number:064x}",
        price_source="simulated",
    )
    Asset.objects.create(code=ticker, name=ticker, kind="share", decimals=9, instrument=instrument)
    token = Asset.objects.create(
        code=f"{ticker}x", name=ticker, kind="token", decimals=8, instrument=instrument
    )
    operations.create_listing(
        asset_id=token.pk, quote_id=cash.pk, now=clock.now(), tick_units=TICK, lot_units=LOT
    )
    return token


def _admit(number: int, tokens: list[Asset]) -> int:
    now = clock.now()
    investor = Investor.objects.create(display_name=f"Investor {number}", created_at=now)
    EligibilitySnapshot.objects.create(
        investor=investor,
        version=1,
        may_buy=True,
        may_sell=True,
        country="DE",
        accepted={token.code: 1 for token in tokens},
        created_at=now,
    )
    return investor.pk


def _fund(investors: list[int], asset: Asset, units: int) -> None:
    """Units from outside into each investor's main balance, and from there to the engine."""
    now = clock.now()
    chain = ledger.get_account_id(None, asset.pk, Purpose.CHAIN)
    backing: list[Line] = []
    if asset.kind == "token":
        share = Asset.objects.get(instrument_id=asset.instrument_id, kind="share")
        custodian = ledger.get_account_id(None, share.pk, Purpose.CUSTODIAN_SETTLED)
        backed = ledger.get_account_id(None, share.pk, Purpose.SHARES_BACKING)
        backing = [Line(custodian, -10 * units), Line(backed, 10 * units)]
    entries = []
    for investor in investors:
        main = ledger.get_account_id(investor, asset.pk, Purpose.MAIN)
        lines = [Line(chain, -units), Line(main, units), *backing]
        entries.append(Entry("deposit", f"bench:{asset.code}:{investor}", "", lines))
    ledger.post(entries, now)
    for investor in investors:
        pool_transfers.request_in(
            investor_id=investor,
            asset_id=asset.pk,
            pool=operations.FIRST_POOL,
            units=units,
            purpose="deposit",
            key=f"bench:{asset.code}:{investor}",
            now=now,
        )


def _rules() -> list[Rules]:
    connection.ensure_connection()
    return load_rules(connection.connection, operations.FIRST_POOL, None)


def wait_for_funds() -> None:
    """Until an engine has taken all funds in."""
    deadline = time.monotonic() + 120
    while PoolTransfer.objects.filter(state="requested").exists():
        assert time.monotonic() < deadline, "the engine does not take the funds in"
        time.sleep(0.1)
    assert not PoolTransfer.objects.exclude(state="done").exists()
