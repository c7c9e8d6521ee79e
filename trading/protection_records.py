"""Writing down what the price protection did in a batch: phases, and breakers that fired."""

from datetime import UTC, datetime

from custody.ledger_core import array, int_array, text_array
from trading.engine.effects import Effects
from trading.records import Statements

WRITE_PHASES = """
    INSERT INTO trading_listingphase
           (batch_no, listing_id, phase, reason, since, until, extensions, shut_by)
    SELECT %s, listing_id, phase, reason, to_timestamp(since), to_timestamp(until), extensions,
           shut_by
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::int[],
                  %s::text[])
           AS moved (listing_id, phase, reason, since, until, extensions, shut_by)
        ON CONFLICT (listing_id) DO UPDATE
       SET batch_no = excluded.batch_no, phase = excluded.phase, reason = excluded.reason,
           since = excluded.since, until = excluded.until, extensions = excluded.extensions,
           shut_by = excluded.shut_by
"""
WRITE_BREAKER = """
    INSERT INTO trading_marketbreaker
           (pool_id, batch_no, at, trade_date, level, price_micros, previous_close_micros, until)
    VALUES (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s))
"""


def write_protection(statements: Statements, pool_id: int, effects: Effects) -> None:
    """Queue what a batch changed of its markets' phases."""
    if effects.phases:
        guards = [market.guard for market in effects.phases.values()]
        untils = [guard.phase_until for guard in guards]
        statements.execute(
            WRITE_PHASES,
            [
                effects.batch_no,
                int_array(effects.phases),
                array([guard.phase for guard in guards]),
                text_array([guard.phase_reason for guard in guards]),
                array([repr(guard.phase_since) for guard in guards]),
                array(["NULL" if until is None else repr(until) for until in untils]),
                int_array([guard.extensions for guard in guards]),
                text_array([guard.was_shut for guard in guards]),
            ],
        )
    at = datetime.fromtimestamp(effects.now, UTC)
    for breaker in effects.breakers:
        statements.execute(WRITE_BREAKER, [pool_id, effects.batch_no, at, *breaker])
