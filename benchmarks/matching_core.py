"""matching_core: commands a second through the pure matching core alone, on one thread.

Book, matching, numbered events, trades and undo log, by the functions that the engine
itself calls (`trading/engine/core.py`), in batches as the product runs them. The
yardsticks get the same flow: `litebook` (Rust) bounds, the much simpler
`lightmatchingengine` (Python) is printed beside, and so is the whole pool, with
eligibility, funds, holds and fees on top. Each batch's output is read once and let go;
all must have traded the same number of lots.
"""

import gc
import time
from collections.abc import Callable
from typing import NamedTuple

import lightmatchingengine.lightmatchingengine as light
import litebook

from benchmarks.random_flow import LOT, RULES, TICK, Flow, new_pool
from benchmarks.report import Result, say
from trading.commands import CancelOrder
from trading.engine import core
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.market import Market

BOUND = 1.0
COMMANDS = 200_000
BATCH = 1_024
TICK_SIZE = 0.01


class Pass(NamedTuple):
    """One time through the flow."""

    seconds: float  # of the processor: others on the machine change nothing
    lots: int  # traded


def run(*, rounds: int, seed: int, commands: int = COMMANDS) -> Result:
    """Medians of the engine and of both yardsticks over the rounds."""
    say(f"matching_core: seed {seed}, {rounds} rounds of {commands} commands")
    flow = Flow(commands, seed)
    say("compiled" if core.__file__.endswith(".so") else "plain Python")
    sides = {
        "core": run_core,
        "litebook": run_litebook,
        "light": run_light,
        "pool": run_pool,
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        passes = {name: _timed(side, flow) for name, side in sides.items()}
        traded = {name: done.lots for name, done in passes.items()}
        assert len(set(traded.values())) == 1, f"they disagree on the lots traded: {traded}"
        for name, done in passes.items():
            rates[name].append(commands / done.seconds)
        figures = ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items())
        say(f"round {number}: {figures}; {traded['core']} lots")
    return Result(
        bench="matching_core",
        unit="commands/s",
        values=rates["core"],
        yardstick="litebook on the same commands",
        yardstick_values=rates["litebook"],
        bound=BOUND,
        beside={"lightmatchingengine": rates["light"], "whole_pool": rates["pool"]},
    )


def _timed(side: Callable[[Flow], Pass], flow: Flow) -> Pass:
    """With the collector set for all as the product's engine sets it for itself."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(200_000, 50, 1_000)
    try:
        return side(flow)
    finally:
        gc.set_threshold(*thresholds)


def run_core(flow: Flow) -> Pass:
    """Every order planned, accepted, matched and rested; every cancel taken out."""
    market, rates = Market(RULES), (RULES.maker_fee_e6, RULES.taker_fee_e6)
    orders: list[BookOrder | None] = []
    units = 0
    started = time.process_time()
    for first in range(0, len(flow.steps), BATCH):
        effects = Effects(first // BATCH, 0.0)
        for (is_buy, ticks, lots, cancels), (id, investor_id, group) in zip(
            flow.steps[first : first + BATCH], flow.senders[first : first + BATCH], strict=True
        ):
            if cancels is not None:
                core.take_out(market, orders[cancels], "canceled", "requested", effects)
                orders[cancels] = None
                orders.append(None)
                continue
            price, quantity = ticks * TICK, lots * LOT
            order = BookOrder(id, RULES.id, investor_id, group, is_buy, price, quantity)
            order.leaves = quantity
            order.maker_fee_e6, order.taker_fee_e6 = rates
            planned = core.plan_order(market, order, price, LOT)
            effects.add_accepted(market, order)
            if planned.fills:
                core.execute(market, order, planned, effects)
            if order.leaves:
                core.rest(market, order, effects)
            orders.append(order)
        effects.close_books()
        for trade in effects.trades:
            units += trade.execution.quantity
    seconds = time.process_time() - started
    market.book.check_invariants()
    return Pass(seconds, units // LOT)


def run_pool(flow: Flow) -> Pass:
    """The same commands with all that is judged and settled in memory."""
    pool, units = new_pool(), 0
    started = time.process_time()
    for first in range(0, len(flow.commands), BATCH):
        effects = Effects(first // BATCH, 0.0)
        for command in flow.commands[first : first + BATCH]:
            if isinstance(command, CancelOrder):
                pool.cancel(command, effects)
            else:
                pool.place(command, effects)
        effects.close_books()
        for trade in effects.trades:
            units += trade.execution.quantity
    seconds = time.process_time() - started
    pool.check_invariants()
    return Pass(seconds, units // LOT)


def run_litebook(flow: Flow) -> Pass:
    """Its orders are made and added one by one; ids are its own."""
    book, ids, lots_traded = litebook.OrderBook(tick_size=TICK_SIZE), [], 0
    buy, sell = litebook.OrderType.Buy, litebook.OrderType.Sell
    started = time.process_time()
    for first in range(0, len(flow.steps), BATCH):
        done = []
        for is_buy, ticks, lots, cancels in flow.steps[first : first + BATCH]:
            if cancels is None:
                order = book.create_order(buy if is_buy else sell, ticks * TICK_SIZE, lots)
                ids.append(order.id)
                done.append(book.add(order))
            else:
                ids.append("")
                assert book.cancel(ids[cancels]), "every order to be canceled is open"
        for fills in done:
            for fill in fills:
                lots_traded += fill.quantity
    seconds = time.process_time() - started
    return Pass(seconds, round(lots_traded))


def run_light(flow: Flow) -> Pass:
    """It reports a trade to the taker once a price, and to each maker."""
    book, ids, lots_traded = light.LightMatchingEngine(), [], 0
    started = time.process_time()
    for first in range(0, len(flow.steps), BATCH):
        done = []
        for is_buy, ticks, lots, cancels in flow.steps[first : first + BATCH]:
            if cancels is None:
                side = light.Side.BUY if is_buy else light.Side.SELL
                order, trades = book.add_order(RULES.symbol, ticks, lots, side)
                ids.append(order.order_id)
                done.append((order.order_id, trades))
            else:
                ids.append(0)
                canceled = book.cancel_order(ids[cancels], RULES.symbol)
                assert canceled is not None, "every order to be canceled is open"
        for taker_id, trades in done:
            for trade in trades:
                if trade.order_id != taker_id:
                    lots_traded += trade.trade_qty
    seconds = time.process_time() - started
    return Pass(seconds, lots_traded)
