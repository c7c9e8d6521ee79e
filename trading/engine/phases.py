"""Moving a market's protection on: sessions, staleness, bands, limit states, pauses, breakers.

Looked at when a batch begins, at most once a second and whenever a boundary has
passed, and when a fact of the market has changed; so a change takes effect at a
known batch, and an order pays for none of it. Before the batch ends, its trades
move the band's reference and its books are held against their bands.
"""

from typing import TYPE_CHECKING, Final

from trading.engine import auction, calls, protection
from trading.engine.effects import Effects
from trading.engine.guarding import begin, change, set_guard, set_shut
from trading.engine.market import Market, Rules
from trading.engine.protection import BAND_EVERY_SECONDS, MILLION, NO_HIGH, Outside, Watch
from trading.engine.sessions import Session, Stretch
from trading.states import (
    OPEN_SESSIONS,
    Condition,
    MarketPhase,
    Permission,
    permission,
)

if TYPE_CHECKING:
    from trading.engine.triggering import Triggering

LOOK_EVERY_SECONDS: Final = 1.0
LIMIT_STATE_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 5 * 60.0
BREAKER_SECONDS: Final = 15 * 60.0
# The market's fall below its last close, in millionths; the last one ends the day.
BREAKER_LEVELS: Final = ((3, 200_000), (2, 130_000), (1, 70_000))
BREAKER_ENDS_DAY: Final = 3
# Levels 1 and 2 stop nothing after 15:25, or 35 minutes before an early close.
BREAKER_BEFORE_CLOSE_SECONDS: Final = 35 * 60.0

CONTINUOUS, LIMIT_STATE = MarketPhase.CONTINUOUS.value, MarketPhase.LIMIT_STATE.value
PAUSE, AUCTION = MarketPhase.PAUSE.value, MarketPhase.AUCTION.value
BREAKER = MarketPhase.BREAKER.value
AT_UPPER_BAND, AT_LOWER_BAND = "at_upper_band", "at_lower_band"


def advance(pool: "Triggering", effects: Effects) -> None:
    """At a batch's start: what time alone has changed."""
    watch, now = pool.outlook, effects.now
    if now < watch.due_at:
        return
    passed = watch.sessions.between(watch.looked_at, now) if watch.looked_at else []
    change(watch, effects, stretch=watch.sessions.at(now), looked_at=now)
    _check_breaker(pool, effects)
    due = [now + LOOK_EVERY_SECONDS]
    if watch.stretch is not None:
        due.append(watch.stretch.ends_at)
    for market in pool.markets_by_id.values():
        _remember_closing(market, passed, effects)
        review(pool, market, effects)
        if market.guard.phase_until is not None:
            due.append(market.guard.phase_until)
    change(watch, effects, due_at=min(moment for moment in due if moment > now))


def set_outside(
    pool: "Triggering", market: Market, outside: Outside | None, effects: Effects
) -> None:
    """Take over what the world says of the market's token."""
    if outside != market.guard.outside:
        set_guard(market, effects, outside=outside)
        review(pool, market, effects)


def review(pool: "Triggering", market: Market, effects: Effects) -> None:
    """Take over what has changed for one market, and move its phase on when that is due."""
    could_trigger, reference = market.guard.allows.triggers, market.reference
    first_trade = len(effects.trades)
    _follow_reference(pool.outlook, market, effects)
    _permit(pool.outlook, market, effects)
    _set_band(pool.outlook, market, effects)
    _reopen(pool.outlook, market, effects)
    before = market.guard.phase
    _move_phase(pool, market, effects)
    if before == AUCTION and market.guard.phase == CONTINUOUS:
        _set_band(pool.outlook, market, effects)
        calls.pull_beyond(pool, market, effects)
    _hold_against_band(market, effects)
    _permit(pool.outlook, market, effects)
    if len(effects.trades) > first_trade:
        pool.after_command(market, first_trade, effects)
    if market.guard.allows.triggers and (not could_trigger or market.reference != reference):
        pool.look_again(market, effects)
        pool.run_fired(effects)


def settle(pool: "Triggering", effects: Effects) -> None:
    """Before a batch ends: its trades and its books against their bands."""
    if effects.trades:
        _note_trades(effects)
    for listing_id, levels in list(effects.levels.items()):
        market = pool.markets_by_id[listing_id]
        if levels and market.guard.allows.gathers:
            calls.indicate(market, effects)
        elif levels and market.guard.high < NO_HIGH:
            _hold_against_band(market, effects)
            _permit(pool.outlook, market, effects)


def _follow_reference(watch: Watch, market: Market, effects: Effects) -> None:
    guard, now = market.guard, effects.now
    if guard.outside is None:
        return
    price = protection.outside_price(guard.outside, watch.stretch)
    if price != market.reference:
        change(market, effects, reference=price)
    if not protection.is_old(guard.outside, watch.stretch, now):
        if guard.stale_since is not None:
            set_guard(market, effects, stale_since=None)
    elif guard.stale_since is None:
        set_guard(market, effects, stale_since=now)


def _permission(watch: Watch, market: Market, phase: str, now: float) -> Permission:
    """What the market would take now, were it in `phase`."""
    guard, rules = market.guard, market.rules
    since = guard.stale_since
    return permission(
        state=rules.state,
        hours=rules.hours,
        session=protection.stretch_name(watch.stretch),
        is_halted=_is_halted(market),
        is_stale=since is not None and now - since >= protection.STALE_GRACE_SECONDS,
        phase=phase,
    )


def _permit(watch: Watch, market: Market, effects: Effects) -> None:
    """Keep what the market takes at hand, so that no order has to work it out."""
    guard = market.guard
    found = _permission(watch, market, guard.phase, effects.now)
    opens_at = None
    if found.limited_by == Condition.SESSION_CLOSED:
        opening = watch.sessions.next_of(effects.now, OPEN_SESSIONS[market.rules.hours])
        opens_at = opening.starts_at if opening else None
    if (*found, opens_at) != (guard.allows, guard.limited_by, guard.opens_at):
        allows, limited_by = found
        set_guard(market, effects, allows=allows, limited_by=limited_by, opens_at=opens_at)
        effects.restated.add(market.rules.symbol)


def _is_halted(market: Market) -> bool:
    return market.guard.outside is not None and market.guard.outside.is_halted


def _is_closed(watch: Watch, rules: Rules) -> bool:
    return protection.stretch_name(watch.stretch) not in OPEN_SESSIONS[rules.hours]


def _remember_closing(market: Market, passed: list[Stretch], effects: Effects) -> None:
    """What was closed since the last look was shut, though no engine may have run then."""
    open_sessions = OPEN_SESSIONS[market.rules.hours]
    if not market.guard.was_shut and any(each.session not in open_sessions for each in passed):
        set_shut(market, effects, Condition.SESSION_CLOSED.value)


def _reopen(watch: Watch, market: Market, effects: Effects) -> None:
    """After its hours begin again, or a halt of the share ends, comes an auction."""
    guard = market.guard
    shut = ""
    if _is_halted(market):
        shut = Condition.SHARE_HALTED.value
    elif _is_closed(watch, market.rules):
        shut = Condition.SESSION_CLOSED.value
    if shut == guard.was_shut:
        return
    set_shut(market, effects, shut)
    if not shut and guard.phase in (CONTINUOUS, LIMIT_STATE, AUCTION):
        calls.start(market, effects, guard.was_shut)


def _move_phase(pool: "Triggering", market: Market, effects: Effects) -> None:
    """What the phase's time, or the rules around it, make of it."""
    guard, now = market.guard, effects.now
    others = _permission(pool.outlook, market, CONTINUOUS, now).allows
    may_match = others.takes and not others.gathers
    is_over = guard.phase_until is not None and now >= guard.phase_until
    if guard.phase == LIMIT_STATE:
        if not may_match:
            begin(market, effects, CONTINUOUS, "", until=None)
        elif is_over:
            begin(market, effects, PAUSE, guard.phase_reason, until=now + PAUSE_SECONDS)
    elif guard.phase in (PAUSE, BREAKER) and is_over:
        calls.start(market, effects, guard.phase)
    elif guard.phase == AUCTION and is_over:
        if may_match:
            calls.end(pool, market, effects)
        else:  # halted meanwhile, or it is not to match: it goes on gathering
            set_guard(market, effects, phase_until=now + calls.GATHER_SECONDS)
            effects.phases[market.rules.id] = market
    elif guard.phase == CONTINUOUS and may_match and _is_crossed(market):
        # Staff have ended an auction of theirs.
        tick = market.rules.tick
        planned = auction.plan_uncross(market.book, reference=market.reference, tick=tick)
        calls.uncross(pool, market, planned, effects)


def _is_crossed(market: Market) -> bool:
    bid, ask = market.book.bids.best(), market.book.asks.best()
    return bid is not None and ask is not None and bid.price >= ask.price


def _set_band(watch: Watch, market: Market, effects: Effects) -> None:
    """The band follows the trades every half minute, the outside price and the clock at once."""
    guard, rules, now = market.guard, market.rules, effects.now
    if guard.outside is None or market.reference is None:
        if guard.width:
            set_guard(market, effects, low=0, high=NO_HIGH, width=0, center=0)
        return
    stretch = watch.stretch
    at = now - now % BAND_EVERY_SECONDS
    is_closed = stretch is not None and not stretch.has_prices
    mean = None if is_closed else protection.mean_of(guard.trades, now)
    if mean is None:
        center = market.reference
    elif at == guard.band_at and guard.center:
        center = guard.center
    else:
        center = mean
    width = protection.width_e6(rules.band_e6, rules.collar_e6, stretch, now)
    if (center, width, at) != (guard.center, guard.width, guard.band_at):
        low, high = protection.band_around(center, width, rules.tick)
        set_guard(market, effects, low=low, high=high, width=width, center=center, band_at=at)


def _hold_against_band(market: Market, effects: Effects) -> None:
    """A best price that stands at its band begins a limit state, and leaving it ends it."""
    guard = market.guard
    if guard.phase not in (CONTINUOUS, LIMIT_STATE) or not guard.width:
        return
    if not guard.allows.takes:
        return
    bid, ask = market.book.bids.best(), market.book.asks.best()
    at = ""
    if bid is not None and bid.price >= guard.high:
        at = AT_UPPER_BAND
    elif ask is not None and ask.price <= guard.low:
        at = AT_LOWER_BAND
    if at and guard.phase == CONTINUOUS:
        begin(market, effects, LIMIT_STATE, at, until=effects.now + LIMIT_STATE_SECONDS)
    elif not at and guard.phase == LIMIT_STATE:
        begin(market, effects, CONTINUOUS, "", until=None)


def _note_trades(effects: Effects) -> None:
    """Add the batch's trades to what the bands go by."""
    sums: dict[int, list[int]] = {}
    markets: dict[int, Market] = {}
    for record in effects.trades:
        market = record.market
        if market.guard.outside is not None:
            markets[market.rules.id] = market
            found = sums.setdefault(market.rules.id, [0, 0])
            found[0] += record.execution.price
            found[1] += 1
    for listing_id, (total, number) in sums.items():
        market = markets[listing_id]
        trades = protection.with_trades(market.guard.trades, effects.now, total, number)
        set_guard(market, effects, trades=trades)


def _check_breaker(pool: "Triggering", effects: Effects) -> None:
    """Stop everything when the whole market has fallen too far, each level once a day."""
    watch, now, stretch = pool.outlook, effects.now, pool.outlook.stretch
    proxy, before = watch.proxy, watch.proxy_before
    if proxy is None or not before or stretch is None or stretch.session != Session.REGULAR:
        return
    if proxy.published_at < stretch.starts_at or protection.is_old(proxy, stretch, now):
        return
    fall = (before - proxy.price) * MILLION // before
    may_resume = now < stretch.close_at - BREAKER_BEFORE_CLOSE_SECONDS
    for level, least in BREAKER_LEVELS:
        is_new = (stretch.trade_date, level) not in watch.fired
        if fall >= least and is_new and (may_resume or level == BREAKER_ENDS_DAY):
            _fire(pool, level, effects)
            return


def _fire(pool: "Triggering", level: int, effects: Effects) -> None:
    watch, stretch = pool.outlook, pool.outlook.stretch
    assert stretch is not None
    assert watch.proxy is not None
    assert watch.proxy_before is not None
    ends_day = level == BREAKER_ENDS_DAY
    until = stretch.day_ends_at if ends_day else effects.now + BREAKER_SECONDS
    reached = {(stretch.trade_date, each) for each in range(1, level + 1)}
    change(watch, effects, fired=watch.fired | reached)
    effects.breakers.append(
        (stretch.trade_date, level, watch.proxy.price, watch.proxy_before, until)
    )
    for market in pool.markets_by_id.values():
        begin(market, effects, BREAKER, f"level_{level}", until=until)
