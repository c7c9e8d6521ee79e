"""Sessions, halts, bands, pauses and auctions, lived through on a pool in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.desk import ALICE, BOB, CAROL
from tests.engine.guarded import GuardedDesk, at
from trading.engine import admission, phases
from trading.engine.protection import Outside
from trading.states import EVERYTHING, MarketPhase

CONTINUOUS, LIMIT_STATE = MarketPhase.CONTINUOUS, MarketPhase.LIMIT_STATE
PAUSE, AUCTION, BREAKER = MarketPhase.PAUSE, MarketPhase.AUCTION, MarketPhase.BREAKER


def refused(place: Callable[[], Any], refusal: type[Exception]) -> dict[str, str]:
    with pytest.raises(refusal) as caught:
        place()
    return dict(caught.value.details)  # type: ignore[attr-defined]


# The band.


def test_nothing_trades_beyond_the_band_and_the_rest_does_not_stay() -> None:
    desk = GuardedDesk()
    for price in (109, 110, 111):
        desk.place(BOB, "sell", quantity=1, price=price)

    bought = desk.place(ALICE, "buy", quantity=3, price=115)

    assert desk.band == (90, 110)
    assert desk.prices() == [109, 110]
    assert (bought.status, bought.reason) == ("expired", "price_band")
    assert desk.cash(ALICE)[1] == 0


def test_a_market_order_stops_at_the_band_too() -> None:
    desk = GuardedDesk(band_e6=50_000, protection_e6=200_000)
    for price in (104, 105, 106):
        desk.place(BOB, "sell", quantity=1, price=price)

    bought = desk.place(ALICE, "buy", quantity=3)

    assert desk.prices() == [104, 105]
    assert (bought.status, bought.reason) == ("expired", "protection_price")


def test_an_order_that_could_neither_match_nor_rest_is_refused_with_the_band() -> None:
    desk = GuardedDesk()

    high = refused(
        lambda: desk.place(ALICE, "buy", quantity=1, price=111), admission.PriceOutsideBand
    )
    assert high == {"low": "90.00", "high": "110.00"}
    refused(lambda: desk.place(ALICE, "sell", quantity=1, price=89), admission.PriceOutsideBand)
    assert desk.place(ALICE, "buy", quantity=1, price=80).status == "open", "far below is harmless"


def test_a_band_that_moved_leaves_old_orders_alone_until_the_auction() -> None:
    desk = GuardedDesk()
    stale = desk.place(ALICE, "buy", quantity=1, price=99)

    desk.price = 85
    desk.wait(1)

    assert desk.band == (76.5, 93.5)
    assert desk.phase == LIMIT_STATE
    refused(lambda: desk.place(BOB, "sell", quantity=1, price=85), admission.PriceOutsideBand)
    assert desk.place(BOB, "sell", quantity=1).filled == 0, "nobody picks the old bid off"
    assert stale.status == "open"


def test_the_band_follows_the_mean_of_five_minutes_every_half_minute() -> None:
    desk = GuardedDesk()
    for price in (104, 106):
        desk.place(BOB, "sell", quantity=1, price=price)
        desk.place(ALICE, "buy", quantity=1, price=price)
    desk.wait(30)
    assert desk.band == (94.5, 115.5)

    desk.wait(301)
    assert desk.band == (90, 110), "without trades the outside price counts"


def test_the_band_is_doubled_near_the_open_and_the_close_and_outside_regular_hours() -> None:
    desk = GuardedDesk("2026-11-24 09:29")
    assert desk.band == (80, 120)
    for moment, band in (
        ("09:30", (80, 120)),
        ("09:44:59", (80, 120)),
        ("09:45", (90, 110)),
        ("15:34:59", (90, 110)),
        ("15:35", (80, 120)),
        ("16:00", (80, 120)),
    ):
        desk.until(f"2026-11-24 {moment}")
        assert desk.band == band, moment


def test_an_early_close_doubles_the_band_before_one_o_clock() -> None:
    desk = GuardedDesk("2026-11-27 12:34:59")
    assert desk.band == (90, 110)
    desk.until("2026-11-27 12:35")
    assert desk.band == (80, 120)


@pytest.mark.parametrize(("band_e6", "width"), [(50_000, 5), (100_000, 10), (200_000, 20)])
def test_each_tier_has_its_band(band_e6: int, width: int) -> None:
    assert GuardedDesk(band_e6=band_e6).band == (100 - width, 100 + width)


def test_a_listing_without_any_outside_price_has_no_band() -> None:
    desk = GuardedDesk()
    desk.price = None
    phases.set_outside(desk.pool, desk.market, None, desk.effects)
    desk.market.reference = None

    desk.place(BOB, "sell", quantity=1, price=500)
    bought = desk.place(ALICE, "buy", quantity=1, price=500)

    assert bought.status == "filled"


# Limit state, pause, reopening.


def test_a_whole_episode_of_limit_state_pause_and_auction() -> None:
    desk = GuardedDesk()
    eager = desk.place(ALICE, "buy", quantity=2, price=110)
    assert desk.phase == LIMIT_STATE
    assert ("phase", LIMIT_STATE, "at_upper_band") in phases_of(desk)

    # Inside the band trading goes on.
    desk.place(BOB, "sell", quantity=1, price=110)
    assert desk.prices() == [110]
    desk.wait(14)
    assert desk.phase == LIMIT_STATE
    desk.wait(1)
    assert desk.phase == PAUSE

    paused = refused(
        lambda: desk.place(BOB, "sell", quantity=1, price=110), admission.TradingPaused
    )
    assert paused == {"until": "2026-11-24T17:05:15Z"}
    desk.wait(299)
    assert desk.phase == PAUSE
    desk.wait(1)
    assert desk.phase == AUCTION

    desk.place(BOB, "sell", quantity=1, price=105)
    desk.place(CAROL, "buy", quantity=1, price=108)
    assert desk.market.book.bids.best().price > desk.market.book.asks.best().price  # type: ignore[union-attr]
    assert desk.effects.trades == [], "they gather"
    assert desk.market.guard.indication == (108_010_000, 100_000_000, 0)
    assert ("indication", 108_010_000, 100_000_000, 0) in [
        (event[0], *event[2:]) for event in desk.effects.events[1]
    ]
    refused(lambda: desk.place(CAROL, "buy", quantity=1), admission.ListingRestricted)

    desk.wait(60)
    assert desk.phase == CONTINUOUS
    assert desk.prices() == [108.01]
    assert eager.status == "filled"
    desk.pool.check_invariants()


def phases_of(desk: GuardedDesk) -> list[Any]:
    return [(e[0], *e[2:]) for e in desk.effects.events[1] if e[0] == "phase"]


def test_who_takes_the_best_price_off_its_band_ends_the_limit_state() -> None:
    desk = GuardedDesk()
    desk.place(ALICE, "buy", quantity=1, price=110)
    assert desk.phase == LIMIT_STATE

    desk.place(BOB, "sell", quantity=1, price=110)

    assert desk.phase == CONTINUOUS
    assert ("phase", CONTINUOUS, "") in phases_of(desk)


def test_an_ask_at_the_lower_band_pauses_as_well() -> None:
    desk = GuardedDesk()
    desk.place(ALICE, "sell", quantity=1, price=90)
    desk.wait(15)
    assert (desk.phase, desk.market.guard.phase_reason) == (PAUSE, "at_lower_band")


def test_an_auction_matches_at_one_price_and_both_pay_the_maker_rate() -> None:
    desk = GuardedDesk(maker_fee_e6=1_000, taker_fee_e6=9_000)
    pause(desk)
    bid = desk.place(BOB, "buy", quantity=1, price=104)
    ask = desk.place(CAROL, "sell", quantity=1, price=96)
    before = desk.cash(BOB)[0]

    desk.wait(60)

    (trade,) = desk.effects.trades
    assert trade.execution.price == 100_000_000, "nearest the reference"
    assert (trade.buyer_fee, trade.seller_fee) == (100_000, 100_000)
    assert desk.cash(BOB) == (before - 100_100_000, 0)
    assert (bid.status, ask.status) == ("filled", "filled")
    desk.pool.check_invariants()


def pause(desk: GuardedDesk) -> None:
    """Into an auction by a limit state and a pause, with an order that then goes."""
    order = desk.place(ALICE, "buy", quantity=1, price=110)
    desk.wait(15)
    desk.wait(300)
    assert desk.phase == AUCTION
    desk.cancel(order)


def test_an_auction_whose_price_lies_beyond_the_band_goes_on_until_the_band_has_widened() -> None:
    desk = GuardedDesk()
    pause(desk)
    desk.place(BOB, "sell", quantity=1, price=125)
    desk.place(CAROL, "buy", quantity=1, price=130)

    ended = []
    for _ in range(3):
        ended.append(desk.wait(60).trades != [])

    assert ended == [False, False, True], "10 %, 20 %, 30 %"
    assert desk.phase == CONTINUOUS
    assert desk.band == (112.5, 137.5), "around the auction's price"


def test_what_stands_beyond_the_band_after_an_auction_goes() -> None:
    desk = GuardedDesk()
    bid = desk.place(ALICE, "buy", quantity=1, price=99)
    desk.price = 80
    desk.wait(1)
    desk.wait(15)
    desk.wait(300)
    assert (desk.phase, bid.status) == (AUCTION, "open")

    desk.wait(60)

    assert desk.phase == CONTINUOUS
    assert (bid.status, bid.reason) == ("canceled", "price_band")
    assert desk.cash(ALICE)[1] == 0


def test_the_newer_of_two_orders_of_one_owner_leaves_the_auction() -> None:
    desk = GuardedDesk()
    pause(desk)
    old = desk.place(BOB, "buy", quantity=1, price=104)
    new = desk.place(BOB, "sell", quantity=1, price=96)

    desk.wait(60)

    assert (new.status, new.reason) == ("canceled", "self_trade")
    assert old.status == "open"
    desk.pool.check_invariants()


def test_staff_gather_orders_as_long_as_they_like_and_end_it_by_another_state() -> None:
    desk = GuardedDesk()
    set_state(desk, "auction")
    desk.place(BOB, "sell", quantity=1, price=99)
    desk.place(ALICE, "buy", quantity=1, price=101)
    desk.wait(3_600)
    assert desk.effects.trades == []

    set_state(desk, "online")

    assert desk.prices() == [100]
    assert desk.market.guard.allows == EVERYTHING
    desk.pool.check_invariants()


def set_state(desk: GuardedDesk, state: str, **more: Any) -> None:
    desk.batch()
    desk.pool.set_rules(replace(desk.market.rules, state=state, **more), desk.effects)
    phases.settle(desk.pool, desk.effects)


def test_a_halt_by_staff_during_an_auction_keeps_it_waiting() -> None:
    desk = GuardedDesk()
    pause(desk)
    desk.place(BOB, "sell", quantity=1, price=99)
    desk.place(CAROL, "buy", quantity=1, price=101)
    set_state(desk, "halted", state_reason="News.")

    desk.wait(600)
    assert (desk.phase, desk.effects.trades) == (AUCTION, [])

    set_state(desk, "online")
    desk.wait(60)
    assert desk.prices() == [100]


# Closed, stale and halted are three things.


def test_a_closed_listing_says_when_it_opens_and_its_orders_stay() -> None:
    desk = GuardedDesk("2026-11-25 15:59", hours="regular")
    resting = desk.place(ALICE, "buy", quantity=1, price=99)

    desk.until("2026-11-25 16:00")

    told = refused(lambda: desk.place(BOB, "sell", quantity=1, price=99), admission.SessionClosed)
    assert told == {"hours": "regular", "opens_at": "2026-11-27T14:30:00Z"}
    assert resting.status == "open"
    assert desk.cancel(resting).status == "canceled"


def test_hours_that_begin_again_begin_with_an_auction() -> None:
    desk = GuardedDesk("2026-11-27 16:00", hours="24/5")
    desk.until("2026-11-27 17:00")
    assert desk.market.guard.limited_by == "session_closed"
    desk.until("2026-11-29 19:59:59")
    assert desk.market.guard.limited_by == "session_closed"

    desk.until("2026-11-29 20:00")

    assert (desk.phase, desk.market.guard.phase_reason) == (AUCTION, "session_closed")
    desk.place(BOB, "sell", quantity=1, price=99)
    desk.place(ALICE, "buy", quantity=1, price=101)
    desk.wait(60)
    assert (desk.phase, desk.prices()) == (CONTINUOUS, [100])


def test_a_listing_that_trades_always_opens_on_sunday_without_an_auction() -> None:
    desk = GuardedDesk("2026-11-29 19:59:59")
    desk.until("2026-11-29 20:00")
    assert desk.phase == CONTINUOUS


def test_a_halt_of_the_share_refuses_with_its_reason_and_ends_in_an_auction() -> None:
    desk = GuardedDesk()
    desk.halt = "T1 news pending"
    desk.wait(1)

    told = refused(
        lambda: desk.place(ALICE, "buy", quantity=1, price=99), admission.UnderlyingHalted
    )
    assert told == {"reason": "T1 news pending"}

    desk.halt = ""
    desk.wait(1)
    assert (desk.phase, desk.market.guard.phase_reason) == (AUCTION, "share_halted")


def test_a_price_that_is_too_old_stops_trading_until_the_next_one() -> None:
    desk = GuardedDesk()
    desk.is_fresh = False
    desk.wait(61)
    assert desk.place(ALICE, "buy", quantity=1, price=99).status == "open", "stale, not yet long"
    desk.wait(60)
    refused(lambda: desk.place(ALICE, "buy", quantity=1, price=99), admission.ReferenceStale)

    desk.is_fresh = True
    desk.wait(1)
    assert desk.phase == CONTINUOUS
    assert desk.place(ALICE, "buy", quantity=1, price=99).status == "open"


def test_over_a_weekend_the_close_is_the_reference_and_is_not_stale() -> None:
    desk = GuardedDesk("2026-11-20 19:59")
    desk.price, desk.close = 103, 100  # a late print, and the regular close before it
    desk.wait(30)
    assert desk.market.reference == 103_000_000

    desk.until("2026-11-21 12:00")
    assert desk.market.reference == 100_000_000
    assert desk.market.guard.allows == EVERYTHING


def test_a_feed_that_died_before_the_weekend_leaves_no_reference_to_trade_by() -> None:
    desk = GuardedDesk("2026-11-20 15:00")
    desk.is_fresh = False
    desk.until("2026-11-21 12:00")
    desk.wait(60)
    assert desk.market.guard.limited_by == "reference_stale"


def test_the_band_of_a_weekend_widens_hour_by_hour_up_to_the_collar() -> None:
    desk = GuardedDesk("2026-11-20 20:00")
    found = {}
    for moment in ("20 20:00", "21 04:00", "21 16:00", "22 04:00", "22 16:00", "22 19:59"):
        desk.until(f"2026-11-{moment}")
        found[moment] = desk.band
    assert found == {
        "20 20:00": (86.67, 113.33),  # four hours after the close: a third more
        "21 04:00": (80, 120),
        "21 16:00": (70, 130),
        "22 04:00": (60, 140),
        "22 16:00": (50, 150),
        "22 19:59": (50, 150),  # the collar
    }


def test_a_weekend_from_friday_s_close_to_monday() -> None:
    desk = GuardedDesk("2026-11-20 15:59", band_e6=50_000, hours="24/7")
    desk.place(BOB, "sell", quantity=1, price=101)
    assert desk.band == (90, 110), "doubled before the close"

    desk.until("2026-11-21 16:00")
    assert desk.band == (85, 115)
    bought = desk.place(ALICE, "buy", quantity=1)
    assert bought.status == "filled", "a market order is a limit at its protection price"
    refused(lambda: desk.place(ALICE, "buy", quantity=1, price=116), admission.PriceOutsideBand)

    desk.until("2026-11-22 20:00")
    assert desk.band == (90, 110)
    desk.until("2026-11-23 10:00")
    assert desk.band == (95, 105)


# The whole market.


def fall(desk: GuardedDesk, percent: int) -> None:
    desk.pool.outlook.proxy = Outside(600_000_000 * (100 - percent) // 100, desk.now)
    desk.pool.outlook.proxy_before = 600_000_000
    desk.wait(1)


def test_a_fall_of_seven_percent_stops_everything_for_a_quarter_of_an_hour_once() -> None:
    desk = GuardedDesk()
    fall(desk, 6)
    assert desk.phase == CONTINUOUS
    fall(desk, 7)
    assert (desk.phase, desk.market.guard.phase_reason) == (BREAKER, "level_1")
    assert desk.effects.breakers[0][:2] == ("2026-11-24", 1)
    told = refused(lambda: desk.place(ALICE, "buy", quantity=1, price=99), admission.MarketBroken)
    assert told["reason"] == "level_1"

    desk.wait(900)
    assert desk.phase == AUCTION
    desk.wait(60)
    assert desk.phase == CONTINUOUS
    fall(desk, 8)
    assert desk.phase == CONTINUOUS, "each level once a day"
    fall(desk, 13)
    assert (desk.phase, desk.market.guard.phase_reason) == (BREAKER, "level_2")


def test_late_in_the_day_only_the_third_level_stops() -> None:
    desk = GuardedDesk("2026-11-24 15:24:58")
    fall(desk, 7)
    assert desk.phase == BREAKER

    desk = GuardedDesk("2026-11-24 15:24:59")
    fall(desk, 13)
    assert desk.phase == CONTINUOUS
    fall(desk, 20)
    assert (desk.phase, desk.market.guard.phase_until) == (BREAKER, at("2026-11-24 20:00"))


def test_outside_regular_hours_the_breaker_rests() -> None:
    desk = GuardedDesk("2026-11-24 17:00")
    fall(desk, 20)
    assert desk.phase == CONTINUOUS


# Size.


def test_an_order_is_worth_and_is_at_most_what_the_listing_allows() -> None:
    desk = GuardedDesk(max_cash=500_000_000, max_quantity=6 * 10**8)

    told = refused(lambda: desk.place(ALICE, "buy", quantity=5, price=101), admission.OrderTooLarge)
    assert told == {"maximum": "500.00"}
    told = refused(lambda: desk.place(ALICE, "sell", quantity=7, price=60), admission.OrderTooLarge)
    assert told == {"maximum_quantity": "6"}
    refused(lambda: desk.place(ALICE, "buy", cash=501), admission.OrderTooLarge)
    assert desk.place(ALICE, "buy", quantity=5, price=100).status == "open"


# A batch that is undone has never been.


def test_an_episode_that_is_undone_leaves_no_trace() -> None:
    desk = GuardedDesk()
    desk.place(ALICE, "buy", quantity=2, price=110)
    desk.wait(15)
    desk.wait(300)
    desk.place(BOB, "sell", quantity=1, price=105)
    before = (desk.market.guard, desk.market.event_seq, desk.cash(ALICE), desk.market.trade_no)

    desk.wait(60)
    assert desk.phase == CONTINUOUS
    desk.effects.roll_back()

    after = (desk.market.guard, desk.market.event_seq, desk.cash(ALICE), desk.market.trade_no)
    assert after == before
    desk.pool.check_invariants()
