"""The rules of orders that wait, stand for each other, or change: bounds, holds, refusals.

What an operator would tell as a story is in tests/engine/scenarios; docs/orders.md has
the rules themselves.
"""

from typing import Any

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN, USD, Desk
from trading.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine import specials, triggering
from trading.engine.book import BookOrder
from trading.engine.effects import Effects


def order(investor: int, side: str, kind: str, quantity: float = 1, **fields: Any) -> PlaceOrder:
    """An order by quantity; prices in USD."""
    prices = ("price", "trigger_price", "trail", "limit_offset")
    for name in prices:
        if name in fields:
            fields[f"{name}_units"] = round(fields.pop(name) * USD)
    named = {"listing": "AAPLxUSDC", "investor_id": investor, "side": side, "type": kind}
    return PlaceOrder(**{**named, "quantity_units": round(quantity * TOKEN), **fields})


def place(desk: Desk, *args: Any, **fields: Any) -> BookOrder:
    return desk.pool.place(order(*args, **fields), desk.effects)


def trade_at(desk: Desk, price: float) -> None:
    """Let Bob and Carol trade a token at a price."""
    place(desk, BOB, "sell", "limit", price=price)
    place(desk, CAROL, "buy", "limit", price=price)


def later(desk: Desk, seconds: float) -> None:
    """The next batch."""
    desk.effects = Effects(desk.effects.batch_no + 1, desk.effects.now + seconds)
    desk.pool.run_due(desk.effects)


# Conditional orders.


def test_a_conditional_order_holds_its_worst_case_while_it_waits(desk: Desk) -> None:
    place(desk, ALICE, "sell", "stop_loss", 3, trigger_price=90)
    assert desk.tokens(ALICE) == (100 * TOKEN, 3 * TOKEN)

    # 5 % above its trigger, and the dearer fee of that.
    buy = place(desk, ALICE, "buy", "stop_loss", trigger_price=110)
    assert buy.protection_price == 115_500_000
    assert desk.cash(ALICE)[1] == 115_500_000 + 288_750
    limit = place(desk, BOB, "buy", "take_profit_limit", trigger_price=90, price=91)
    assert limit.held == 91_000_000 + 227_500


def test_a_triggered_buy_never_pays_more_than_it_held_for(desk: Desk) -> None:
    trade_at(desk, 100)
    buy = place(desk, ALICE, "buy", "stop_loss", 2, trigger_price=101)
    place(desk, BOB, "sell", "limit", price=106)
    place(desk, BOB, "sell", "limit", price=107)

    trade_at(desk, 101)

    # 5 % of 101 is 106.05; what is sold at 107 is out of its reach.
    assert (buy.status, buy.filled, buy.reason) == ("expired", TOKEN, "protection_price")
    assert desk.cash(ALICE)[1] == 0


@pytest.mark.parametrize(
    ("kind", "side", "before", "trigger"),
    [
        ("stop_loss", "sell", 96, 95),
        ("stop_loss", "buy", 104, 105),
        ("take_profit", "sell", 104, 105),
        ("take_profit", "buy", 96, 95),
    ],
)
def test_each_kind_fires_at_its_trigger_and_not_before(
    desk: Desk, kind: str, side: str, before: float, trigger: float
) -> None:
    trade_at(desk, 100)
    waits = place(desk, ALICE, side, kind, trigger_price=trigger)
    trade_at(desk, before)
    assert waits.status == "untriggered"

    trade_at(desk, trigger)
    assert (waits.status, waits.reason) == ("expired", "no_liquidity")
    assert waits.terms is not None
    assert waits.terms.triggered_at == desk.effects.now


def test_a_sweep_fires_what_it_passes_on_the_way_and_in_the_order_of_acceptance(
    desk: Desk,
) -> None:
    trade_at(desk, 100)
    deep = place(desk, ALICE, "sell", "stop_loss_limit", trigger_price=97, price=99)
    near = place(desk, ALICE, "sell", "stop_loss_limit", trigger_price=99, price=99)
    for price in (99, 98, 97):
        place(desk, BOB, "buy", "limit", price=price)

    place(desk, CAROL, "sell", "limit", 3, price=97)

    # 99 was the first price of the sweep: who waited for that came in before the other.
    assert (near.status, deep.status) == ("open", "open")
    assert near.priority < deep.priority


def test_a_cascade_is_bounded_in_a_batch_and_goes_on_in_the_next_which_is_due(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggering, "FIRED_PER_BATCH_MAX", 2)
    trade_at(desk, 100)
    stops = [place(desk, ALICE, "sell", "stop_loss", trigger_price=95) for _ in range(5)]
    desk.pool.check_invariants()

    trade_at(desk, 95)
    assert [stop.status for stop in stops] == ["expired"] * 2 + ["untriggered"] * 3
    assert desk.pool.next_due() == 0
    assert desk.tokens(ALICE)[1] == 3 * TOKEN, "who waits for a turn still holds"
    desk.pool.check_invariants()

    later(desk, 0.001)
    later(desk, 0.001)
    assert {stop.status for stop in stops} == {"expired"}
    assert desk.pool.next_due() is None


def test_an_undone_batch_leaves_a_trailing_stop_where_it_was(desk: Desk) -> None:
    trade_at(desk, 100)
    stop = place(desk, ALICE, "sell", "trailing_stop", trail=3)
    assert stop.terms is not None
    later(desk, 1)

    trade_at(desk, 104)
    assert stop.terms.trigger_price == 101 * USD
    desk.effects.roll_back()
    assert (stop.terms.trigger_price, desk.market.last) == (97 * USD, 100 * USD)

    desk.effects = Effects(3, desk.effects.now)
    trade_at(desk, 98)
    assert stop.status == "untriggered"


def test_a_percentage_trails_the_best_price_and_a_limit_stands_off_the_trigger(
    desk: Desk,
) -> None:
    trade_at(desk, 100)
    stop = place(desk, ALICE, "sell", "trailing_stop_limit", trail_e6=50_000, limit_offset=-0.5)
    trade_at(desk, 110)
    trade_at(desk, 108)
    assert stop.terms is not None
    assert stop.terms.trigger_price == 104_500_000

    trade_at(desk, 104.5)
    assert (stop.status, stop.price) == ("open", 104 * USD)


def test_a_trailing_stop_needs_a_price_to_trail(desk: Desk) -> None:
    with pytest.raises(specials.ReferenceMissing):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)


def test_only_so_many_trailing_stops_are_followed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade_at(desk, 100)
    monkeypatch.setattr(specials, "TRAILING_PER_INVESTOR_MAX", 2)
    for _ in range(2):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)
    with pytest.raises(specials.TooManyTrailingStops):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)
    place(desk, BOB, "sell", "trailing_stop", trail=3)


# Orders that stand for each other.


def pair(desk: Desk, quantity: float = 2) -> tuple[BookOrder, BookOrder]:
    first = order(ALICE, "sell", "limit", quantity, price=110)
    second = order(ALICE, "sell", "stop_loss", quantity, trigger_price=95)
    return desk.pool.place_pair(PlacePair(first=first, second=second), desk.effects)


def test_a_pair_holds_the_larger_need_once(desk: Desk) -> None:
    pair(desk, 60)
    assert desk.tokens(ALICE) == (100 * TOKEN, 60 * TOKEN)
    dear = order(BOB, "buy", "stop_loss", trigger_price=110)
    cheap = order(BOB, "buy", "limit", price=90)
    legs = desk.pool.place_pair(PlacePair(first=cheap, second=dear), desk.effects)
    assert desk.cash(BOB)[1] == sum(leg.held for leg in legs) == 115_500_000 + 288_750
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


# By cash, and icebergs that are taken whole.


def test_an_order_by_cash_that_cancels_its_own_on_the_way_is_filled_when_it_is_spent(
    desk: Desk,
) -> None:
    own = place(desk, ALICE, "sell", "limit", price=99)
    place(desk, BOB, "sell", "limit", price=100)
    buy = desk.place(ALICE, "buy", cash=50, self_trade_prevention="cancel_oldest")
    assert (own.reason, buy.status) == ("self_trade", "filled")


def test_an_iceberg_that_one_order_takes_whole_is_filled_once(desk: Desk) -> None:
    berg = place(desk, ALICE, "sell", "limit", 5, price=100, display_units=TOKEN)
    place(desk, BOB, "buy", "limit", 5, price=100)
    assert (berg.status, berg.filled, len(desk.effects.trades)) == ("filled", 5 * TOKEN, 5)
    assert desk.tokens(ALICE) == (95 * TOKEN, 0)


# Time.


def test_a_dead_man_switch_is_wound_up_turned_off_and_fires_once(desk: Desk) -> None:
    def wind(seconds: int) -> float | None:
        command = CancelAllAfter(investor_id=ALICE, timeout_seconds=seconds)
        return desk.pool.cancel_all_after(command, desk.effects)

    resting = place(desk, ALICE, "buy", "limit", price=90)
    assert wind(30) == desk.effects.now + 30
    later(desk, 20)
    assert wind(30) == desk.effects.now + 30
    later(desk, 20)
    assert resting.status == "open", "it was wound up again"
    assert wind(0) is None
    later(desk, 60)
    assert resting.status == "open", "it was turned off"

    wind(30)
    later(desk, 31)
    assert (resting.status, resting.reason) == ("canceled", "dead_man")
    assert desk.pool.timers.dead_men == {}
    with pytest.raises(Refusal) as refused:
        wind(86_401)
    assert refused.value.code == "malformed_order"


def test_the_engine_is_due_when_the_next_order_ends(desk: Desk) -> None:
    assert desk.pool.next_due() is None
    end = desk.effects.now + 60
    place(desk, ALICE, "buy", "limit", price=90, time_in_force="gtd", expires_at=end)
    assert desk.pool.next_due() == end


def test_judging_alone_changes_nothing_and_says_what_would_be_held(desk: Desk) -> None:
    seq = desk.market.event_seq
    asked = order(ALICE, "buy", "limit", price=90)
    as_it_would_stand = desk.pool.validate(asked, desk.effects)
    assert as_it_would_stand.held == 90_000_000 + 225_000
    assert (desk.pool.orders, desk.effects.new, desk.market.event_seq) == ({}, {}, seq)
    with pytest.raises(Refusal) as refused:
        desk.pool.validate(order(ALICE, "sell", "limit", 101, price=90), desk.effects)
    assert refused.value.code == "insufficient_funds"
