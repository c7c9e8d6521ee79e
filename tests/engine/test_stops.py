"""Kill switches in memory: what they pull, whom they refuse, and that cancels go on."""

from typing import Any

import pytest

from tests.desk import ALICE, BOB, CAROL, RULES, TOKEN, USD
from trading.commands import PlaceOrder, PlacePair
from trading.engine.market import Eligibility, Rules
from trading.engine.refusals import TradingStopped
from trading.engine.stopping import set_stops
from trading.engine.stops import Stop, Stops

ACME = 7
VENUE = Stop(1, "venue", 0, "")
SWITCHES = [
    VENUE,
    Stop(2, "listing", RULES["id"], ""),
    Stop(3, "partner", ACME, ""),
    Stop(4, "investor", ALICE, ""),
]


@pytest.fixture
def busy(desk: Any) -> Any:
    """Alice came through Acme; she and Bob have orders resting, she in two listings."""
    desk.pool.add_market(Rules(**{**RULES, "id": 9, "symbol": "MSFTxUSDC"}))
    desk.allow(ALICE, partner_id=ACME)
    desk.orders = {
        "hers": desk.place(ALICE, "buy", quantity=1, price=90),
        "elsewhere": desk.place(ALICE, "buy", quantity=1, price=80, listing="MSFTxUSDC"),
        "his": desk.place(BOB, "sell", quantity=1, price=110),
    }
    return desk


@pytest.mark.parametrize(
    ("stop", "pulled"),
    [
        (SWITCHES[0], {"hers", "elsewhere", "his"}),
        (SWITCHES[1], {"hers", "his"}),
        (SWITCHES[2], {"hers", "elsewhere"}),
        (SWITCHES[3], {"hers", "elsewhere"}),
    ],
    ids=lambda each: each.scope if isinstance(each, Stop) else "",
)
def test_a_switch_pulls_every_order_of_its_scope_and_no_other(
    busy: Any, stop: Stop, pulled: set[str]
) -> None:
    effects = set_stops(busy.pool, Stops([stop]), [stop.id], busy.effects)

    found = {name for name, order in busy.orders.items() if order.reason == "kill_switch"}
    assert found == pulled
    assert effects == [(stop.id, True, len(pulled))]
    busy.pool.check_invariants()
    assert busy.cash(ALICE)[1] == sum(
        order.held for name, order in busy.orders.items() if name != "his"
    )


@pytest.mark.parametrize("stop", SWITCHES, ids=lambda each: each.scope)
def test_new_orders_are_refused_with_the_public_words_and_cancels_go_on(
    busy: Any, stop: Stop
) -> None:
    busy.pool.stops = Stops([stop._replace(words="We are looking into it.")])

    with pytest.raises(TradingStopped, match="We are looking into it") as refusal:
        busy.place(ALICE, "buy", quantity=1, price=90)
    assert refusal.value.code == "trading_stopped"
    assert busy.cancel(busy.orders["hers"]).status == "canceled"


def test_who_is_not_meant_trades_on(busy: Any) -> None:
    busy.pool.stops = Stops(SWITCHES[2:])

    assert busy.place(BOB, "buy", quantity=1, price=50).status == "open"
    assert busy.place(ALICE, "buy", quantity=1, price=50, investor_id=CAROL).status == "open"


def test_without_words_of_its_own_a_switch_says_the_usual_ones(busy: Any) -> None:
    busy.pool.stops = Stops([VENUE])

    with pytest.raises(TradingStopped, match="You can still cancel your orders"):
        busy.place(BOB, "buy", quantity=1, price=50)


def test_a_lifted_switch_pulls_nothing_and_lets_trade(busy: Any) -> None:
    busy.pool.stops = Stops([VENUE])

    assert set_stops(busy.pool, Stops(), [VENUE.id], busy.effects) == [(VENUE.id, False, 0)]

    assert busy.place(BOB, "buy", quantity=1, price=50).status == "open"
    assert busy.orders["hers"].status == "open"


def test_who_comes_to_a_stopped_partner_is_stopped_with_it(busy: Any) -> None:
    busy.pool.stops = Stops([SWITCHES[2]])
    known: Eligibility = busy.pool.eligibility[BOB]
    moved = Eligibility(
        known.snapshot_id, known.owner_group, True, True, "DE", known.accepted, partner_id=ACME
    )

    busy.pool.set_eligibility(BOB, moved, busy.effects)

    assert (busy.orders["his"].status, busy.orders["his"].reason) == ("canceled", "kill_switch")


def test_a_batch_that_is_undone_leaves_switches_and_orders_as_they_were(busy: Any) -> None:
    set_stops(busy.pool, Stops([VENUE]), [VENUE.id], busy.effects)

    busy.effects.roll_back()

    assert not busy.pool.stops
    assert busy.pool.orders == {}  # the orders were of the same batch, and are gone with it


def test_orders_that_wait_for_a_price_are_pulled_too_and_a_pair_whole(desk: Any) -> None:
    waiting = {"type": "stop_loss", "price_units": None, "trigger_price_units": 95 * USD}
    alone = desk.place(ALICE, "sell", quantity=1, **waiting)
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "limit", "price_units": 120 * USD},
        {"type": "stop_loss", "trigger_price_units": 90 * USD},
    )
    legs = [
        PlaceOrder(
            listing="AAPLxUSDC", investor_id=ALICE, side="sell", quantity_units=TOKEN, **terms
        )
        for terms in kinds
    ]
    pair = desk.pool.place_pair(PlacePair(first=legs[0], second=legs[1]), desk.effects)

    effects = set_stops(desk.pool, Stops([VENUE]), [VENUE.id], desk.effects)

    assert effects == [(VENUE.id, True, 3)]
    assert [order.status for order in (alone, *pair)] == ["canceled"] * 3
    assert {order.reason for order in (alone, *pair)} == {"kill_switch", "linked"}
    assert desk.tokens(ALICE)[1] == 0
    desk.pool.check_invariants()
