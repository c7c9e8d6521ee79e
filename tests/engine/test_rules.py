"""The rule book, one sentence at a time, in whole units."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from kernel.refusals import Refusal
from trading.engine import phases, refusals
from trading.engine.protection import Outside
from trading.engine.refusals import InsufficientFunds, WouldTake

USD, TOKEN = 1_000_000, 10**8
ALICE, BOB, CAROL = 1, 2, 3


def test_the_better_price_trades_first_and_then_the_earlier_order(desk: Any) -> None:
    late = desk.place(ALICE, "sell", quantity=1, price=101)
    first = desk.place(BOB, "sell", quantity=1, price=100)
    second = desk.place(ALICE, "sell", quantity=1, price=100)

    desk.place(CAROL, "buy", quantity=1.5, price=101)

    assert (first.status, second.leaves, late.leaves) == ("filled", TOKEN // 2, TOKEN)


def test_a_trade_happens_at_the_resting_price_and_the_rest_of_the_hold_is_released(
    desk: Any,
) -> None:
    desk.place(BOB, "sell", quantity=1, price=90)

    bought = desk.place(ALICE, "buy", quantity=1, price=100)

    assert (bought.status, bought.filled_cash, bought.fee) == ("filled", 90 * USD, 225_000)
    assert desk.cash(ALICE) == (10_000 * USD - 90_225_000, 0)


def test_a_market_buy_for_one_dollar_spends_at_most_that_with_its_fee(desk: Any) -> None:
    desk.place(BOB, "sell", quantity=1, price=230)

    bought = desk.place(ALICE, "buy", cash=1)

    assert bought.status == "filled"
    assert 998_000 < bought.filled_cash + bought.fee <= USD
    assert desk.cash(ALICE)[1] == 0


def test_a_market_sell_by_cash_yields_at_most_that_before_fees(desk: Any) -> None:
    desk.place(BOB, "buy", quantity=1, price=100)

    sold = desk.place(ALICE, "sell", cash=50)

    assert (sold.status, sold.filled, sold.filled_cash) == ("filled", TOKEN // 2, 50 * USD)


def test_a_limit_order_by_cash_rests_for_what_the_cash_buys_fee_included(desk: Any) -> None:
    order = desk.place(ALICE, "buy", cash=100, price=100)

    assert order.status == "open"
    assert order.held <= 100 * USD
    assert order.quantity == 99_750_600  # 100 / 100.25, in lots


def test_a_market_order_stops_at_its_protection_price(desk: Any) -> None:
    desk.place(BOB, "sell", quantity=1, price=100)
    desk.place(BOB, "sell", quantity=1, price=106)

    bought = desk.place(ALICE, "buy", quantity=2)

    assert bought.protection_price == 105 * USD
    assert (bought.status, bought.reason, bought.filled) == ("expired", "protection_price", TOKEN)


def test_a_market_order_in_an_empty_book_expires_for_want_of_liquidity(desk: Any) -> None:
    order = desk.place(ALICE, "buy", quantity=1)

    assert (order.status, order.reason) == ("expired", "no_liquidity")


def test_immediate_or_cancel_never_rests(desk: Any) -> None:
    desk.place(BOB, "sell", quantity=1, price=100)

    order = desk.place(ALICE, "buy", quantity=3, price=100, time_in_force="ioc")

    assert (order.status, order.reason, order.filled) == ("expired", "ioc_rest", TOKEN)
    assert desk.cash(ALICE)[1] == 0
    assert desk.market.book.bids.best() is None


def test_fill_or_kill_fills_whole_or_touches_nothing(desk: Any) -> None:
    resting = desk.place(BOB, "sell", quantity=1, price=100)

    killed = desk.place(ALICE, "buy", quantity=1.5, price=100, time_in_force="fok")
    assert (killed.status, killed.reason, killed.filled) == ("expired", "fok_not_filled", 0)
    assert resting.leaves == TOKEN

    filled = desk.place(ALICE, "buy", quantity=1, price=100, time_in_force="fok")
    assert filled.status == "filled"


def test_a_post_only_order_that_would_take_is_refused_and_one_that_rests_is_not(
    desk: Any,
) -> None:
    desk.place(BOB, "sell", quantity=1, price=100)

    with pytest.raises(WouldTake):
        desk.place(ALICE, "buy", quantity=1, price=100, post_only=True)

    assert desk.place(ALICE, "buy", quantity=1, price=99, post_only=True).status == "open"


def test_an_owner_group_never_trades_with_itself_the_newest_is_canceled(desk: Any) -> None:
    desk.allow(BOB, owner_group=UUID(int=ALICE))
    desk.place(CAROL, "sell", quantity=1, price=99)
    own = desk.place(BOB, "sell", quantity=1, price=100)

    order = desk.place(ALICE, "buy", quantity=3, price=101)

    assert (order.status, order.reason, order.filled) == ("canceled", "self_trade", TOKEN)
    assert own.leaves == TOKEN
    assert desk.cash(ALICE)[1] == 0


def test_the_hold_covers_the_dearer_fee_before_it_is_known_which_applies(desk: Any) -> None:
    with pytest.raises(InsufficientFunds):
        desk.place(ALICE, "buy", quantity=100, price=100)  # exactly all cash, no fee left

    assert desk.place(ALICE, "buy", quantity=99.75, price=100).status == "open"


def test_what_is_held_for_one_order_cannot_be_held_for_another(desk: Any) -> None:
    desk.place(ALICE, "sell", quantity=80, price=100)

    with pytest.raises(InsufficientFunds):
        desk.place(ALICE, "sell", quantity=21, price=100)


def test_a_cancel_returns_the_whole_hold(desk: Any) -> None:
    order = desk.place(ALICE, "buy", quantity=10, price=100)
    desk.place(BOB, "sell", quantity=4, price=100)

    desk.cancel(order)

    assert (order.status, order.reason, order.held) == ("canceled", "requested", 0)
    assert desk.cash(ALICE) == (10_000 * USD - 400 * USD - 400_000, 0)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"price": 100.001, "quantity": 1}, refusals.PriceNotOnTick),
        ({"price": 100, "quantity_units": 50}, refusals.QuantityNotOnLot),
        ({"price": 100, "quantity": 0.009}, refusals.OrderTooSmall),
        ({"price": 100, "quantity_units": 0}, refusals.OrderTooSmall),
        ({"price": 100, "quantity_units": -100}, refusals.OrderTooSmall),
        ({"price": 100, "quantity_units": 10**17}, refusals.OrderTooLarge),
        ({"price": 100, "cash": 0.99}, refusals.OrderTooSmall),
        ({"cash": 10**9}, refusals.OrderTooLarge),
        ({"price": 0, "quantity": 1}, refusals.PriceNotOnTick),
        ({"price": 100}, refusals.MalformedOrder),
        ({"price": 100, "quantity": 1, "cash": 5}, refusals.MalformedOrder),
        ({"quantity": 1, "post_only": True}, refusals.MalformedOrder),
        ({"quantity": 1, "type": "limit"}, refusals.MalformedOrder),
        ({"quantity": 1, "client_order_id": "x" * 65}, refusals.MalformedOrder),
        ({"quantity": 1, "listing": "NOPE"}, refusals.ListingUnknown),
    ],
)
def test_an_order_that_breaks_the_listings_rules_is_refused(
    desk: Any, fields: dict[str, Any], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        desk.place(ALICE, "buy", **fields)

    assert not desk.effects.new
    assert not desk.effects.events


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("online", {"rest", "take", "market", "sell"}),
        ("limit_only", {"rest", "take", "sell"}),
        ("post_only", {"rest", "sell"}),
        ("reduce_only", {"sell"}),
        ("cancel_only", set()),
        ("halted", set()),
    ],
)
def test_each_state_of_a_listing_takes_what_its_table_says(
    desk: Any, state: str, allowed: set[str]
) -> None:
    from dataclasses import replace

    desk.place(BOB, "sell", quantity=5, price=100)
    mine = desk.place(ALICE, "buy", quantity=1, price=90)
    desk.market.rules = replace(desk.market.rules, state=state)
    phases.review(desk.pool, desk.market, desk.effects)
    tries = {
        "rest": {"side": "buy", "quantity": 1, "price": 95},
        "take": {"side": "buy", "quantity": 1, "price": 100},
        "market": {"side": "buy", "quantity": 1},
        "sell": {"side": "sell", "quantity": 1, "price": 120},
    }

    taken = set()
    for name, fields in tries.items():
        with suppress(Refusal):
            desk.place(CAROL, **fields)
            taken.add(name)

    assert taken == allowed
    assert desk.cancel(mine).status == "canceled", "canceling is possible in every state"


def test_who_is_blocked_may_still_leave_unless_frozen(desk: Any) -> None:
    desk.allow(ALICE, may_buy=False, reason_code="country_not_served")
    desk.allow(BOB, may_buy=False, may_sell=False, reason_code="frozen")

    with pytest.raises(refusals.NotEligible):
        desk.place(ALICE, "buy", quantity=1, price=100)
    assert desk.place(ALICE, "sell", quantity=1, price=100).status == "open"
    with pytest.raises(refusals.NotEligible):
        desk.place(BOB, "sell", quantity=1, price=100)


def test_nobody_buys_a_token_whose_disclosure_they_have_not_accepted(desk: Any) -> None:
    desk.allow(ALICE, accepted=frozenset())

    with pytest.raises(refusals.DisclosureNotAccepted):
        desk.place(ALICE, "buy", quantity=1, price=100)


def test_a_new_snapshot_pulls_the_orders_that_it_no_longer_allows(desk: Any) -> None:
    bid = desk.place(ALICE, "buy", quantity=1, price=100)
    ask = desk.place(ALICE, "sell", quantity=1, price=120)
    old = desk.pool.eligibility[ALICE]
    desk.allow(ALICE, may_buy=False, reason_code="reduce_only")
    reduced = desk.pool.eligibility[ALICE]
    desk.pool.eligibility[ALICE] = old

    desk.pool.set_eligibility(ALICE, reduced, desk.effects)

    assert (bid.status, bid.reason) == ("canceled", "not_eligible")
    assert ask.status == "open"
    assert desk.cash(ALICE) == (10_000 * USD, 0)


def test_a_limit_far_from_the_reference_is_refused_and_the_collar_bounds_market_orders(
    desk: Any,
) -> None:
    desk.market.reference = 100 * USD

    with pytest.raises(refusals.PriceOutsideCollar):
        desk.place(ALICE, "buy", quantity=1, price=151)

    desk.place(BOB, "sell", quantity=1, price=150)
    bought = desk.place(ALICE, "buy", quantity=1)
    assert bought.protection_price == 150 * USD


def test_orders_wait_while_the_share_behind_the_token_is_halted(desk: Any) -> None:
    halted = Outside(100 * USD, desk.effects.now, is_halted=True, halt_reason="T1")
    phases.set_outside(desk.pool, desk.market, halted, desk.effects)

    with pytest.raises(refusals.UnderlyingHalted):
        desk.place(ALICE, "buy", quantity=1, price=100)


@pytest.mark.parametrize(
    ("order", "details"),
    [
        ({"quantity": 0.001, "price": 100}, {"minimum": "1.00"}),
        ({"quantity": 1, "price": 100.005}, {"tick": "0.01"}),
        ({"quantity_units": 150, "price": 100}, {"lot": "0.000001"}),
        ({"quantity": 200, "price": 100}, {"available": "10000.00", "needed": "20050.00"}),
        ({"quantity": 1, "price": 160}, {"low": "50.00", "high": "150.00", "reference": "100.00"}),
    ],
)
def test_a_refusal_names_its_figures(
    desk: Any, order: dict[str, Any], details: dict[str, str]
) -> None:
    desk.market.reference = 100 * USD

    with pytest.raises(Refusal) as refused:
        desk.place(ALICE, "buy", **order)

    assert refused.value.details == details


def test_a_sell_beyond_what_is_there_names_tokens(desk: Any) -> None:
    with pytest.raises(InsufficientFunds) as refused:
        desk.place(ALICE, "sell", quantity=100.5, price=100)

    assert refused.value.details == {"available": "100", "needed": "100.5"}
