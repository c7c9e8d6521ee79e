"""What verify_ledger has to know of trading: who holds what, and that trades are booked.

Foreign keys of the engine's hot tables are not checked by the database; here
they are.
"""

from collections.abc import Iterator

from custody.ledger_core import Cursor
from custody.verification import (
    Difference,
    HoldSource,
    Reference,
    register,
    register_holds,
    register_references,
)
from custody.verification.since import since_entry
from custody.verification.streaming import stream

OPEN_ORDERS = """
      FROM trading_order AS orders
      JOIN trading_listing AS listing ON listing.id = orders.listing_id
      JOIN custody_ledgeraccount AS account
        ON coalesce(account.owner_id, 0) = orders.investor_id AND account.purpose = 'trading'
       AND account.pool = listing.pool_id
       AND account.asset_id = CASE orders.side WHEN 'buy' THEN listing.quote_id
                                               ELSE listing.asset_id END
     WHERE orders.status IN ('open', 'untriggered') AND orders.held_units > 0
"""
HOLDS = "SELECT account.id, orders.held_units" + OPEN_ORDERS
HELD_SINCE = "SELECT account.id, orders.accepted_at" + OPEN_ORDERS
UNBOOKED_TRADES = """
    SELECT trade.id, trade.traded_at FROM trading_trade AS trade
      LEFT JOIN custody_journalentry AS entry ON entry.key = 'trade:' || trade.id
     WHERE entry.id IS NULL
"""
TRADES_OF_NOTHING = """
    SELECT entry.key, entry.xid::text::bigint FROM custody_journalentry AS entry
      LEFT JOIN trading_trade AS trade ON entry.key = 'trade:' || trade.id
     WHERE entry.kind = 'trade' AND trade.id IS NULL
"""
FILLS = """
    SELECT orders.id, orders.filled_units, orders.filled_cash_units, orders.fee_units,
           orders.updated_at,
           coalesce(sum(fill.quantity), 0), coalesce(sum(fill.cash), 0), coalesce(sum(fill.fee), 0)
      FROM trading_order AS orders
      LEFT JOIN (
        SELECT maker_order_id AS id, quantity_units AS quantity, cash_units AS cash,
               maker_fee_units AS fee FROM trading_trade
        UNION ALL
        SELECT taker_order_id, quantity_units, cash_units, taker_fee_units FROM trading_trade
      ) AS fill ON fill.id = orders.id
     GROUP BY orders.id
    HAVING (orders.filled_units, orders.filled_cash_units, orders.fee_units)
           IS DISTINCT FROM
           (coalesce(sum(fill.quantity), 0), coalesce(sum(fill.cash), 0),
            coalesce(sum(fill.fee), 0))
"""
# The snapshot is the proof that this investor was allowed the order.
FOREIGN_PROOFS = """
    SELECT orders.id, orders.accepted_at FROM trading_order AS orders
      JOIN accounts_eligibilitysnapshot AS snapshot ON snapshot.id = orders.snapshot_id
     WHERE snapshot.investor_id <> orders.investor_id
"""
FOREIGN_ORDERS = """
    SELECT trade.id, trade.traded_at FROM trading_trade AS trade
      JOIN trading_order AS maker ON maker.id = trade.maker_order_id
      JOIN trading_order AS taker ON taker.id = trade.taker_order_id
     WHERE maker.listing_id <> trade.listing_id OR taker.listing_id <> trade.listing_id
        OR (trade.buyer_id, trade.seller_id) IS DISTINCT FROM
           CASE trade.taker_side WHEN 'buy' THEN (taker.investor_id, maker.investor_id)
                                 ELSE (maker.investor_id, taker.investor_id) END
"""
# Feeds and replay count on numbers without gaps.
EVENT_GAPS = """
    SELECT listing_id, first_event_seq, expected, created_at
      FROM (SELECT listing_id, first_event_seq, created_at, lag(event_seq, 1, 0::bigint) OVER (
                       PARTITION BY listing_id ORDER BY event_seq) + 1 AS expected
              FROM trading_bookevent) AS event
     WHERE first_event_seq <> expected
"""
INVESTORS = "SELECT id FROM accounts_investor"
LISTINGS = "SELECT id FROM trading_listing"
ORDERS = "SELECT id FROM trading_order"
POOLS = "SELECT id FROM trading_pool"
REFERENCES = [
    *(
        Reference("trading_order", column, target, made_at="accepted_at")
        for column, target in {
            "listing_id": LISTINGS,
            "investor_id": INVESTORS,
            "snapshot_id": "SELECT id FROM accounts_eligibilitysnapshot",
        }.items()
    ),
    *(
        Reference("trading_trade", column, target, made_at="traded_at")
        for column, target in {
            "listing_id": LISTINGS,
            "maker_order_id": ORDERS,
            "taker_order_id": ORDERS,
            "buyer_id": INVESTORS,
            "seller_id": INVESTORS,
        }.items()
    ),
    Reference("trading_bookevent", "listing_id", LISTINGS, made_at="created_at"),
    Reference("trading_inboxitem", "pool_id", POOLS, made_at="created_at"),
    *(
        Reference("trading_orderterms", column, ORDERS, row="order_id")
        for column in ("order_id", "parent_id", "replaces")
    ),
    Reference("trading_deadman", "investor_id", INVESTORS),
    Reference("trading_deadman", "pool_id", POOLS),
    Reference("trading_candle", "listing_id", LISTINGS, row="listing_id"),
    Reference("trading_marketbreaker", "pool_id", POOLS, row="pool_id"),
    Reference("trading_investorvolume", "investor_id", INVESTORS),
    Reference("trading_killswitcheffect", "pool_id", POOLS, made_at="at"),
    *(
        Reference("trading_killswitch", "key", target, made_at="set_at", where=f"scope = '{scope}'")
        for scope, target in {
            "investor": INVESTORS,
            "listing": LISTINGS,
            "partner": "SELECT id FROM accounts_partner",
        }.items()
    ),
    Reference("custody_ledgeraccount", "pool", POOLS, where="pool <> 0"),
    Reference("custody_pooltransfer", "pool", POOLS, made_at="requested_at"),
]


def trades_are_booked(_: Cursor) -> Iterator[Difference]:
    """Every trade has its journal entry, and every entry of a trade its trade."""
    for trade_id, traded_at in stream(UNBOOKED_TRADES):
        where, since = f"trade {trade_id}", traded_at.isoformat()
        yield Difference("trades are booked", where, "a journal entry", "none", since)
    for key, xid in stream(TRADES_OF_NOTHING):
        yield Difference("trades are booked", key, "a trade", "none", since_entry(xid))


def orders_sum_their_trades(_: Cursor) -> Iterator[Difference]:
    """What an order says it filled, for how much cash and fee, is the sum of its trades."""
    for order_id, filled, cash, fee, updated_at, *sums in stream(FILLS):
        stated, traded = str((filled, cash, fee)), str(tuple(map(int, sums)))
        since = f"its last change, {updated_at.isoformat()}"
        yield Difference("orders sum their trades", f"order {order_id}", traded, stated, since)


def trading_rows_fit_together(_: Cursor) -> Iterator[Difference]:
    """Orders show their own investor's proof; trades are of their orders and investors."""
    for order_id, accepted_at in stream(FOREIGN_PROOFS):
        where, since = f"order {order_id}", accepted_at.isoformat()
        yield Difference("proofs", where, "its investor's snapshot", "another's", since)
    for trade_id, traded_at in stream(FOREIGN_ORDERS):
        where, since = f"trade {trade_id}", traded_at.isoformat()
        yield Difference("trades", where, "its orders' listing and investors", "others", since)


def events_run_without_gaps(_: Cursor) -> Iterator[Difference]:
    for listing_id, first, expected, created_at in stream(EVENT_GAPS):
        where, since = f"listing {listing_id}", created_at.isoformat()
        yield Difference("book events", where, f"event {expected}", f"event {first}", since)


def register_checks() -> None:
    """Called once, when the app is ready."""
    register_holds(HoldSource("open orders", HOLDS, dated=HELD_SINCE))
    register_references(*REFERENCES)
    checks = (
        trades_are_booked,
        orders_sum_their_trades,
        trading_rows_fit_together,
        events_run_without_gaps,
    )
    for check in checks:
        register(check)
