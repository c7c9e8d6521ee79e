"""Reading what an engine must know: all of it at start, or what the inbox names.

PostgreSQL is the only truth: an engine that starts, or is not sure what became
of its last batch, forgets all it knew and reads it here.
"""

from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg

from trading.engine.book import BookOrder
from trading.engine.market import Eligibility, Funds, Rules
from trading.engine.pool import Pool
from trading.engine.state import UNTRIGGERED, TransferRequest
from trading.engine.terms import Terms
from trading.loading_fees import load_rates, load_stops
from trading.loading_protection import load_protection
from trading.records import HouseAccounts

Connection = psycopg.Connection[Any]

ROWS_AT_ONCE = 1_000

RULES = """
    SELECT listing.id, symbol, asset_id, asset.code, quote_id, asset.instrument_id, tick_units,
           lot_units, min_cash_units, maker_fee_e6, taker_fee_e6, protection_e6, collar_e6, state,
           (SELECT array_agg(country::text) FROM trading_listingcountryblock
             WHERE listing_id = listing.id),
           band_e6, hours, max_cash_units, max_quantity_units, state_reason,
           extract(epoch FROM state_until)::float8
      FROM trading_listing AS listing JOIN custody_asset AS asset ON asset.id = asset_id
     WHERE pool_id = %(pool)s AND (%(ids)s::bigint[] IS NULL OR listing.id = ANY (%(ids)s))
"""
ELIGIBILITY = """
    SELECT DISTINCT ON (snapshot.investor_id)
           snapshot.investor_id, snapshot.id, owner_group, may_buy, may_sell, country, accepted,
           reason_code, is_house, partner_id
      FROM accounts_eligibilitysnapshot AS snapshot
      JOIN accounts_investor AS investor ON investor.id = snapshot.investor_id
     WHERE %(ids)s::bigint[] IS NULL OR snapshot.investor_id = ANY (%(ids)s)
     ORDER BY snapshot.investor_id, version DESC
"""
FUNDS = """
    SELECT owner_id, asset_id, posted_units, held_units, id FROM custody_ledgeraccount
     WHERE purpose = 'trading' AND pool = %s
"""
HOUSE = """
    SELECT asset_id, id FROM custody_ledgeraccount
     WHERE purpose = %s AND pool = %s AND owner_id IS NULL
"""
OPEN_HOUSE = """
    INSERT INTO custody_ledgeraccount (owner_id, asset_id, purpose, pool)
    SELECT NULL, id, purpose, %s FROM custody_asset, unnest(ARRAY['fees', 'transit']) AS purpose
     WHERE kind IN ('token', 'stablecoin')
        ON CONFLICT DO NOTHING
"""
OPEN_ORDERS = """
    SELECT id, listing_id, investor_id, owner_group, snapshot_id, side, type, time_in_force,
           post_only, price_units, quantity_units, cash_units, filled_units, filled_cash_units,
           fee_units, fee_millionths, maker_fee_e6, held_units, client_order_id, user_ref, source,
           priority, batch_no, date_part('epoch', accepted_at), status, protection_price_units
      FROM trading_order WHERE status IN ('open', 'untriggered') AND listing_id = ANY (%s)
"""
TERMS = """
    SELECT order_id, taker_fee_e6, date_part('epoch', expires_at), display_units, reduce_only,
           self_trade_prevention, trigger_by, trigger_price_units, trail_units, trail_e6,
           limit_offset_units, link_id, parent_id, close_take_profit_units, close_stop_loss_units,
           replaces, date_part('epoch', triggered_at)
      FROM trading_order JOIN trading_orderterms ON order_id = trading_order.id
     WHERE status IN ('open', 'untriggered') AND listing_id = ANY (%s)
"""
NO_TERMS: tuple[int, Terms | None] = (0, None)
DEAD_MEN = "SELECT investor_id, date_part('epoch', due_at) FROM trading_deadman WHERE pool_id = %s"
LAST_PRICES = """
    SELECT listing.id, last.price_units
      FROM unnest(%s::bigint[]) AS listing (id)
     CROSS JOIN LATERAL (
        SELECT price_units FROM trading_trade
         WHERE listing_id = listing.id ORDER BY trade_no DESC LIMIT 1) AS last
"""
COUNTERS = """
    SELECT listing.id, last.event_seq, last.book_seq, last.trade_no
      FROM unnest(%s::bigint[]) AS listing (id)
     CROSS JOIN LATERAL (
        SELECT event_seq, book_seq, trade_no FROM trading_bookevent
         WHERE listing_id = listing.id ORDER BY event_seq DESC LIMIT 1) AS last
"""
RECENT_COMMANDS = """
    SELECT id FROM trading_order WHERE id >= %s
"""
TRANSFERS = """
    SELECT id, investor_id, asset_id, units, direction = 'in' FROM custody_pooltransfer
     WHERE id = ANY (%s) AND state = 'requested' ORDER BY requested_at, id
"""


def load_pool(connection: Connection, pool_id: int, now: float) -> Pool:
    """Everything that the engine of this pool knows, as committed; `now`: of its last batch."""
    pool = Pool()
    for rules in load_rules(connection, pool_id, None):
        pool.add_market(rules)
    pool.eligibility.update(load_eligibility(connection, None))
    for owner, asset, posted, held, account_id in connection.execute(FUNDS, [pool_id]):
        pool.funds[owner, asset] = Funds(owner, asset, posted, held, account_id)
    listing_ids = list(pool.markets_by_id)
    for listing_id, *counters in connection.execute(COUNTERS, [listing_ids]):
        market = pool.markets_by_id[listing_id]
        market.event_seq, market.book_seq, market.trade_no = counters
    for listing_id, price in connection.execute(LAST_PRICES, [listing_ids]):
        pool.markets_by_id[listing_id].last = price
    pool.rates, pool.stops = load_rates(connection, now), load_stops(connection)
    _restore_orders(pool, connection, listing_ids)
    for investor_id, due in connection.execute(DEAD_MEN, [pool_id]):
        pool.timers.restore_dead_man(investor_id, due)
    load_protection(connection, pool, pool_id, now)
    pool.check_invariants(is_read=True)
    return pool


def _restore_orders(pool: Pool, connection: Connection, listing_ids: list[int]) -> None:
    """Put every live order back where it was."""
    terms = {row[0]: (row[1], Terms(*row[2:])) for row in connection.execute(TERMS, [listing_ids])}
    fired = []
    for order in load_open_orders(connection, listing_ids):
        order.taker_fee_e6, order.terms = terms.get(order.id, NO_TERMS)
        is_fired = order.terms is not None and order.terms.triggered_at is not None
        if order.status == UNTRIGGERED and is_fired:
            fired.append(order)
        else:
            pool.restore(order)
    # In the order in which their triggers were met.
    fired.sort(key=lambda order: (order.terms and order.terms.triggered_at, order.priority))
    for order in fired:
        pool.restore(order)


def load_open_orders(connection: Connection, listing_ids: list[int]) -> list[BookOrder]:
    """The open orders of these listings, those of one listing in the order of priority.

    Rows arrive while the first of them are orders already, and are never all in memory;
    sorting here spares the server a sort of whole rows.
    """
    same: dict[Any, Any] = {}  # one object for equal values that thousands of orders share
    with connection.cursor(binary=True) as cursor:
        rows = cursor.stream(OPEN_ORDERS, [listing_ids], size=ROWS_AT_ONCE)
        orders = [_order(row, same) for row in rows]
    orders.sort(key=attrgetter("priority"))
    return orders


def load_rules(connection: Connection, pool_id: int, ids: list[int] | None) -> list[Rules]:
    rows = connection.execute(RULES, {"pool": pool_id, "ids": ids}).fetchall()
    return [Rules(*(*row[:14], frozenset(row[14] or ()), *row[15:])) for row in rows]


def load_eligibility(connection: Connection, ids: list[int] | None) -> dict[int, Eligibility]:
    """The newest snapshot of each investor named (None: of all)."""
    rows = connection.execute(ELIGIBILITY, {"ids": ids}).fetchall()
    return {
        row[0]: Eligibility(
            snapshot_id=row[1],
            owner_group=row[2],
            may_buy=row[3],
            may_sell=row[4],
            country=row[5],
            accepted=frozenset(row[6]),
            reason_code=row[7],
            is_house=row[8],
            partner_id=row[9],
        )
        for row in rows
    }


def load_house_accounts(connection: Connection, pool_id: int) -> HouseAccounts:
    """The house's accounts in this pool, opened where they are missing."""
    connection.execute(OPEN_HOUSE, [pool_id])
    fees, transit = (
        dict(connection.execute(HOUSE, [purpose, pool_id]).fetchall())
        for purpose in ("fees", "transit")
    )
    return HouseAccounts(fees, transit)


def load_recent_ids(connection: Connection, since: UUID) -> set[int]:
    """Numbers of the ids of orders made since then; an id starts with the time it was made."""
    return {row[0].int for row in connection.execute(RECENT_COMMANDS, [since])}


def load_transfers(connection: Connection, ids: list[UUID]) -> list[TransferRequest]:
    """Those of the transfers that still wait for an answer, in the order of their requests."""
    return [TransferRequest(*row) for row in connection.execute(TRANSFERS, [ids])]


def _order(row: tuple[Any, ...], same: dict[Any, Any]) -> BookOrder:
    shared = same.setdefault
    order = BookOrder(row[0], row[1], shared(row[2], row[2]), shared(row[3], row[3]))
    order.snapshot_id = shared(row[4], row[4])
    order.is_buy = row[5] == "buy"
    order.type, order.time_in_force = shared(row[6], row[6]), shared(row[7], row[7])
    order.post_only = row[8]
    order.price, order.quantity, order.cash = shared(row[9], row[9]), row[10], row[11]
    order.filled, order.filled_cash, order.fee, order.fee_millionths = row[12:16]
    order.maker_fee_e6, order.held = shared(row[16], row[16]), row[17]
    order.client_order_id, order.user_ref = row[18], row[19]
    order.source = shared(row[20], row[20])
    order.priority, order.batch_no, order.accepted_at = row[21], row[22], row[23]
    order.status, order.protection_price = shared(row[24], row[24]), row[25]
    order.leaves = row[10] - row[12]
    return order
