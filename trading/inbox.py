"""Consuming the inbox: facts that changed elsewhere take effect at this batch.

An item names the row that changed; the row is read here, inside the batch's
transaction, so a fact is never older than the item that announced it. Orders
that a new fact no longer allows are pulled in the same batch.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from trading import loading, loading_fees, loading_protection
from trading.engine import phases, stopping
from trading.engine.effects import Effects
from trading.engine.pool import Pool

InboxRow = tuple[int, str, dict[str, Any]]


def apply_inbox(
    connection: psycopg.Connection[Any],
    pool: Pool,
    items: Sequence[InboxRow],
    effects: Effects,
    pool_id: int,
) -> None:
    """Take over every fact named by the items, each kind in one read.

    Time comes first, so that facts are judged by the session of now; then rules and
    eligibility: what they forbid is pulled before units move.
    """
    phases.advance(pool, effects)
    if any(kind == "calendar" for _, kind, _ in items):
        loading_protection.set_sessions(connection, pool, effects)
    if listing_ids := _named(items, "listing", "listing_id"):
        for rules in loading.load_rules(connection, pool_id, listing_ids):
            pool.set_rules(rules, effects)
    if investor_ids := _named(items, "eligibility", "investor_id"):
        for investor_id, found in loading.load_eligibility(connection, investor_ids).items():
            pool.set_eligibility(investor_id, found, effects)
    if any(kind == "fees" for _, kind, _ in items):
        effects.undo.append((setattr, (pool, "rates", pool.rates)))
        pool.rates = loading_fees.load_rates(connection, effects.now)
    if switch_ids := _named(items, "kill_switch", "switch_id"):
        stops = loading_fees.load_stops(connection)
        moved = stopping.set_stops(pool, stops, switch_ids, effects)
        loading_fees.store_stop_effects(connection, pool_id, effects, moved)
    if any(kind == "reference" for _, kind, _ in items) or listing_ids:
        loading_protection.set_references(connection, pool, effects)
    if transfer_ids := _named(items, "pool_transfer", "pool_transfer_id"):
        ids = [UUID(each) for each in transfer_ids]
        for transfer in loading.load_transfers(connection, ids):
            pool.transfer(transfer, effects)


def _named(items: Sequence[InboxRow], kind: str, field: str) -> list[Any]:
    """The distinct values of a payload's field among items of one kind, in order."""
    return list(dict.fromkeys(payload[field] for _, of_kind, payload in items if of_kind == kind))
