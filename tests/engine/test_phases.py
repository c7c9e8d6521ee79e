"""Sessions, halts, bands, pauses and auctions, lived through on a pool in memory."""

from dataclasses import replace
from typing import Any

import pytest

from tests.desk import ALICE, BOB, CAROL
from tests.engine.guarded import GuardedDesk, refused
from trading.engine import phases, refusals
from trading.states import EVERYTHING, MarketPhase

CONTINUOUS, LIMIT_STATE = MarketPhase.CONTINUOUS, MarketPhase.LIMIT_STATE
PAUSE, AUCTION, BREAKER = MarketPhase.PAUSE, MarketPhase.AUCTION, MarketPhase.BREAKER


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
        lambda: desk.place(ALICE, "buy", quantity=1, price=111), refusals.PriceOutsideBand
    )
    assert high == {"low": "90.00", "high": "110.00"}
    refused(lambda: desk.place(ALICE, "sell", quantity=1, price=89), refusals.PriceOutsideBand)
    assert desk.place(ALICE, "buy", quantity=1, price=80).status == "open", "far below is harmless"


def test_a_band_that_moved_leaves_old_orders_alone_until_the_auction() -> None:
    desk = GuardedDesk()
    stale = desk.place(ALICE, "buy", quantity=1, price=99)

    desk.price = 85
    desk.wait(1)

    assert desk.band == (76.5, 93.5)
    assert desk.phase == LIMIT_STATE
    refused(lambda: desk.place(BOB, "sell", quantity=1, price=85), refusals.PriceOutsideBand)
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

    paused = refused(lambda: desk.place(BOB, "sell", quantity=1, price=110), refusals.TradingPaused)
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
    refused(lambda: desk.place(CAROL, "buy", quantity=1), refusals.ListingRestricted)

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


def test_no_trigger_fires_in_an_auction_and_its_price_fires_those_it_meets() -> None:
    desk = GuardedDesk()
    by_trade = desk.place(
        CAROL, "sell", quantity=1, type="stop_loss", trigger_price_units=95_000_000
    )
    by_share = desk.place(
        CAROL, "sell", quantity=1, type="stop_loss", trigger_price_units=97_000_000,
        trigger_by="index",
    )  # fmt: skip
    pause(desk)
    desk.place(BOB, "sell", quantity=1, price=94)
    desk.place(ALICE, "buy", quantity=3, price=94)
    desk.price = 96
    desk.wait(1)
    assert (by_trade.status, by_share.status) == ("untriggered", "untriggered")

    desk.wait(59)

    assert desk.phase == CONTINUOUS
    assert desk.prices() == [94, 94, 94]
    assert (by_trade.status, by_share.status) == ("filled", "filled")
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
