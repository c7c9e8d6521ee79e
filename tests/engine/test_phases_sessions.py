"""Hours, halts, old prices, weekends and the fall of the whole market, on a pool in memory."""

from tests.desk import ALICE, BOB
from tests.engine.guarded import GuardedDesk, at, refused
from trading.engine import refusals
from trading.engine.protection import Outside
from trading.states import EVERYTHING, MarketPhase

CONTINUOUS, AUCTION, BREAKER = MarketPhase.CONTINUOUS, MarketPhase.AUCTION, MarketPhase.BREAKER


# Closed, stale and halted are three things.


def test_a_closed_listing_says_when_it_opens_and_its_orders_stay() -> None:
    desk = GuardedDesk("2026-11-25 15:59", hours="regular")
    resting = desk.place(ALICE, "buy", quantity=1, price=99)

    desk.until("2026-11-25 16:00")

    told = refused(lambda: desk.place(BOB, "sell", quantity=1, price=99), refusals.SessionClosed)
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


def test_hours_that_nobody_saw_end_and_begin_again_begin_with_an_auction_too() -> None:
    desk = GuardedDesk("2026-11-24 15:59", hours="regular")
    before = desk.market.guard

    desk.until("2026-11-25 12:00")

    assert (desk.phase, desk.market.guard.phase_reason) == (AUCTION, "session_closed")
    desk.effects.roll_back()
    assert desk.market.guard == before
    assert desk.pool.outlook.looked_at == at("2026-11-24 15:59")


def test_a_listing_that_trades_always_opens_on_sunday_without_an_auction() -> None:
    desk = GuardedDesk("2026-11-29 19:59:59")
    desk.until("2026-11-29 20:00")
    assert desk.phase == CONTINUOUS


def test_a_halt_of_the_share_refuses_with_its_reason_and_ends_in_an_auction() -> None:
    desk = GuardedDesk()
    desk.halt = "T1 news pending"
    desk.wait(1)

    told = refused(
        lambda: desk.place(ALICE, "buy", quantity=1, price=99), refusals.UnderlyingHalted
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
    refused(lambda: desk.place(ALICE, "buy", quantity=1, price=99), refusals.ReferenceStale)

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
    refused(lambda: desk.place(ALICE, "buy", quantity=1, price=116), refusals.PriceOutsideBand)

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
    told = refused(lambda: desk.place(ALICE, "buy", quantity=1, price=99), refusals.MarketBroken)
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

    told = refused(lambda: desk.place(ALICE, "buy", quantity=5, price=101), refusals.OrderTooLarge)
    assert told == {"maximum": "500.00"}
    told = refused(lambda: desk.place(ALICE, "sell", quantity=7, price=60), refusals.OrderTooLarge)
    assert told == {"maximum_quantity": "6"}
    refused(lambda: desk.place(ALICE, "buy", cash=501), refusals.OrderTooLarge)
    assert desk.place(ALICE, "buy", quantity=5, price=100).status == "open"


def test_a_market_order_is_worth_no_more_than_the_largest_either() -> None:
    desk = GuardedDesk(max_cash=500_000_000)
    for quantity in (2, 3):
        desk.place(BOB, "sell", quantity=quantity, price=101)

    told = refused(lambda: desk.place(ALICE, "buy", quantity=5), refusals.OrderTooLarge)

    assert told == {"maximum": "500.00"}
