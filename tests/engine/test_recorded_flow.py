"""Orders that an exchange really had, through the engine's core and its obvious twin.

The package `ob-analytics` carries minutes of Bitstamp's BTC/USD order events. A recorded
dollar is a tick here (a cent), a recorded bitcoin a token.
"""

import csv
import gzip
import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from tests.desk import CASH_ID, RULES, TOKEN, TOKEN_ID, Desk
from tests.engine.book_twins import Asked, Twins
from trading.commands import CancelOrder, PlaceOrder
from trading.engine.effects import Effects
from trading.engine.market import Funds

TICK, LOT = RULES["tick"], RULES["lot"]
INVESTORS = 50
FOR_THE_TWIN, FOR_THE_POOL = 2_500, 30_000
BATCH = 100


class Recorded(NamedTuple):
    id: int
    is_buy: bool
    price: int
    quantity: int
    is_cancel: bool


def recorded() -> Iterator[Recorded]:
    """Orders that came and orders that went; what they filled meanwhile is the engine's to say."""
    found = importlib.util.find_spec("ob_analytics")  # not imported: it would draw charts
    assert found is not None
    assert found.submodule_search_locations is not None
    (folder,) = found.submodule_search_locations
    path = Path(folder) / "_sample_data" / "orders.csv.gz"
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            price = round(float(row["price"])) * TICK
            quantity = round(float(row["volume"]) * TOKEN) // LOT * LOT
            # Stray prices are not of this market, and dust is no order here.
            is_sane = 10**8 < price < 10**10 and price * quantity // TOKEN >= RULES["min_cash"]
            if row["action"] == "deleted" or (row["action"] == "created" and is_sane):
                is_cancel = row["action"] == "deleted"
                yield Recorded(
                    int(row["id"]), row["direction"] == "bid", price, quantity, is_cancel
                )


def test_recorded_orders_trade_the_same_in_the_book_and_its_twin() -> None:
    twins = Twins()
    ids: dict[int, UUID] = {}
    for step, event in enumerate(itertools.islice(recorded(), FOR_THE_TWIN)):
        if event.is_cancel:
            order = twins.resting.get(ids.get(event.id, UUID(int=0)))
            if order is not None and order.level is not None:
                twins.cancel(order)
        else:
            before = set(twins.resting)
            owner = UUID(int=event.id % INVESTORS + 1)
            twins.place(Asked(event.is_buy, owner, event.price, event.quantity))
            for id in twins.resting.keys() - before:
                ids[event.id] = id
        if step % BATCH == 0:
            twins.compare()
    twins.compare()
    assert len(ids) > FOR_THE_TWIN / 4


def test_recorded_orders_leave_the_pool_whole() -> None:
    desk = Desk()
    pool = desk.pool
    for investor in range(1, INVESTORS + 1):
        desk.allow(investor)
        for asset in (CASH_ID, TOKEN_ID):
            pool.funds[investor, asset] = Funds(investor, asset, 10**17, account_id=1)
    total = INVESTORS * 10**17
    ids: dict[int, UUID] = {}
    trades = fees = 0

    events = itertools.islice(recorded(), FOR_THE_POOL)
    for batch_no in range(1, FOR_THE_POOL // BATCH + 1):
        effects = Effects(batch_no, 1_000.0 + batch_no)
        for event in itertools.islice(events, BATCH):
            investor = event.id % INVESTORS + 1
            known = pool.orders.get(ids.get(event.id, UUID(int=0)))
            if event.is_cancel and known is not None:
                pool.cancel(CancelOrder(investor_id=investor, order_id=known.id), effects)
            elif not event.is_cancel:
                command = PlaceOrder(
                    listing=desk.market.rules.symbol,
                    investor_id=investor,
                    side="buy" if event.is_buy else "sell",
                    type="limit",
                    price_units=event.price,
                    quantity_units=event.quantity,
                    self_trade_prevention="cancel_oldest",
                )
                ids[event.id] = pool.place(command, effects).id
        trades += len(effects.trades)
        fees += sum(t.execution.maker_fee + t.execution.taker_fee for t in effects.trades)
        if batch_no % 25 == 0:
            pool.check_invariants()

    pool.check_invariants()
    posted = {
        asset: sum(funds.posted for (_, each), funds in pool.funds.items() if each == asset)
        for asset in (CASH_ID, TOKEN_ID)
    }
    assert posted == {CASH_ID: total - fees, TOKEN_ID: total}
    assert trades > 100
    assert pool.orders
