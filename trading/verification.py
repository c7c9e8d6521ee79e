"""What verify_ledger has to know of trading: who holds what, and that trades are booked.

Foreign keys of the engine's hot tables are not checked by the database; here
they are.
"""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.verification import Difference, HoldSource, register, register_holds

OPEN_ORDER_HOLDS = """
    SELECT account.id, orders.held_units
      FROM trading_order AS orders
      JOIN trading_listing AS listing ON listing.id = orders.listing_id
      JOIN custody_ledgeraccount AS account
        ON coalesce(account.owner_id, 0) = orders.investor_id AND account.purpose = 'trading'
       AND account.pool = listing.pool_id
       AND account.asset_id = CASE orders.side WHEN 'buy' THEN listing.quote_id
                                               ELSE listing.asset_id END
     WHERE orders.status = 'open' AND orders.held_units > 0
"""
UNBOOKED_TRADES = """
    SELECT trade.id FROM trading_trade AS trade
      LEFT JOIN custody_journalentry AS entry ON entry.key = 'trade:' || trade.id
     WHERE entry.id IS NULL
"""
TRADES_OF_NOTHING = """
    SELECT entry.key FROM custody_journalentry AS entry
      LEFT JOIN trading_trade AS trade ON entry.key = 'trade:' || trade.id
     WHERE entry.kind = 'trade' AND trade.id IS NULL
"""
FILLS = """
    SELECT orders.id, orders.filled_units, orders.filled_cash_units, orders.fee_units,
           coalesce(sum(fill.quantity), 0), coalesce(sum(fill.cash), 0), coalesce(sum(fill.fee), 0)
      FROM trading_order AS orders
      FULL JOIN (
        SELECT maker_order_id AS id, quantity_units AS quantity, cash_units AS cash,
               maker_fee_units AS fee FROM trading_trade
        UNION ALL
        SELECT taker_order_id, quantity_units, cash_units, taker_fee_units FROM trading_trade
      ) AS fill ON fill.id = orders.id
     GROUP BY orders.id
    HAVING orders.id IS NULL
        OR (orders.filled_units, orders.filled_cash_units, orders.fee_units)
           IS DISTINCT FROM
           (coalesce(sum(fill.quantity), 0), coalesce(sum(fill.cash), 0),
            coalesce(sum(fill.fee), 0))
"""
DANGLING = """
    SELECT 'order ' || orders.id FROM trading_order AS orders
     WHERE NOT EXISTS (SELECT FROM trading_listing WHERE id = orders.listing_id)
        OR NOT EXISTS (SELECT FROM accounts_investor WHERE id = orders.investor_id)
    UNION ALL
    SELECT 'trade ' || trade.id FROM trading_trade AS trade
     WHERE NOT EXISTS (SELECT FROM trading_listing WHERE id = trade.listing_id)
        OR NOT EXISTS (SELECT FROM accounts_investor WHERE id = trade.buyer_id)
        OR NOT EXISTS (SELECT FROM accounts_investor WHERE id = trade.seller_id)
"""


def trades_are_booked(cursor: Cursor) -> Iterator[Difference]:
    """Every trade has its journal entry, and every entry of a trade its trade."""
    cursor.execute(UNBOOKED_TRADES)
    for (trade_id,) in cursor.fetchall():
        yield Difference("trades are booked", f"trade {trade_id}", "a journal entry", "none")
    cursor.execute(TRADES_OF_NOTHING)
    for (key,) in cursor.fetchall():
        yield Difference("trades are booked", key, "a trade", "none")


def orders_sum_their_trades(cursor: Cursor) -> Iterator[Difference]:
    """What an order says it filled, for how much cash and fee, is the sum of its trades."""
    cursor.execute(FILLS)
    for order_id, *sums in cursor.fetchall():
        stated, traded = str(tuple(sums[:3])), str(tuple(map(int, sums[3:])))
        yield Difference("orders sum their trades", f"order {order_id}", traded, stated)


def trading_rows_name_what_exists(cursor: Cursor) -> Iterator[Difference]:
    """Orders and trades name listings and investors that exist."""
    cursor.execute(DANGLING)
    for (where,) in cursor.fetchall():
        yield Difference("trading rows name what exists", where, "existing rows", "a missing one")


def register_checks() -> None:
    """Called once, when the app is ready."""
    register_holds(HoldSource("open orders", OPEN_ORDER_HOLDS))
    for check in (trades_are_booked, orders_sum_their_trades, trading_rows_name_what_exists):
        register(check)
