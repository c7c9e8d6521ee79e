"""The steps that every order goes through, each with its numbered event.

Planned, accepted, matched, rested, taken out: book, undo log, events and changed
levels at once. What an investor has and may is the pool's: it judges the plan
before it is carried out, and settles the trades that come of it.
"""

from trading.engine.book import BookOrder, shown
from trading.engine.effects import Effects, TradeRecord
from trading.engine.market import Market
from trading.engine.matching import (
    CANCEL_NEWEST,
    NO_BUDGET,
    NO_FILLS,
    Incoming,
    Plan,
    apply,
    plan,
    set_priority,
)


def plan_order(
    market: Market, order: BookOrder, limit: int, lot: int, budget: int = NO_BUDGET
) -> Plan:
    """What an order would fill now at `limit` or better; see `matching.plan`."""
    terms, quantity, book = order.terms, order.quantity, market.book
    ranks = book.asks.ranks if order.is_buy else book.bids.ranks
    if not ranks or ranks[-1] < (-limit if order.is_buy else limit):
        return NO_FILLS  # nothing is as good as that
    incoming = Incoming(
        order.is_buy,
        order.owner_group,
        limit,
        None if quantity is None else quantity - order.filled,
        order.cash if quantity is None else None,
        order.taker_fee_e6,
        lot,
        CANCEL_NEWEST if terms is None else terms.self_trade_prevention,
        budget,
    )
    return plan(book, incoming)


def execute(market: Market, order: BookOrder, planned: Plan, effects: Effects) -> list[TradeRecord]:
    """Carry out the planned fills of an accepted order; their trades, to be settled."""
    book = market.book
    side = book.asks if order.is_buy else book.bids
    records = []
    for execution in apply(side, order, planned.fills, order.taker_fee_e6, effects.undo):
        maker = execution.maker
        records.append(effects.add_execution(market, execution))
        effects.add_level(market, maker.is_buy, execution.price)
        if execution.requeued:
            requeue(market, maker, effects)
    if order.quantity is not None:
        order.leaves = order.quantity - order.filled
    return records


def requeue(market: Market, order: BookOrder, effects: Effects) -> None:
    """Number an order that now stands at the back of its queue with its next slice."""
    seq = effects.add_event(market, "requeued", order.id, shown(order))
    set_priority(order, seq, effects.undo)


def rest(market: Market, order: BookOrder, effects: Effects) -> None:
    """Queue an order at its price."""
    price, book = order.price, market.book
    assert price is not None
    side = book.bids if order.is_buy else book.asks
    side.add(order, effects.undo)
    effects.add_level(market, order.is_buy, price)


def take_out(market: Market, order: BookOrder, status: str, reason: str, effects: Effects) -> None:
    """Close a resting order."""
    price, book = order.price, market.book
    assert price is not None
    effects.add_closed(market, order, status, reason)
    side = book.bids if order.is_buy else book.asks
    side.remove(order, effects.undo)
    effects.add_level(market, order.is_buy, price)
