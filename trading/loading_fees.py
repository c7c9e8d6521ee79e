"""Reading fees and kill switches for an engine, at start or when the inbox says so."""

from collections.abc import Iterable
from typing import Any

import psycopg

from trading.engine.effects import Effects
from trading.engine.rates import Rates, Schedule, Tier
from trading.engine.stopping import StopEffect
from trading.engine.stops import Stop, Stops

Connection = psycopg.Connection[Any]

SCHEDULES = """
    SELECT schedule.partner_id, schedule.listing_id, extract(epoch FROM valid_from)::float8, name,
           array_agg(ARRAY[volume_from_units, maker_e6, taker_e6] ORDER BY volume_from_units)
               FILTER (WHERE tier.id IS NOT NULL)
      FROM trading_feeschedule AS schedule
      LEFT JOIN trading_feetier AS tier ON tier.schedule_id = schedule.id
     GROUP BY schedule.id ORDER BY valid_from, schedule.id
"""
# Only volumes that reach some tier above the lowest matter.
VOLUMES = """
    SELECT investor_id, month_units FROM trading_investorvolume
     WHERE day = (SELECT max(day) FROM trading_volumeday)
       AND month_units >= (SELECT min(volume_from_units) FROM trading_feetier
                            WHERE volume_from_units > 0)
"""
STOPS = """
    SELECT id, scope, key, public_words FROM trading_killswitch WHERE lifted_at IS NULL ORDER BY id
"""
# In the batch's own transaction. A switch may move twice before an engine sees it once.
STORE_EFFECTS = """
    INSERT INTO trading_killswitcheffect (pool_id, batch_no, at, switch_id, is_set, orders_pulled)
    VALUES (%s, %s, to_timestamp(%s), %s, %s, %s) ON CONFLICT DO NOTHING
"""


def load_rates(connection: Connection, now: float) -> Rates:
    """Every schedule, in force or to come, and the volumes by which tiers are reached."""
    schedules = [
        Schedule(partner, listing, valid_from, tuple(Tier(*each) for each in tiers or ()), name)
        for partner, listing, valid_from, name, tiers in connection.execute(SCHEDULES)
    ]
    volumes = dict(connection.execute(VOLUMES).fetchall()) if schedules else {}
    return Rates(schedules, volumes, now)


def load_stops(connection: Connection) -> Stops:
    """The kill switches that are set."""
    return Stops(Stop(*row) for row in connection.execute(STOPS))


def store_stop_effects(
    connection: Connection, pool_id: int, effects: Effects, moved: Iterable[StopEffect]
) -> None:
    """Note at which batch switches took effect, and how many orders that pulled."""
    for each in moved:
        connection.execute(STORE_EFFECTS, [pool_id, effects.batch_no, effects.now, *each])
