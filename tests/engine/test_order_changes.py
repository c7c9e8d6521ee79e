"""The rules of orders that stand for each other, close what another filled, or change."""

from typing import Any

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN, USD, Desk
from tests.engine.order_words import order, place, trade_at
from trading.commands import AmendOrder, CancelAll, PlaceOrder, PlacePair, ReplaceOrder
from trading.engine.book import BookOrder

# Orders that stand for each other.


def pair(desk: Desk, quantity: float = 2) -> tuple[BookOrder, BookOrder]:
    first = order(ALICE, "sell", "limit", quantity, price=110)
    second = order(ALICE, "sell", "stop_loss", quantity, trigger_price=95)
    return desk.pool.place_pair(PlacePair(first=first, second=second), desk.effects)


def test_a_pair_holds_the_worst_of_both_once(desk: Desk) -> None:
    pair(desk, 60)
    assert desk.tokens(ALICE) == (100 * TOKEN, 60 * TOKEN)
    dear = order(BOB, "buy", "stop_loss", trigger_price=110)
    cheap = order(BOB, "buy", "limit", price=90)
    legs = desk.pool.place_pair(PlacePair(first=cheap, second=dear), desk.effects)
    assert desk.cash(BOB)[1] == sum(leg.held for leg in legs) == 115_500_000 + 288_750 + 1
    desk.pool.check_invariants()


def test_what_one_of_a_pair_fills_the_other_loses_and_the_hold_follows(desk: Desk) -> None:
    limit, stop = pair(desk)
    place(desk, BOB, "buy", "limit", 0.5, price=110)
    assert (limit.leaves, stop.quantity, stop.leaves) == (150_000_000, 150_000_000, 150_000_000)
    assert desk.tokens(ALICE)[1] == 150_000_000

    place(desk, BOB, "buy", "limit", 1.5, price=110)
    assert (limit.status, stop.status, stop.reason) == ("filled", "canceled", "linked")
    assert desk.tokens(ALICE)[1] == 0


def test_canceling_all_ends_both_of_a_pair_for_the_same_reason(desk: Desk) -> None:
    legs = pair(desk)
    assert desk.pool.cancel_all(CancelAll(investor_id=ALICE), desk.effects) == 2
    assert [(leg.status, leg.reason) for leg in legs] == [("canceled", "requested")] * 2


@pytest.mark.parametrize(
    "second",
    [
        order(ALICE, "buy", "stop_loss", 2, trigger_price=95),
        order(BOB, "sell", "stop_loss", 2, trigger_price=95),
        order(ALICE, "sell", "stop_loss", 3, trigger_price=95),
        order(ALICE, "sell", "limit", 2, price=120),
        order(ALICE, "sell", "market", 2),
        order(ALICE, "sell", "stop_loss", 2, trigger_price=95, reduce_only=True),
    ],
    ids=["side", "investor", "quantity", "no_trigger", "market", "reduce_only"],
)
def test_orders_that_are_no_pair_are_refused(desk: Desk, second: PlaceOrder) -> None:
    first = order(ALICE, "sell", "limit", 2, price=110)
    with pytest.raises(Refusal) as refused:
        desk.pool.place_pair(PlacePair(first=first, second=second), desk.effects)
    assert refused.value.code == "malformed_order"
    assert not desk.pool.orders


def test_of_a_pair_both_come_or_none(desk: Desk) -> None:
    first = order(ALICE, "sell", "limit", 200, price=110)
    second = order(ALICE, "sell", "stop_loss", 200, trigger_price=95)
    with pytest.raises(Refusal) as refused:
        desk.pool.place_pair(PlacePair(first=first, second=second), desk.effects)
    assert refused.value.code == "insufficient_funds"
    assert not desk.pool.orders
    assert desk.tokens(ALICE)[1] == 0


# Conditional close.


def closes(desk: Desk, entry: BookOrder) -> dict[str, BookOrder]:
    return {
        made.type: made
        for made in desk.effects.new.values()
        if made.terms is not None and made.terms.parent_id == entry.id
    }


def test_a_close_opens_with_the_first_fill_and_grows_with_the_next(desk: Desk) -> None:
    entry = place(
        desk, ALICE, "buy", "limit", 2, price=100,
        close_take_profit_units=110 * USD, close_stop_loss_units=90 * USD,
    )  # fmt: skip
    assert closes(desk, entry) == {}

    place(desk, BOB, "sell", "limit", 0.5, price=100)
    made = closes(desk, entry)
    assert {kind: each.leaves for kind, each in made.items()} == {
        "take_profit": 50_000_000,
        "stop_loss": 50_000_000,
    }
    place(desk, BOB, "sell", "limit", 1.5, price=100)
    assert {each.leaves for each in made.values()} == {2 * TOKEN}
    assert desk.tokens(ALICE)[1] == 2 * TOKEN, "the two stand for each other"

    place(desk, BOB, "buy", "limit", 2, price=110)
    trade_at(desk, 111)
    assert (made["take_profit"].status, made["stop_loss"].reason) == ("filled", "linked")
    desk.pool.check_invariants()


def test_a_close_that_cannot_be_paid_for_is_kept_as_refused(desk: Desk) -> None:
    desk.pool.funds[ALICE, CASH_ID].posted = 0
    entry = place(desk, ALICE, "sell", "limit", price=100, close_stop_loss_units=120 * USD)
    place(desk, BOB, "buy", "limit", price=100)

    # A token sold for 100 does not buy one back at up to 126.
    (close,) = closes(desk, entry).values()
    assert (close.status, close.reason) == ("refused", "insufficient_funds")
    assert desk.cash(ALICE)[1] == 0


# Amending and replacing.


def amend(desk: Desk, what: BookOrder, **fields: Any) -> BookOrder:
    command = AmendOrder(investor_id=what.investor_id, order_id=what.id, **fields)
    return desk.pool.amend(command, desk.effects)


def test_a_refused_amendment_changes_nothing(desk: Desk) -> None:
    resting = place(desk, ALICE, "buy", "limit", 2, price=100)
    place(desk, BOB, "sell", "limit", 1, price=100)
    place(desk, CAROL, "sell", "limit", 1, price=105)
    before = (resting.price, resting.quantity, resting.held, resting.priority, desk.cash(ALICE))
    for fields, code in (
        ({"quantity_units": TOKEN}, "malformed_order"),  # so much is filled
        ({"quantity_units": 500 * TOKEN}, "insufficient_funds"),
        ({"price_units": 100_000_001}, "price_not_on_tick"),
        ({"price_units": 105 * USD, "post_only": True}, "post_only_would_take"),
        ({"trigger_price_units": 90 * USD}, "malformed_order"),
        ({"display_units": TOKEN}, "malformed_order"),
    ):
        with pytest.raises(Refusal) as refused:
            amend(desk, resting, **fields)
        assert refused.value.code == code
    after = (resting.price, resting.quantity, resting.held, resting.priority, desk.cash(ALICE))
    assert after == before


def test_an_amended_trigger_keeps_its_turn_and_its_hold_follows(desk: Desk) -> None:
    trade_at(desk, 100)
    first = place(desk, ALICE, "buy", "stop_loss", trigger_price=110)
    second = place(desk, ALICE, "buy", "stop_loss", trigger_price=106)
    amend(desk, first, trigger_price_units=106 * USD)
    assert first.protection_price == second.protection_price == 111_300_000
    assert first.held == second.held == 111_300_000 + 278_250

    place(desk, BOB, "sell", "limit", price=107)
    trade_at(desk, 106)
    assert (first.status, second.status) == ("filled", "expired")


def test_what_the_old_order_held_is_free_for_the_new_one_and_both_or_none(desk: Desk) -> None:
    old = place(desk, ALICE, "sell", "limit", 100, price=110)
    too_much = order(ALICE, "sell", "limit", 101, price=111)
    with pytest.raises(Refusal) as refused:
        desk.pool.replace(
            ReplaceOrder(investor_id=ALICE, order_id=old.id, order=too_much), desk.effects
        )
    assert refused.value.code == "insufficient_funds"
    assert old.status == "open"

    new, ended = desk.pool.replace(
        ReplaceOrder(
            investor_id=ALICE, order_id=old.id, order=order(ALICE, "sell", "limit", 100, price=111)
        ),
        desk.effects,
    )
    assert (ended.status, ended.reason, new.status) == ("canceled", "replaced", "open")
    assert new.terms is not None
    assert new.terms.replaces == old.id
    assert desk.tokens(ALICE)[1] == 100 * TOKEN


def test_a_reduce_only_order_in_the_stead_of_another_may_sell_what_that_held(desk: Desk) -> None:
    old = place(desk, ALICE, "sell", "limit", 100, price=110)
    new, _ = desk.pool.replace(
        ReplaceOrder(
            investor_id=ALICE,
            order_id=old.id,
            order=order(ALICE, "sell", "limit", 150, price=111, reduce_only=True),
        ),
        desk.effects,
    )
    assert new.quantity == 100 * TOKEN


def test_nobody_changes_another_ones_order(desk: Desk) -> None:
    resting = place(desk, ALICE, "buy", "limit", price=100)
    theirs = order(BOB, "buy", "limit", price=100)
    for attempt in (
        lambda: desk.pool.amend(
            AmendOrder(investor_id=BOB, order_id=resting.id, price_units=1 * USD), desk.effects
        ),
        lambda: desk.pool.replace(
            ReplaceOrder(investor_id=BOB, order_id=resting.id, order=theirs), desk.effects
        ),
    ):
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.code == "order_not_found"


def test_an_iceberg_has_at_most_twenty_slices(desk: Desk) -> None:
    order = place(desk, ALICE, "sell", "limit", 20, price=100, display_units=TOKEN)
    with pytest.raises(Refusal) as refused:
        place(desk, ALICE, "sell", "limit", 21, price=100, display_units=TOKEN)
    assert refused.value.code == "malformed_order"
    with pytest.raises(Refusal) as refused:
        desk.pool.amend(
            AmendOrder(investor_id=ALICE, order_id=order.id, quantity_units=21 * TOKEN),
            desk.effects,
        )
    assert refused.value.code == "malformed_order"
    assert order.quantity == 20 * TOKEN


def test_an_icebergs_slice_does_not_grow_in_its_place(desk: Desk) -> None:
    berg = place(desk, ALICE, "sell", "limit", 20, price=100, display_units=10 * TOKEN)
    behind = place(desk, CAROL, "sell", "limit", price=100)
    place(desk, BOB, "buy", "limit", 8, price=100)

    # 2 are left of its slice; with a display of 7 it would show 6 of the second one.
    amend(desk, berg, display_units=7 * TOKEN)
    assert berg.priority > behind.priority
