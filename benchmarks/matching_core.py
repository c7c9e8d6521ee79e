"""matching_core: commands a second through the pure engine alone, on one thread.

No database, no wire: a pool, its books, holds, fees, events and undo log, in batches as
the product runs them. The yardsticks get the same flow: `litebook` (Rust) bounds, the
much simpler `lightmatchingengine` (Python) is printed beside. All three keep what they
give back, and must have traded the same number of lots.
"""

import gc
import time
from collections.abc import Callable
from typing import NamedTuple

import lightmatchingengine.lightmatchingengine as light
import litebook

from benchmarks.random_flow import LOT, RULES, Flow, new_pool
from benchmarks.report import Result, say
from trading.commands import CancelOrder
from trading.engine.effects import Effects

BOUND = 1.0
COMMANDS = 200_000
BATCH = 1_024
TICK_SIZE = 0.01


class Pass(NamedTuple):
    """One time through the flow."""

    seconds: float  # of the processor: others on the machine change nothing
    lots: int  # traded
    trades: int


def run(*, rounds: int, seed: int, commands: int = COMMANDS) -> Result:
    """Medians of the engine and of both yardsticks over the rounds."""
    say(f"matching_core: seed {seed}, {rounds} rounds of {commands} commands")
    flow = Flow(commands, seed)
    sides = {"engine": run_engine, "litebook": run_litebook, "light": run_light}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        passes = {name: _timed(side, flow) for name, side in sides.items()}
        traded = {name: done.lots for name, done in passes.items()}
        assert len(set(traded.values())) == 1, f"they disagree on the lots traded: {traded}"
        for name, done in passes.items():
            rates[name].append(commands / done.seconds)
        figures = ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items())
        say(f"round {number}: {figures}; {passes['engine'].trades} trades, {traded['engine']} lots")
    return Result(
        bench="matching_core",
        unit="commands/s",
        values=rates["engine"],
        yardstick="litebook on the same commands",
        yardstick_values=rates["litebook"],
        bound=BOUND,
        beside={"lightmatchingengine": rates["light"]},
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


def run_engine(flow: Flow) -> Pass:
    """Batches of commands; what each puts out is kept, its undo log is not."""
    pool, output = new_pool(), []
    started = time.process_time()
    for first in range(0, len(flow.commands), BATCH):
        effects = Effects(first // BATCH, 0.0)
        for command in flow.commands[first : first + BATCH]:
            if isinstance(command, CancelOrder):
                pool.cancel(command, effects)
            else:
                pool.place(command, effects)
        effects.close_books()
        output.append((effects.events, effects.trades, effects.levels))
    seconds = time.process_time() - started
    events = sum(len(events[RULES.id]) for events, _, _ in output)
    assert events == pool.markets[RULES.symbol].event_seq, "every event was put out"
    pool.check_invariants()
    lots = [trade.execution.quantity // LOT for _, trades, _ in output for trade in trades]
    return Pass(seconds, sum(lots), len(lots))


def run_litebook(flow: Flow) -> Pass:
    """Its orders are made and added one by one; ids are its own."""
    book, ids, done = litebook.OrderBook(tick_size=TICK_SIZE), [], []
    buy, sell = litebook.OrderType.Buy, litebook.OrderType.Sell
    started = time.process_time()
    for is_buy, ticks, lots, cancels in flow.steps:
        if cancels is None:
            order = book.create_order(buy if is_buy else sell, ticks * TICK_SIZE, lots)
            ids.append(order.id)
            done.append(book.add(order))
        else:
            ids.append("")
            done.append(book.cancel(ids[cancels]))
    seconds = time.process_time() - started
    assert False not in done, "every order to be canceled is open"
    lots = [round(fill.quantity) for fills in done if fills is not True for fill in fills]
    return Pass(seconds, sum(lots), len(lots))


def run_light(flow: Flow) -> Pass:
    """It reports a trade to the taker once a price, and to each maker."""
    book, ids, done = light.LightMatchingEngine(), [], []
    started = time.process_time()
    for is_buy, ticks, lots, cancels in flow.steps:
        if cancels is None:
            side = light.Side.BUY if is_buy else light.Side.SELL
            order, trades = book.add_order(RULES.symbol, ticks, lots, side)
            ids.append(order.order_id)
            done.append((order, trades))
        else:
            ids.append(0)
            done.append((book.cancel_order(ids[cancels], RULES.symbol), []))
    seconds = time.process_time() - started
    assert all(order is not None for order, _ in done), "every order to be canceled is open"
    lots = [
        trade.trade_qty
        for order, trades in done
        for trade in trades
        if trade.order_id != order.order_id
    ]
    return Pass(seconds, sum(lots), len(lots))
