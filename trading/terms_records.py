"""Writing down what only some orders carry: their terms, amendments, dead-man switches.

Called with each batch; a batch of plain orders writes nothing here.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from custody.ledger_core import array, id_array, int_array
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.terms import Terms

INSERT_TERMS = """
    INSERT INTO trading_orderterms
           (order_id, expires_at, display_units, reduce_only, self_trade_prevention, trigger_by,
            trigger_price_units, trail_units, trail_e6, limit_offset_units, link_id, parent_id,
            close_take_profit_units, close_stop_loss_units, replaces, triggered_at,
            taker_fee_e6)
    SELECT id, to_timestamp(expires_at), display_units, reduce_only, prevention, trigger_by,
           trigger_price_units, trail_units, trail_e6, limit_offset_units, link_id, parent_id,
           take_profit, stop_loss, replaces, to_timestamp(triggered_at), taker_fee_e6
      FROM unnest(%s::uuid[], %s::float8[], %s::bigint[], %s::bool[], %s::text[], %s::text[],
                  %s::bigint[], %s::bigint[], %s::int[], %s::bigint[], %s::uuid[], %s::uuid[],
                  %s::bigint[], %s::bigint[], %s::uuid[], %s::float8[], %s::int[])
           AS new (id, expires_at, display_units, reduce_only, prevention, trigger_by,
                   trigger_price_units, trail_units, trail_e6, limit_offset_units, link_id,
                   parent_id, take_profit, stop_loss, replaces, triggered_at, taker_fee_e6)
"""
AMEND_ORDERS = """
    UPDATE trading_order AS stored
       SET price_units = change.price, protection_price_units = change.protection,
           quantity_units = change.quantity, post_only = change.post_only,
           priority = change.priority
      FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bool[], %s::bigint[])
           AS change (id, price, protection, quantity, post_only, priority)
     WHERE stored.id = change.id
"""
AMEND_TERMS = """
    UPDATE trading_orderterms AS stored
       SET display_units = change.display, trigger_price_units = change.trigger,
           triggered_at = to_timestamp(change.triggered_at), taker_fee_e6 = change.taker_fee_e6
      FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::float8[], %s::int[])
           AS change (id, display, trigger, triggered_at, taker_fee_e6)
     WHERE stored.order_id = change.id
"""
WIND_DEAD_MEN = """
    INSERT INTO trading_deadman (investor_id, pool_id, due_at)
    SELECT investor, %s, to_timestamp(due) FROM unnest(%s::bigint[], %s::float8[])
           AS switch (investor, due)
        ON CONFLICT (investor_id, pool_id) DO UPDATE SET due_at = excluded.due_at
"""
STOP_DEAD_MEN = (
    "DELETE FROM trading_deadman WHERE pool_id = %s AND investor_id = ANY (%s::bigint[])"
)


class Statements(Protocol):
    """Where statements are queued."""

    def execute(self, query: Any, params: Any = None, /) -> None: ...


def write_terms(cursor: Statements, effects: Effects, pool_id: int) -> None:
    """Queue what the batch has changed beyond every order's own columns."""
    new = [(order, order.terms) for order in effects.new.values() if order.terms is not None]
    if new:
        cursor.execute(INSERT_TERMS, _terms(new))
    if effects.amended:
        cursor.execute(AMEND_ORDERS, _amended(effects.amended.values()))
        orders = effects.amended.values()
        known = [(order, order.terms) for order in orders if order.terms is not None]
        if known:
            cursor.execute(AMEND_TERMS, _amended_terms(known))
    if effects.dead_men:
        _write_dead_men(cursor, effects.dead_men, pool_id)


def _write_dead_men(cursor: Statements, dead_men: dict[int, float | None], pool_id: int) -> None:
    wound = {investor: due for investor, due in dead_men.items() if due is not None}
    stopped = [investor for investor, due in dead_men.items() if due is None]
    if wound:
        dues = array([repr(due) for due in wound.values()])
        cursor.execute(WIND_DEAD_MEN, [pool_id, int_array(list(wound)), dues])
    if stopped:
        cursor.execute(STOP_DEAD_MEN, [pool_id, int_array(stopped)])


def _terms(new: list[tuple[BookOrder, Terms]]) -> list[str]:
    def column(value: Callable[[Terms], object]) -> str:
        return _values(value(terms) for _, terms in new)

    return [
        id_array([order.id for order, _ in new]),
        column(lambda t: t.expires_at),
        column(lambda t: t.display_units),
        array(["t" if t.reduce_only else "f" for _, t in new]),
        column(lambda t: t.self_trade_prevention),
        column(lambda t: t.trigger_by),
        column(lambda t: t.trigger_price),
        column(lambda t: t.trail_units),
        column(lambda t: t.trail_e6),
        column(lambda t: t.limit_offset),
        column(lambda t: t.link_id),
        column(lambda t: t.parent_id),
        column(lambda t: t.close_take_profit),
        column(lambda t: t.close_stop_loss),
        column(lambda t: t.replaces),
        column(lambda t: t.triggered_at),
        int_array([order.taker_fee_e6 for order, _ in new]),
    ]


def _amended(amended: Iterable[BookOrder]) -> list[str]:
    orders = list(amended)
    return [
        id_array([o.id for o in orders]),
        _values(o.price for o in orders),
        _values(o.protection_price for o in orders),
        _values(o.quantity for o in orders),
        array(["t" if o.post_only else "f" for o in orders]),
        int_array([o.priority for o in orders]),
    ]


def _amended_terms(amended: list[tuple[BookOrder, Terms]]) -> list[str]:
    return [
        id_array([order.id for order, _ in amended]),
        _values(terms.display_units for _, terms in amended),
        _values(terms.trigger_price for _, terms in amended),
        _values(terms.triggered_at for _, terms in amended),
        int_array([order.taker_fee_e6 for order, _ in amended]),
    ]


def _values(values: Iterable[object]) -> str:
    """Numbers, ids and our own words: nothing that would have to be quoted."""
    return array(["NULL" if value is None else str(value) for value in values])
