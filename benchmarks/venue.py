"""Filling a fresh database with the workload's investors, listings and funds.

`build` makes few investors, as the product would. `build_crowd` makes 50,000 and a past of a
million rows, as an engine would have left them, in a few statements with all triggers on.
"""

import time
from datetime import timedelta
from typing import Any

from django.db import connection, connections, transaction

from accounts.models import EligibilitySnapshot, Investor
from benchmarks.workload import CASH_UNITS, INVESTORS, LISTINGS, LOT, TICK, TOKEN_UNITS
from custody import ledger, ledger_core, pool_transfers
from custody.ledger import Entry, Line, Purpose
from custody.models import Asset, PoolTransfer
from kernel import clock
from reference.models import Instrument
from trading import operations
from trading.engine.market import Rules
from trading.loading import load_house_accounts, load_rules
from trading.models import Pool

CROWD = 50_000
BATCHES = 1_000
TRADES_A_BATCH = 11  # of each listing
BATCHES_AT_ONCE = 50  # of one transaction here
ENTRIES_AT_ONCE = 5_000
TRADES = BATCHES * TRADES_A_BATCH * LISTINGS
# Two orders, the trade, its entry and its five postings; the events of each batch and listing.
HISTORY_ROWS = TRADES * 9 + BATCHES * LISTINGS

INVESTOR_ROWS = """
    INSERT INTO accounts_investor (kind, display_name, owner_group, kyc_status,
                                   residence_country, is_house, created_at)
    SELECT 'person', 'Investor ' || n, gen_random_uuid(), 'none', '', false, %s
      FROM generate_series(1, %s) AS n
"""
SNAPSHOTS = """
    INSERT INTO accounts_eligibilitysnapshot (investor_id, version, may_buy, may_sell, country,
                                              accepted, reason_code, facts, created_at)
    SELECT id, 1, true, true, 'DE',
           (SELECT jsonb_object_agg(code, 1) FROM custody_asset WHERE kind = 'token'),
           '', '{}', %s
      FROM accounts_investor
"""
ACCOUNTS = """
    WITH investor AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM accounts_investor),
         listing AS (SELECT asset_id, quote_id, row_number() OVER (ORDER BY id) AS n,
                            count(*) OVER () AS all FROM trading_listing)
    INSERT INTO custody_ledgeraccount (owner_id, asset_id, purpose, pool)
    SELECT investor.id, asset.id, 'trading', %s
      FROM investor JOIN listing ON listing.n = 1 + investor.n %% listing.all
     CROSS JOIN LATERAL (VALUES (listing.asset_id), (listing.quote_id)) AS asset (id)
     ORDER BY investor.id
"""
TO_FUND = """
    SELECT account.owner_id, account.id, account.asset_id, asset.kind
      FROM custody_ledgeraccount AS account JOIN custody_asset AS asset ON asset.id = asset_id
     WHERE purpose = 'trading' AND pool = %s ORDER BY account.owner_id, asset.kind
"""
TRADERS = """
    SELECT listing.id, array_agg(account.owner_id ORDER BY account.owner_id)
      FROM trading_listing AS listing
      JOIN custody_ledgeraccount AS account
        ON account.asset_id = listing.asset_id AND purpose = 'trading'
     GROUP BY listing.id
"""
TRADER = """
    CREATE TEMP TABLE trader AS
        SELECT listing.id AS listing_id, token.owner_id AS id, token.id AS token, cash.id AS cash,
               snapshot.id AS snapshot_id, investor.owner_group,
               row_number() OVER (PARTITION BY listing.id ORDER BY token.owner_id) - 1 AS n,
               count(*) OVER (PARTITION BY listing.id) AS all
          FROM trading_listing AS listing
          JOIN custody_ledgeraccount AS token
            ON token.asset_id = listing.asset_id AND token.purpose = 'trading'
          JOIN custody_ledgeraccount AS cash
            ON cash.owner_id = token.owner_id AND cash.asset_id = listing.quote_id
           AND cash.purpose = 'trading'
          JOIN accounts_eligibilitysnapshot AS snapshot ON snapshot.investor_id = token.owner_id
          JOIN accounts_investor AS investor ON investor.id = token.owner_id
"""
# Buyer and seller are never the same. Prices and lots are such that cash is a whole number.
PAST = """
    CREATE TEMP TABLE past AS
    WITH deal AS (
        SELECT listing.id AS listing_id, maker_fee_e6, taker_fee_e6, trade_no,
               1 + (trade_no - 1) / %(a_batch)s AS batch_no, trade_no %% 2 = 0 AS taker_buys,
               (9990 + trade_no * 7 %% 21) * tick_units AS price,
               (1 + trade_no * 13 %% 90) * lot_units AS quantity,
               (trade_no * 7919) %% traders.all AS buyer,
               (trade_no * 7919 + 1 + trade_no %% (traders.all - 1)) %% traders.all AS seller
          FROM trading_listing AS listing
          JOIN (SELECT DISTINCT listing_id, trader.all FROM trader) AS traders
            ON traders.listing_id = listing.id
         CROSS JOIN generate_series(1, %(batches)s * %(a_batch)s) AS trade_no
    ), numbered AS (
        SELECT *, price * quantity / 100000000 AS cash_units,
               %(first_entry)s - 1 + row_number() OVER (ORDER BY batch_no, listing_id, trade_no)
                   AS entry_id,
               %(until)s::timestamptz - (%(batches)s - batch_no) * interval '1 minute' AS at
          FROM deal
    )
    SELECT numbered.*, buyer.id AS buyer_id, seller.id AS seller_id,
           buyer.cash AS buyer_cash, buyer.token AS buyer_token,
           seller.cash AS seller_cash, seller.token AS seller_token,
           ceil(cash_units * maker_fee_e6 / 1e6)::bigint AS maker_fee,
           ceil(cash_units * taker_fee_e6 / 1e6)::bigint AS taker_fee,
           buyer.snapshot_id AS buyer_snapshot, seller.snapshot_id AS seller_snapshot,
           buyer.owner_group AS buyer_group, seller.owner_group AS seller_group,
           pg_temp.past_id(at, entry_id, 1) AS maker_order_id,
           pg_temp.past_id(at, entry_id, 2) AS taker_order_id,
           pg_temp.past_id(at, entry_id, 3) AS id
      FROM numbered
      JOIN trader AS buyer
        ON buyer.listing_id = numbered.listing_id AND buyer.n = numbered.buyer
      JOIN trader AS seller
        ON seller.listing_id = numbered.listing_id AND seller.n = numbered.seller
     ORDER BY entry_id
"""
# UUIDs of version 7, in the order of time.
PAST_ID = """
    CREATE FUNCTION pg_temp.past_id(at timestamptz, n bigint, kind int) RETURNS uuid
    LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                || '70008' || lpad(to_hex(n), 14, '0') || to_hex(kind))::uuid
    $$
"""
ORDERS = """
    INSERT INTO trading_order
           (id, listing_id, investor_id, owner_group, snapshot_id, side, type, time_in_force,
            post_only, price_units, quantity_units, filled_units, filled_cash_units, fee_units,
            fee_millionths, maker_fee_e6, held_units, status, reason, source, priority, batch_no,
            accepted_at, updated_at)
    SELECT id, listing_id, CASE WHEN buys THEN buyer_id ELSE seller_id END,
           CASE WHEN buys THEN buyer_group ELSE seller_group END,
           CASE WHEN buys THEN buyer_snapshot ELSE seller_snapshot END,
           CASE WHEN buys THEN 'buy' ELSE 'sell' END, 'limit', time_in_force, false, price,
           quantity, quantity, cash_units, fee, cash_units * rate, maker_fee_e6, 0, 'filled', '',
           'api', priority, batch_no, at, at
      FROM (
        SELECT maker_order_id AS id, NOT taker_buys AS buys, 'gtc' AS time_in_force,
               maker_fee AS fee, maker_fee_e6 AS rate, 3 * trade_no - 2 AS priority, listing_id,
               buyer_id, seller_id, buyer_group, seller_group, buyer_snapshot, seller_snapshot,
               price, quantity, cash_units, maker_fee_e6, batch_no, at
          FROM past WHERE batch_no BETWEEN %(first)s AND %(last)s
         UNION ALL
        SELECT taker_order_id, taker_buys, 'ioc', taker_fee, taker_fee_e6, 3 * trade_no - 1,
               listing_id, buyer_id, seller_id, buyer_group, seller_group, buyer_snapshot,
               seller_snapshot, price, quantity, cash_units, maker_fee_e6, batch_no, at
          FROM past WHERE batch_no BETWEEN %(first)s AND %(last)s) AS placed
     ORDER BY id
"""
TRADE_ROWS = """
    INSERT INTO trading_trade
           (id, listing_id, trade_no, price_units, quantity_units, cash_units, maker_order_id,
            taker_order_id, buyer_id, seller_id, taker_side, maker_fee_units, taker_fee_units,
            batch_no, traded_at)
    SELECT id, listing_id, trade_no, price, quantity, cash_units, maker_order_id, taker_order_id,
           buyer_id, seller_id, CASE WHEN taker_buys THEN 'buy' ELSE 'sell' END, maker_fee,
           taker_fee, batch_no, at
      FROM past WHERE batch_no BETWEEN %(first)s AND %(last)s ORDER BY entry_id
"""
EVENTS = """
    INSERT INTO trading_bookevent
           (listing_id, batch_no, first_event_seq, event_seq, book_seq, trade_no, events, levels,
            created_at)
    SELECT listing_id, batch_no, 3 * min(trade_no) - 2, 3 * max(trade_no), batch_no,
           max(trade_no), jsonb_agg(event ORDER BY event -> 1)::text,
           '[' || string_agg(DISTINCT format('[%%s,%%s,0,0]', (NOT taker_buys)::int, price), ',')
               || ']',
           at
      FROM past
     CROSS JOIN LATERAL (VALUES
        (jsonb_build_array('accepted', 3 * trade_no - 2, maker_order_id, NOT taker_buys, price,
                           quantity, NULL)),
        (jsonb_build_array('accepted', 3 * trade_no - 1, taker_order_id, taker_buys, price,
                           quantity, NULL)),
        (jsonb_build_array('trade', 3 * trade_no, trade_no, maker_order_id, taker_order_id, price,
                           quantity, cash_units))) AS happened (event)
     WHERE batch_no BETWEEN %(first)s AND %(last)s
     GROUP BY listing_id, batch_no, at ORDER BY batch_no, listing_id
"""
LINES = """
    SELECT entry_id, id, line_no, account_id, units, at
      FROM past
     CROSS JOIN LATERAL (VALUES
        (1, buyer_cash, -(cash_units + CASE WHEN taker_buys THEN taker_fee ELSE maker_fee END)),
        (2, buyer_token, quantity),
        (3, seller_token, -quantity),
        (4, seller_cash, cash_units - CASE WHEN taker_buys THEN maker_fee ELSE taker_fee END),
        (5, %(fees)s, maker_fee + taker_fee)) AS line (line_no, account_id, units)
     WHERE batch_no BETWEEN %(first)s AND %(last)s
"""
ENTRIES = f"""
    INSERT INTO custody_journalentry (id, kind, key, reference, content_hash, created_at)
    SELECT entry_id, 'trade', 'trade:' || id, id::text,
           sha256(convert_to(
               format(E'trade\\ntrade:%%s\\n%%s\\n\\n%%s', id, id,
                      string_agg(account_id || ':' || units, ',' ORDER BY line_no)), 'UTF8')),
           at
      FROM ({LINES}) AS line GROUP BY entry_id, id, at ORDER BY entry_id
"""  # noqa: S608 (texts of this module alone)
POSTINGS = f"""
    INSERT INTO custody_posting (entry_id, line_no, account_id, units)
    SELECT entry_id, line_no, account_id, units FROM ({LINES}) AS line ORDER BY entry_id, line_no
"""  # noqa: S608
# An engine that starts knows all of this already.
INBOX_IS_READ = "UPDATE trading_inboxitem SET consumed_batch = %s WHERE consumed_batch IS NULL"

Traders = list[tuple[Rules, list[int]]]


@transaction.atomic  # one commit instead of ten thousand
def build(*, listings: int = LISTINGS, investors: int = INVESTORS) -> tuple[list[int], list[Rules]]:
    """Investors' ids and the listings' rules, funded once an engine has run."""
    cash, tokens = list_tokens(listings)
    ids = [_admit(number, tokens) for number in range(investors)]
    for token in tokens:
        _fund(ids, token, TOKEN_UNITS)
    _fund(ids, cash, CASH_UNITS)
    return ids, _rules()


def list_tokens(count: int) -> tuple[Asset, list[Asset]]:
    """The cash, and the tokens that are listed against it."""
    cash = Asset.objects.create(code="USDC", name="USD Coin", kind="stablecoin", decimals=6)
    return cash, [_list(number, cash) for number in range(count)]


def _list(number: int, cash: Asset) -> Asset:
    ticker = f"B{number:03d}"
    instrument = Instrument.objects.create(
        ticker=ticker,
        name=f"Benchmark {number}",
        kind="stock",
        exchange="XNAS",
        isin=f"US{number:09d}0",
        isin_source="invented for a benchmark",
        price_feed_id=f"{number:064x}",
        price_source="simulated",
    )
    Asset.objects.create(code=ticker, name=ticker, kind="share", decimals=9, instrument=instrument)
    token = Asset.objects.create(
        code=f"{ticker}x", name=ticker, kind="token", decimals=8, instrument=instrument
    )
    operations.create_listing(
        asset_id=token.pk, quote_id=cash.pk, now=clock.now(), tick_units=TICK, lot_units=LOT
    )
    return token


def _admit(number: int, tokens: list[Asset]) -> int:
    now = clock.now()
    investor = Investor.objects.create(display_name=f"Investor {number}", created_at=now)
    EligibilitySnapshot.objects.create(
        investor=investor,
        version=1,
        may_buy=True,
        may_sell=True,
        country="DE",
        accepted={token.code: 1 for token in tokens},
        created_at=now,
    )
    return investor.pk


def _fund(investors: list[int], asset: Asset, units: int) -> None:
    """Units from outside into each investor's main balance, and from there to the engine."""
    now = clock.now()
    chain = ledger.get_account_id(None, asset.pk, Purpose.CHAIN)
    backing: list[Line] = []
    if asset.kind == "token":
        share = Asset.objects.get(instrument_id=asset.instrument_id, kind="share")
        custodian = ledger.get_account_id(None, share.pk, Purpose.CUSTODIAN_SETTLED)
        backed = ledger.get_account_id(None, share.pk, Purpose.SHARES_BACKING)
        backing = [Line(custodian, -10 * units), Line(backed, 10 * units)]
    entries = []
    for investor in investors:
        main = ledger.get_account_id(investor, asset.pk, Purpose.MAIN)
        lines = [Line(chain, -units), Line(main, units), *backing]
        entries.append(Entry("deposit", f"bench:{asset.code}:{investor}", "", lines))
    ledger.post(entries, now)
    for investor in investors:
        pool_transfers.request_in(
            investor_id=investor,
            asset_id=asset.pk,
            pool=operations.FIRST_POOL,
            units=units,
            purpose="deposit",
            key=f"bench:{asset.code}:{investor}",
            now=now,
        )


def _rules() -> list[Rules]:
    connection.ensure_connection()
    return load_rules(connection.connection, operations.FIRST_POOL, None)


def wait_for_funds() -> None:
    """Until an engine has taken all funds in."""
    deadline = time.monotonic() + 120
    while PoolTransfer.objects.filter(state="requested").exists():
        assert time.monotonic() < deadline, "the engine does not take the funds in"
        time.sleep(0.1)
    assert not PoolTransfer.objects.exclude(state="done").exists()


def build_crowd() -> Traders:
    """The listings' rules, each with the investors who trade it; nobody trades two."""
    with transaction.atomic():
        list_tokens(LISTINGS)
        _admit_crowd()
        _fund_crowd()
    _write_past()
    connection.ensure_connection()
    rules = {
        each.id: each for each in load_rules(connection.connection, operations.FIRST_POOL, None)
    }
    with connection.cursor() as cursor:
        cursor.execute(TRADERS)
        return [(rules[listing_id], ids) for listing_id, ids in cursor.fetchall()]


def _admit_crowd() -> None:
    with connection.cursor() as cursor:
        cursor.execute(INVESTOR_ROWS, [clock.now(), CROWD])
        cursor.execute(SNAPSHOTS, [clock.now()])
        cursor.execute(ACCOUNTS, [operations.FIRST_POOL])


def _fund_crowd() -> None:
    """Cash and tokens from outside into every trading account, and shares behind the tokens."""
    now, block = clock.now(), ledger_core.IdBlock()
    assets = Asset.objects.filter(kind__in=["token", "stablecoin"])
    chain = {asset.pk: ledger.get_account_id(None, asset.pk, Purpose.CHAIN) for asset in assets}
    with connection.cursor() as cursor:
        ledger_core.claim_pool(cursor, operations.FIRST_POOL)
        cursor.execute(TO_FUND, [operations.FIRST_POOL])
        rows = cursor.fetchall()
        assert len(rows) == 2 * CROWD
        backing = [_backing(token) for token in assets if token.kind == "token"]
        ledger_core.write_entries(cursor, backing, now, block)
        entries = [_given(pair, chain) for pair in zip(rows[::2], rows[1::2], strict=True)]
        for at in range(0, CROWD, ENTRIES_AT_ONCE):
            ledger_core.write_entries(cursor, entries[at : at + ENTRIES_AT_ONCE], now, block)


def _backing(token: Asset) -> Entry:
    share = Asset.objects.get(instrument_id=token.instrument_id, kind="share")
    custodian = ledger.get_account_id(None, share.pk, Purpose.CUSTODIAN_SETTLED)
    backed = ledger.get_account_id(None, share.pk, Purpose.SHARES_BACKING)
    units = 10 * TOKEN_UNITS * CROWD // LISTINGS  # a share has one decimal more
    lines = [Line(custodian, -units), Line(backed, units)]
    return Entry("shares delivered", f"bench:{share.code}", "", lines)


def _given(accounts: tuple[tuple[Any, ...], ...], chain: dict[int, int]) -> Entry:
    """What one investor trades with."""
    lines = []
    for _, account_id, asset_id, kind in accounts:
        units = TOKEN_UNITS if kind == "token" else CASH_UNITS
        lines += [Line(chain[asset_id], -units), Line(account_id, units)]
    return Entry("deposit", f"bench:{accounts[0][0]}", "", lines)


def _write_past() -> None:
    """Trade by trade what the pool's batches up to now have left."""
    connection.ensure_connection()
    house = load_house_accounts(connection.connection, operations.FIRST_POOL)
    (fees,) = (house.fees[asset.pk] for asset in Asset.objects.filter(kind="stablecoin"))
    until = clock.now() - timedelta(hours=1)
    # The application may make no temporary table. The owner is as bound by CHECKs and triggers.
    with connections["owner"].cursor() as cursor:
        ids = ledger_core.IdBlock().take(cursor, TRADES)
        assert ids[-1] - ids[0] == TRADES - 1, "somebody else draws ids"
        cursor.execute("ANALYZE")
        cursor.execute(TRADER)
        cursor.execute("ANALYZE trader")
        cursor.execute("SET enable_nestloop = off")  # nothing is known of what is made up
        cursor.execute(PAST_ID)
        sizes = {"batches": BATCHES, "a_batch": TRADES_A_BATCH}
        cursor.execute(PAST, {**sizes, "first_entry": ids[0], "until": until})
        cursor.execute("CREATE INDEX ON past (batch_no)")
        cursor.execute("ANALYZE past")
        cursor.execute("RESET enable_nestloop")
        for first in range(1, BATCHES + 1, BATCHES_AT_ONCE):
            batches = {"first": first, "last": first + BATCHES_AT_ONCE - 1, "fees": fees}
            with transaction.atomic("owner"):
                ledger_core.claim_pool(cursor, operations.FIRST_POOL)
                for statement in (ORDERS, TRADE_ROWS, ENTRIES, POSTINGS, EVENTS):
                    cursor.execute(statement, batches)
        cursor.execute("DROP TABLE past, trader")
        cursor.execute(INBOX_IS_READ, [BATCHES])
    connections["owner"].close()
    Pool.objects.filter(id=operations.FIRST_POOL).update(batch_no=BATCHES, processed_until=until)
