"""Kill switches that move: what the engine does in the batch that learns of them."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from trading.engine.effects import Effects
from trading.engine.living import age
from trading.engine.pool import Pool
from trading.engine.stops import KILL_SWITCH, Stop, Stops, StopScope


class StopEffect(NamedTuple):
    """What a batch did about a switch, for the record."""

    switch_id: int
    is_set: bool
    orders_pulled: int


def set_stops(
    pool: Pool, stops: Stops, switch_ids: Iterable[int], effects: Effects
) -> list[StopEffect]:
    """Take over the switches as they are now; pull what those of `switch_ids` that are set stop.

    A switch may have been known from the start of the engine; its orders are pulled all
    the same, in the batch that takes its notice.
    """
    effects.undo.append((setattr, (pool, "stops", pool.stops)))
    pool.stops = stops
    active = {stop.id: stop for stop in stops.active}
    found = []
    for switch_id in switch_ids:
        stop = active.get(switch_id)
        pulled = 0 if stop is None else _pull(pool, stop, effects)
        found.append(StopEffect(switch_id, stop is not None, pulled))
    return found


def _pull(pool: Pool, stop: Stop, effects: Effects) -> int:
    """Cancel every live order of the switch's scope; return how many there were."""
    before = len(pool.orders)
    for order_id in _orders(pool, stop):
        # One that went with the order it is linked to is gone by now.
        order = pool.orders.get(order_id)
        if order is not None and pool.stops.cover(order, pool.eligibility.get(order.investor_id)):
            pool.pull(order, KILL_SWITCH, effects)
    return before - len(pool.orders)


def _orders(pool: Pool, stop: Stop) -> list[UUID]:
    orders = pool.orders
    if stop.scope == StopScope.INVESTOR:
        orders = pool.orders_of.get(stop.key, {})
    return [order.id for order in sorted(orders.values(), key=age)]
