"""What an order may not do, whatever it asks for: prices beyond columns, holds beyond funds."""

from dataclasses import replace
from typing import Any

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN, USD, Desk
from tests.engine.order_words import later, order, place, trade_at
from trading.commands import AmendOrder, CancelOrder, PlacePair
from trading.engine import judging, triggering
from trading.engine.admission import lowest_price
from trading.engine.book import BookOrder, roll_back

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


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"may_buy": False, "reason_code": "review"}, "not_eligible"),
        ({"accepted": frozenset()}, "disclosure_not_accepted"),
    ],
)
def test_who_may_only_sell_buys_nothing_back(desk: Desk, facts: dict[str, Any], code: str) -> None:
    desk.allow(ALICE, **facts)
    closes = {"close_take_profit_units": 90 * USD, "close_stop_loss_units": 110 * USD}
    place(desk, ALICE, "sell", "limit", price=100, **closes)

    place(desk, BOB, "buy", "limit", price=100)

    made = [each for each in desk.effects.new.values() if each.terms and each.terms.parent_id]
    assert [(each.status, each.reason) for each in made] == [("refused", code)] * 2


def test_many_entries_are_closed_without_a_search_for_each(desk: Desk) -> None:
    closes = {"close_take_profit_units": 90 * USD, "close_stop_loss_units": 110 * USD}
    for _ in range(3):
        place(desk, ALICE, "sell", "limit", 2, price=100, **closes)
    place(desk, BOB, "buy", "limit", 5, price=100)
    place(desk, BOB, "buy", "limit", 1, price=100)

    assert [len(made) for made in desk.pool.closes.values()] == [2, 2, 2]
    assert {order.quantity for made in desk.pool.closes.values() for order in made} == {2 * TOKEN}
    roll_back(desk.effects.undo)
    assert not desk.pool.closes


def test_an_icebergs_turn_in_an_auction_is_written() -> None:
    desk = Desk(state="auction")
    berg = place(desk, ALICE, "sell", "limit", 5, price=100, display_units=TOKEN)
    behind = place(desk, CAROL, "sell", "limit", 5, price=100)
    place(desk, BOB, "buy", "limit", 1.5, price=100)
    later(desk, 1)
    desk.pool.set_rules(replace(desk.market.rules, state="online"), desk.effects)

    assert berg.filled == 1.5 * TOKEN
    assert berg.priority > behind.priority
    assert berg.id in desk.effects.amended


def test_no_order_changes_while_the_listing_takes_nothing(desk: Desk) -> None:
    trade_at(desk, 100)
    rests = place(desk, ALICE, "buy", "limit", 2, price=90)
    waits = place(desk, ALICE, "buy", "stop_loss_limit", 2, price=110, trigger_price=110)
    changes = [(rests, {"quantity_units": TOKEN}), (waits, {"trigger_price_units": 112 * USD})]
    desk.pool.set_rules(replace(desk.market.rules, state="halted"), desk.effects)
    for changed, fields in changes:
        with pytest.raises(Refusal) as refused:
            amend(desk, changed, **fields)
        assert refused.value.code == "listing_closed"

    desk.pool.set_rules(replace(desk.market.rules, state="online"), desk.effects)
    desk.market.reference = 100 * USD
    with pytest.raises(Refusal) as refused:
        amend(desk, waits, price_units=151 * USD)
    assert refused.value.code == "price_outside_collar"


def test_a_cancel_that_names_nothing_cancels_nothing(desk: Desk) -> None:
    rests = place(desk, ALICE, "buy", "limit", price=90)
    with pytest.raises(Refusal) as refused:
        desk.pool.cancel(CancelOrder(investor_id=ALICE), desk.effects)
    assert refused.value.code == "order_not_found"
    assert rests.status == "open"


def amend(desk: Desk, changed: BookOrder, **fields: Any) -> None:
    command = AmendOrder(investor_id=changed.investor_id, order_id=changed.id, **fields)
    desk.pool.amend(command, desk.effects)


def test_closes_do_not_grow_once_the_turn_of_one_has_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = {"close_take_profit_units": 120 * USD, "close_stop_loss_units": 90 * USD}
    entry = place(desk, ALICE, "buy", "limit", 5, price=100, **closes)
    place(desk, BOB, "sell", "limit", 2, price=100)
    first = desk.pool.closes[entry.id].copy()
    monkeypatch.setattr(triggering, "FIRED_PER_BATCH_MAX", 0)
    desk.market.last = 90 * USD
    desk.pool.look_again(desk.market, desk.effects)  # the stop loss is to come in
    place(desk, BOB, "sell", "limit", 3, price=100)

    assert {order.quantity for order in first} == {2 * TOKEN}
    second = [order for order in desk.pool.closes[entry.id] if order not in first]
    assert {order.quantity for order in second} == {3 * TOKEN}
    desk.pool.check_invariants()


@pytest.mark.parametrize("kind", ["limit", "market"])
def test_who_has_nothing_makes_no_one_search_the_whole_book(desk: Desk, kind: str) -> None:
    """One fill beyond what there is settles it: the order will be refused."""
    for number in range(30):
        place(desk, BOB, "sell", "limit", 0.1, price=100 + number / 100)
    price = {"price": 103} if kind == "limit" else {}
    wanted = judging.make_order(
        order(ALICE, "buy", kind, 3, **price),
        desk.market,
        desk.pool.eligibility[ALICE],
        (1_000, 2_500),
        desk.effects,
    )
    full = judging.plan_fills(wanted, desk.market)
    assert len(full.fills) == 30
    poor = judging.plan_fills(wanted, desk.market, 15 * USD)
    assert poor.fills == full.fills[:2], "10 USDC are within 15, 20 are not"

    desk.pool.funds[ALICE, CASH_ID].posted = 15 * USD
    with pytest.raises(Refusal) as refused:
        place(desk, ALICE, "buy", kind, 3, **price)
    assert refused.value.code == "insufficient_funds"
