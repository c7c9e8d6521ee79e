"""The rules of orders that wait for a price or a moment: bounds, holds, refusals.

What an operator would tell as a story is in tests/engine/scenarios; docs/orders.md has
the rules themselves.
"""

import pytest

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, TOKEN, USD, Desk
from tests.engine.order_words import later, order, place, trade_at
from trading.commands import CancelAllAfter
from trading.engine import refusals, specials, timers, triggering
from trading.engine.effects import Effects
from trading.engine.guarding import set_guard
from trading.states import NOTHING

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
    with pytest.raises(refusals.ReferenceMissing):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)


def test_only_so_many_trailing_stops_are_followed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade_at(desk, 100)
    monkeypatch.setattr(specials, "TRAILING_PER_INVESTOR_MAX", 2)
    for _ in range(2):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)
    with pytest.raises(refusals.TooManyTrailingStops):
        place(desk, ALICE, "sell", "trailing_stop", trail=3)
    place(desk, BOB, "sell", "trailing_stop", trail=3)


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


def test_the_end_of_a_day_is_as_many_batches_as_it_takes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggering, "DUE_PER_BATCH_MAX", 2)
    end = desk.effects.now + 60
    terms = {"time_in_force": "gtd", "expires_at": end}
    orders = [place(desk, ALICE, "buy", "limit", price=90, **terms) for _ in range(3)]
    later(desk, 60)
    assert sorted(each.status for each in orders) == ["expired", "expired", "open"]
    assert desk.pool.next_due() == end, "so the next batch is due at once"
    later(desk, 0.001)
    assert {each.status for each in orders} == {"expired"}


def test_timers_of_orders_that_are_gone_are_dropped_once_they_are_most(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "TIDY_FROM", 4)
    end = desk.effects.now + 60
    terms = {"time_in_force": "gtd", "expires_at": end}
    gone = [place(desk, ALICE, "buy", "limit", price=90, **terms) for _ in range(4)]
    kept = place(desk, ALICE, "buy", "limit", price=90, **{**terms, "expires_at": end + 9})
    for each in gone:
        desk.pool.pull(each, "requested", desk.effects)
    later(desk, 1)
    assert desk.pool.next_due() == end + 9, "nothing else is known any more"
    desk.effects.roll_back()
    assert desk.pool.next_due() == end, "a batch that was undone has dropped nothing"
    later(desk, 1)
    later(desk, 68)
    assert kept.status == "expired"


def test_what_has_fired_waits_for_the_end_of_a_halt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggering, "FIRED_PER_BATCH_MAX", 1)
    trade_at(desk, 100)
    stops = [place(desk, ALICE, "sell", "stop_loss", trigger_price=95) for _ in range(2)]
    trade_at(desk, 95)
    market, allows = desk.market, desk.market.guard.allows
    set_guard(market, desk.effects, allows=NOTHING)
    later(desk, 1)
    assert stops[1].status == "untriggered", "it has fired, and waits for its turn"
    assert desk.pool.next_due() is None
    set_guard(market, desk.effects, allows=allows)
    assert desk.pool.next_due() == 0
    later(desk, 1)
    assert stops[1].status == "expired", "it came in and found no buyer"
    desk.pool.check_invariants()


def test_judging_alone_changes_nothing_and_says_what_would_be_held(desk: Desk) -> None:
    seq = desk.market.event_seq
    asked = order(ALICE, "buy", "limit", price=90)
    as_it_would_stand = desk.pool.validate(asked, desk.effects)
    assert as_it_would_stand.held == 90_000_000 + 225_000
    assert (desk.pool.orders, desk.effects.new, desk.market.event_seq) == ({}, {}, seq)
    with pytest.raises(Refusal) as refused:
        desk.pool.validate(order(ALICE, "sell", "limit", 101, price=90), desk.effects)
    assert refused.value.code == "insufficient_funds"
