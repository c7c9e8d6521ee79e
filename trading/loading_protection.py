"""Reading what protects prices: outside prices, sessions, phases, breakers, the last trades."""

from dataclasses import replace
from typing import Any

import psycopg
from django.conf import settings

from trading.engine.effects import Effects
from trading.engine.guarding import change
from trading.engine.phases import set_outside
from trading.engine.pool import Pool
from trading.engine.protection import (
    BUCKET_SECONDS,
    WINDOW_SECONDS,
    Outside,
    Trades,
    outside_price,
)
from trading.schedule import load_sessions
from trading.states import ALLOWS, EVERYTHING, PHASE_ALLOWS

Connection = psycopg.Connection[Any]

# No more of a listing's last trades are looked through for the mean of five minutes.
TRADES_LOOKED_AT = 300
BREAKERS_LOOKED_AT = 10

# Per token: the price of a share times the shares in a token, in units of a six-decimal quote.
REFERENCES = """
    SELECT asset.id,
           (price_per_share_micros * multiplier_e18 / 1e18)::bigint,
           extract(epoch FROM published_at)::float8,
           (regular_close_micros * multiplier_e18 / 1e18)::bigint,
           extract(epoch FROM regular_close_at)::float8,
           is_halted, halt_reason
      FROM reference_referenceprice AS price
      JOIN custody_asset AS asset ON asset.instrument_id = price.instrument_id
     WHERE asset.kind = 'token'
"""
# Per share: nobody trades it here, it only stands for the whole market.
PROXY = """
    SELECT price_per_share_micros, extract(epoch FROM published_at)::float8,
           previous_close_micros
      FROM reference_referenceprice AS price
      JOIN reference_instrument AS instrument ON instrument.id = price.instrument_id
     WHERE ticker = %s
"""
PHASES = """
    SELECT listing_id, phase, reason, extract(epoch FROM since)::float8,
           extract(epoch FROM until)::float8, extensions, shut_by
      FROM trading_listingphase WHERE listing_id = ANY (%s)
"""
BREAKERS = """
    SELECT trade_date::text, level FROM trading_marketbreaker
     WHERE pool_id = %s ORDER BY id DESC LIMIT %s
"""
LAST_TRADES = """
    SELECT listing.id, floor(extract(epoch FROM traded_at) / %(bucket)s) * %(bucket)s AS at,
           sum(price_units)::bigint, count(*)
      FROM unnest(%(listings)s::bigint[]) AS listing (id)
     CROSS JOIN LATERAL (
        SELECT traded_at, price_units FROM trading_trade
         WHERE listing_id = listing.id ORDER BY trade_no DESC LIMIT %(most)s) AS trade
     WHERE traded_at > to_timestamp(%(since)s)
     GROUP BY 1, 2 ORDER BY 1, 2
"""


def load_protection(connection: Connection, pool: Pool, pool_id: int, now: float) -> None:
    """Everything that protects a pool's prices, as of the pool's last batch."""
    outlook = pool.outlook
    outlook.sessions = load_sessions(connection, now)
    outlook.stretch, outlook.looked_at = outlook.sessions.at(now), now
    rows = connection.execute(BREAKERS, [pool_id, BREAKERS_LOOKED_AT]).fetchall()
    outlook.fired = frozenset((day, each) for day, level in rows for each in range(1, level + 1))
    _load_phases(connection, pool)
    _load_trades(connection, pool, now)
    # Only taken note of: what follows from it follows in the first batch.
    outlook.proxy, outlook.proxy_before, outsides = _read_references(connection)
    for market in pool.markets_by_id.values():
        outside = outsides.get(market.rules.base_id)
        market.guard = replace(market.guard, outside=outside)
        market.reference = outside_price(outside, outlook.stretch)


def set_references(connection: Connection, pool: Pool, effects: Effects) -> None:
    """Give markets the newest outside price of their token, and let follow what does."""
    proxy, before, outsides = _read_references(connection)
    change(pool.outlook, effects, proxy=proxy, proxy_before=before)
    for market in pool.markets_by_id.values():
        set_outside(pool, market, outsides.get(market.rules.base_id), effects)


def _read_references(
    connection: Connection,
) -> tuple[Outside | None, int | None, dict[int, Outside]]:
    """Of the whole market, its close of the day before, and of each token."""
    row = connection.execute(PROXY, [settings.ENV.market_breaker_ticker]).fetchone()
    proxy, before = (Outside(row[0], row[1]), row[2]) if row else (None, None)
    rows = connection.execute(REFERENCES).fetchall()
    return proxy, before, {asset: Outside(*rest) for asset, *rest in rows}


def set_sessions(connection: Connection, pool: Pool, effects: Effects) -> None:
    """Take over a trading calendar that has changed."""
    sessions = load_sessions(connection, effects.now)
    change(pool.outlook, effects, sessions=sessions, due_at=0.0)


def _load_phases(connection: Connection, pool: Pool) -> None:
    rows = connection.execute(PHASES, [list(pool.markets_by_id)]).fetchall()
    for listing_id, phase, reason, since, until, extensions, shut_by in rows:
        market = pool.markets_by_id[listing_id]
        allowed = PHASE_ALLOWS[phase]
        market.guard = replace(
            market.guard,
            allows=ALLOWS[market.rules.state] & allowed,
            limited_by=market.guard.limited_by if allowed is EVERYTHING else phase,
            phase=phase,
            phase_reason=reason,
            phase_since=since,
            phase_until=until,
            extensions=extensions,
            was_shut=shut_by,
        )


def _load_trades(connection: Connection, pool: Pool, now: float) -> None:
    wanted = {
        "listings": list(pool.markets_by_id),
        "bucket": BUCKET_SECONDS,
        "most": TRADES_LOOKED_AT,
        "since": max(now - WINDOW_SECONDS, 0.0),
    }
    for listing_id, at, total, number in connection.execute(LAST_TRADES, wanted).fetchall():
        market = pool.markets_by_id[listing_id]
        trades = (*market.guard.trades, Trades(float(at), total, number))
        market.guard = replace(market.guard, trades=trades)
