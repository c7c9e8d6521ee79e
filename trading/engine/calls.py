"""Driving a call auction: orders gather, then all that can be matched is, at one price.

What an auction would come to is told whenever its book has changed. It ends when
its time is up, unless its price lies outside the band: then it goes on, with a
wider band each time, up to the collar. The algorithm is trading/engine/auction.py.
"""

from typing import TYPE_CHECKING, Final

from trading.engine import auction, protection
from trading.engine.book import BookOrder
from trading.engine.core import requeue
from trading.engine.effects import Effects
from trading.engine.guarding import begin, change, set_guard
from trading.engine.market import Market
from trading.engine.matching import Execution
from trading.states import MarketPhase

if TYPE_CHECKING:
    from trading.engine.triggering import Triggering

GATHER_SECONDS: Final = 60.0
AUCTION, CONTINUOUS = MarketPhase.AUCTION.value, MarketPhase.CONTINUOUS.value
PRICE_BAND: Final = "price_band"  # the reason of an order that the band has ended


def start(market: Market, effects: Effects, reason: str, *, extensions: int = 0) -> None:
    """Let orders gather from now on."""
    until = effects.now + GATHER_SECONDS
    begin(market, effects, AUCTION, reason, until=until, extensions=extensions)
    indicate(market, effects)


def indicate(market: Market, effects: Effects) -> None:
    """Tell what the auction would come to, when that has changed."""
    found = auction.indicate(market.book, reference=market.reference, tick=market.rules.tick)
    if found == market.guard.indication:
        return
    set_guard(market, effects, indication=found)
    price, quantity, imbalance = found or (None, 0, 0)
    effects.add_event(market, "indication", price, quantity, imbalance)


def end(pool: "Triggering", market: Market, effects: Effects) -> None:
    """Match what has gathered, or let it gather on while the price lies outside the band."""
    guard, rules = market.guard, market.rules
    planned = auction.plan_uncross(market.book, reference=market.reference, tick=rules.tick)
    if planned.indication is not None and guard.width:
        center = market.reference if market.reference is not None else guard.center
        width = min(guard.width + guard.extensions * rules.band_e6, rules.collar_e6)
        low, high = protection.band_around(center, width, rules.tick)
        if width < rules.collar_e6 and not low <= planned.indication.price <= high:
            start(market, effects, guard.phase_reason, extensions=guard.extensions + 1)
            return
    begin(market, effects, CONTINUOUS, "", until=None)
    uncross(pool, market, planned, effects)


def uncross(pool: "Triggering", market: Market, planned: auction.Uncross, effects: Effects) -> None:
    """Carry the auction out. The band lies around its price from now on."""
    for order in planned.canceled:
        pool.pull(order, "self_trade", effects)
    for execution in auction.apply_uncross(market.book, planned, effects.undo):
        _settle(pool, market, execution, effects)
    if planned.indication is not None:
        price = planned.indication.price
        trades = protection.with_trades((), effects.now, price, 1)
        set_guard(market, effects, trades=trades, band_at=0.0, indication=None)
        change(market, effects, last=price)


def pull_beyond(pool: "Triggering", market: Market, effects: Effects) -> None:
    """After an auction: what would buy above the band or sell below it has had its chance."""
    guard, book = market.guard, market.book
    beyond = []
    for side in (book.bids, book.asks):
        for level in side:  # best first
            if level.price <= guard.high if side is book.bids else level.price >= guard.low:
                break
            beyond += list(level)
    for order in beyond:
        pool.pull(order, PRICE_BAND, effects)


def _settle(pool: "Triggering", market: Market, execution: Execution, effects: Effects) -> None:
    """One trade of an auction; both orders were resting, and both hold."""
    pool.exchange(market, effects.add_execution(market, execution), effects)
    sides = (
        (execution.maker, execution.requeued),
        (execution.taker, execution.taker_requeued),
    )
    for order, requeued in sides:
        assert order.price is not None
        effects.add_level(market, order.is_buy, order.price)
        _after_fill(pool, order, market, execution.quantity, effects, requeued=requeued)


def _after_fill(
    pool: "Triggering",
    order: BookOrder,
    market: Market,
    units: int,
    effects: Effects,
    *,
    requeued: bool,
) -> None:
    pool.settle_hold(order, market, effects)
    if requeued:
        requeue(market, order, effects)
        effects.amend(order)
    if order.terms is not None:
        pool.after_fill(order, units, market, effects)
