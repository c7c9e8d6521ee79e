"""What an order may not do, whatever it asks for: prices beyond columns, holds beyond funds."""

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CASH_ID, USD, Desk
from tests.engine.order_words import order, place, trade_at
from trading.commands import PlacePair
from trading.engine.admission import lowest_price

BIGINT_MAX = (1 << 63) - 1


def test_a_trailing_stops_limit_stays_within_bounds(desk: Desk) -> None:
    """It becomes a price when nobody asks any more, so what it may be is asked before."""
    trade_at(desk, 100)
    offset = BIGINT_MAX - BIGINT_MAX % desk.market.rules.tick
    for units in (offset, -offset):
        with pytest.raises(Refusal) as refused:
            place(desk, ALICE, "sell", "trailing_stop_limit", trail=1, limit_offset_units=units)
        assert refused.value.code == "malformed_order"

    low = place(desk, ALICE, "sell", "trailing_stop_limit", trail=1, limit_offset=-1_000)
    trade_at(desk, 90)
    assert low.price == lowest_price(desk.market.rules) == USD  # where a lot is worth a unit


def test_a_pair_never_needs_more_than_it_holds(desk: Desk) -> None:
    """Each of both rounds its own fee up, so the sum may be a unit more than one's alone."""
    for units in range(10, 70):
        price, quantity = 100.34, 2.729634
        pair = [
            order(ALICE, "buy", kind, quantity, price=price, **fields)
            for kind, fields in (("limit", {}), ("stop_loss_limit", {"trigger_price": 150}))
        ]
        legs = desk.pool.place_pair(PlacePair(first=pair[0], second=pair[1]), desk.effects)
        funds = desk.pool.funds[ALICE, CASH_ID]
        spare = funds.posted - funds.held
        funds.posted = funds.held  # all that there is
        for n in (1, 7, 9):
            place(desk, BOB, "sell", "limit", round(n * units / 1_000, 3), price=price)
            desk.pool.check_invariants()
        funds.posted += spare
        for each in legs[:1]:
            desk.cancel(each)
