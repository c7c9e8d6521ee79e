"""What an order may not do, whatever it asks for: prices beyond columns, holds beyond funds."""

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, USD, Desk
from tests.engine.order_words import place, trade_at
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
