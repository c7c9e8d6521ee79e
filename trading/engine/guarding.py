"""Changing what protects a market, each change so that a batch can be undone."""

from dataclasses import replace
from typing import Any

from trading.engine.effects import Effects
from trading.engine.market import Market
from trading.engine.protection import Guard


def set_guard(market: Market, effects: Effects, **changes: Any) -> Guard:
    """Replace the market's guard by one with other values."""
    effects.undo.append((setattr, (market, "guard", market.guard)))
    market.guard = replace(market.guard, **changes)
    return market.guard


def change(target: Any, effects: Effects, **values: Any) -> None:
    """Give attributes other values."""
    for name, value in values.items():
        effects.undo.append((setattr, (target, name, getattr(target, name))))
        setattr(target, name, value)


def set_shut(market: Market, effects: Effects, shut: str) -> None:
    """Note what shuts the market, or that nothing does; in its row, for the next engine."""
    since = market.guard.phase_since or effects.now
    set_guard(market, effects, was_shut=shut, phase_since=since)
    effects.phases[market.rules.id] = market


def begin(
    market: Market,
    effects: Effects,
    phase: str,
    reason: str,
    *,
    until: float | None,
    extensions: int = 0,
) -> None:
    """Move the market into a phase; noted in its events, its row, and for who watches."""
    set_guard(
        market,
        effects,
        phase=phase,
        phase_reason=reason,
        phase_since=effects.now,
        phase_until=until,
        extensions=extensions,
        indication=None,
    )
    effects.add_event(market, "phase", phase, reason)
    effects.phases[market.rules.id] = market
    effects.restated.add(market.rules.symbol)
