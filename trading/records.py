"""Writing a batch down: set-based, a handful of statements in one pipeline.

Parameters are PostgreSQL array literals built here, several times faster than
adapting lists. Nothing is decided here; a database error appears when the
pipeline is synchronised and the caller rolls back both database and memory.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from custody.engine_entries import engine_entry
from custody.entry_kinds import EntryKind
from custody.ledger_core import (
    Entry,
    IdBlock,
    array,
    id_array,
    int_array,
    optional_int_array,
    text_array,
    write_entries,
)
from trading.engine.book import BookOrder
from trading.engine.effects import Effects, TradeRecord
from trading.engine.market import Funds
from trading.terms_records import write_terms

Cursor = psycopg.Cursor[Any]
TRADE = EntryKind.TRADE.value  # a plain str is formatted faster, thousands of times a second


class Statements:
    """A batch's statements, queued until its transaction may write them."""

    def __init__(self) -> None:
        self.queued: list[tuple[Any, Any]] = []

    def execute(self, query: Any, params: Any = None, /) -> None:
        self.queued.append((query, params))

    def fetchall(self) -> list[tuple[Any, ...]]:
        raise AssertionError("nothing can be read here: the ids were reserved before")


OPEN_ACCOUNTS = """
    INSERT INTO custody_ledgeraccount (owner_id, asset_id, purpose, pool)
    SELECT owner, asset, 'trading', %s
      FROM unnest(%s::bigint[], %s::bigint[]) AS want (owner, asset)
        ON CONFLICT DO NOTHING
"""
FIND_ACCOUNTS = """
    SELECT account.owner_id, account.asset_id, account.id
      FROM unnest(%s::bigint[], %s::bigint[]) AS want (owner, asset)
      JOIN custody_ledgeraccount AS account
        ON coalesce(account.owner_id, 0) = want.owner AND account.asset_id = want.asset
       AND account.purpose = 'trading' AND account.pool = %s
"""
INSERT_ORDERS = """
    INSERT INTO trading_order
           (batch_no, accepted_at, updated_at, id, listing_id, investor_id, owner_group,
            snapshot_id, side, type, time_in_force, post_only, price_units,
            protection_price_units, quantity_units, cash_units, filled_units, filled_cash_units,
            fee_units, fee_millionths, maker_fee_e6, held_units, status, reason,
            client_order_id, body_hash, user_ref, source, priority)
    SELECT %s, %s, %s, id, listing_id, investor_id, owner_group,
           snapshot_id, side, type, time_in_force, post_only, price_units,
           protection_price_units, quantity_units, cash_units, filled_units, filled_cash_units,
           fee_units, fee_millionths, maker_fee_e6, held_units, status, reason,
           client_order_id, decode(body_hash, 'hex'), user_ref, source, priority
      FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::uuid[], %s::bigint[], %s::text[],
                  %s::text[], %s::text[], %s::bool[], %s::bigint[], %s::bigint[], %s::bigint[],
                  %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[],
                  %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[],
                  %s::text[], %s::bigint[])
           AS new (id, listing_id, investor_id, owner_group, snapshot_id, side, type,
                   time_in_force, post_only, price_units, protection_price_units, quantity_units,
                   cash_units, filled_units, filled_cash_units, fee_units, fee_millionths,
                   maker_fee_e6, held_units, status, reason, client_order_id, body_hash, user_ref,
                   source, priority)
"""
UPDATE_ORDERS = """
    UPDATE trading_order AS stored
       SET filled_units = change.filled, filled_cash_units = change.filled_cash,
           fee_units = change.fee, fee_millionths = change.millionths,
           held_units = change.held, status = change.status, reason = change.reason,
           batch_no = %s, updated_at = %s
      FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                  %s::bigint[], %s::text[], %s::text[])
           AS change (id, filled, filled_cash, fee, millionths, held, status, reason)
     WHERE stored.id = change.id
"""
INSERT_TRADES = """
    INSERT INTO trading_trade
           (batch_no, traded_at, id, listing_id, trade_no, price_units, quantity_units, cash_units,
            maker_order_id, taker_order_id, buyer_id, seller_id, taker_side, maker_fee_units,
            taker_fee_units)
    SELECT %s, %s, * FROM unnest(
        %s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
        %s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
"""
INSERT_EVENTS = """
    INSERT INTO trading_bookevent
           (batch_no, created_at, listing_id, first_event_seq, event_seq, book_seq, trade_no,
            events, levels)
    SELECT %s, %s, * FROM unnest(
        %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[],
        %s::text[])
"""
ANSWER_TRANSFERS = """
    UPDATE custody_pooltransfer AS asked
       SET state = answer.state, reason = answer.reason, done_batch = %s
      FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS answer (id, state, reason)
     WHERE asked.id = answer.id
"""

_encode_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class HouseAccounts:
    """Ledger accounts of the house in this pool, by asset."""

    def __init__(self, fees: dict[int, int], transit: dict[int, int]) -> None:
        self.fees = fees
        self.transit = transit


def open_accounts(cursor: Cursor, pool_id: int, opened: list[Funds]) -> None:
    """Give new balances their ledger account; costs a round trip, so only when needed."""
    missing = [funds for funds in opened if not funds.account_id]
    if not missing:
        return
    owners = int_array([funds.investor_id for funds in missing])
    assets = int_array([funds.asset_id for funds in missing])
    cursor.execute(OPEN_ACCOUNTS, [pool_id, owners, assets])
    cursor.execute(FIND_ACCOUNTS, [owners, assets, pool_id])
    found = {(owner, asset): account_id for owner, asset, account_id in cursor.fetchall()}
    for funds in missing:
        funds.account_id = found[funds.investor_id, funds.asset_id]


def write_batch(
    cursor: Statements, effects: Effects, house: HouseAccounts, block: IdBlock, *, pool_id: int
) -> None:
    """Queue all statements of a batch. `block` holds ids enough for its entries."""
    now = datetime.fromtimestamp(effects.now, UTC)
    if effects.new:
        cursor.execute(INSERT_ORDERS, [effects.batch_no, now, now, *_new_orders(effects)])
    # Before the fills: an order may be filled beyond the quantity that it had until this batch.
    write_terms(cursor, effects, pool_id)
    if effects.changed:
        cursor.execute(UPDATE_ORDERS, [effects.batch_no, now, *_changed(effects.changed.values())])
    if effects.trades:
        cursor.execute(INSERT_TRADES, [effects.batch_no, now, *_trades(effects.trades)])
    _write_ledger(cursor, effects, house, block, now)
    if effects.transfers:
        cursor.execute(ANSWER_TRANSFERS, [effects.batch_no, *_answers(effects)])
    if effects.events:
        cursor.execute(INSERT_EVENTS, [effects.batch_no, now, *_events(effects)])


def _write_ledger(
    cursor: Statements, effects: Effects, house: HouseAccounts, block: IdBlock, now: datetime
) -> None:
    holds = {
        funds.account_id: funds.held - held
        for funds, (_, held) in effects.funds_before.items()
        if funds.held != held
    }
    write_entries(cursor, entries(effects, house), now, block, holds)


def entries_max(effects: Effects) -> int:
    """How many journal entries the batch has at most."""
    return len(effects.trades) + len(effects.transfers)


def entries(effects: Effects, house: HouseAccounts) -> list[Entry]:
    """The journal entries of a batch: transfers first, for trades may spend them."""
    moved = [
        engine_entry(
            transfer_id=transfer.id,
            direction="in" if transfer.is_in else "out",
            units=transfer.units,
            trading_id=transfer.funds.account_id,
            transit_id=house.transit[transfer.funds.asset_id],
        )
        for transfer in effects.transfers
        if not transfer.refused
    ]
    accounts = {(f.investor_id, f.asset_id): f.account_id for f in effects.funds_before}
    return moved + [_trade_entry(record, accounts, house) for record in effects.trades]


def _trade_entry(
    record: TradeRecord, accounts: dict[tuple[int, int], int], house: HouseAccounts
) -> Entry:
    """Tokens against cash, and both fees to the house. See docs/ledger.md."""
    rules, execution = record.market.rules, record.execution
    base, quote = rules.base_id, rules.quote_id
    cash, quantity = execution.cash, execution.quantity
    buyer, seller = record.buyer.investor_id, record.seller.investor_id
    buyer_fee, seller_fee = record.buyer_fee, record.seller_fee
    lines: list[tuple[int, int]] = [
        (accounts[buyer, quote], -(cash + buyer_fee)),
        (accounts[buyer, base], quantity),
        (accounts[seller, base], -quantity),
    ]
    # A line of nothing does not exist: a fee may eat all of a tiny sale, or be nothing itself.
    if cash > seller_fee:
        lines.append((accounts[seller, quote], cash - seller_fee))
    if buyer_fee + seller_fee:
        lines.append((house.fees[quote], buyer_fee + seller_fee))
    text = record.text
    return Entry(TRADE, f"trade:{text}", text, lines)


def _new_orders(effects: Effects) -> list[str]:
    orders = list(effects.new.values())
    return [
        id_array([o.id for o in orders]),
        int_array([o.listing_id for o in orders]),
        int_array([o.investor_id for o in orders]),
        id_array([o.owner_group for o in orders]),
        optional_int_array([o.snapshot_id for o in orders]),
        array(["buy" if o.is_buy else "sell" for o in orders]),
        array([o.type for o in orders]),
        array([o.time_in_force for o in orders]),
        array(["t" if o.post_only else "f" for o in orders]),
        optional_int_array([o.price for o in orders]),
        optional_int_array([o.protection_price for o in orders]),
        optional_int_array([o.quantity for o in orders]),
        optional_int_array([o.cash for o in orders]),
        int_array([o.filled for o in orders]),
        int_array([o.filled_cash for o in orders]),
        int_array([o.fee for o in orders]),
        int_array([o.fee_millionths for o in orders]),
        int_array([o.maker_fee_e6 for o in orders]),
        int_array([o.held for o in orders]),
        array([o.status for o in orders]),
        array([o.reason or '""' for o in orders]),
        _texts([o.client_order_id for o in orders]),
        array(["NULL" if o.body_hash is None else o.body_hash.hex() for o in orders]),
        optional_int_array([o.user_ref for o in orders]),
        array([o.source for o in orders]),
        int_array([o.priority for o in orders]),
    ]


def _changed(changed: Iterable[BookOrder]) -> list[str]:
    orders = list(changed)
    return [
        id_array([o.id for o in orders]),
        int_array([o.filled for o in orders]),
        int_array([o.filled_cash for o in orders]),
        int_array([o.fee for o in orders]),
        int_array([o.fee_millionths for o in orders]),
        int_array([o.held for o in orders]),
        array([o.status for o in orders]),
        array([o.reason or '""' for o in orders]),
    ]


def _trades(trades: list[TradeRecord]) -> list[str]:
    executions = [t.execution for t in trades]
    return [
        array([t.text for t in trades]),
        int_array([t.market.rules.id for t in trades]),
        int_array([t.trade_no for t in trades]),
        int_array([e.price for e in executions]),
        int_array([e.quantity for e in executions]),
        int_array([e.cash for e in executions]),
        id_array([e.maker.id for e in executions]),
        id_array([e.taker.id for e in executions]),
        int_array([t.buyer.investor_id for t in trades]),
        int_array([t.seller.investor_id for t in trades]),
        array(["buy" if e.taker.is_buy else "sell" for e in executions]),
        int_array([e.maker_fee for e in executions]),
        int_array([e.taker_fee for e in executions]),
    ]


def _events(effects: Effects) -> list[str]:
    ids = list(effects.events)
    markets = [effects.markets_before[listing_id][0] for listing_id in ids]
    return [
        int_array(ids),
        int_array([effects.markets_before[listing_id][1] + 1 for listing_id in ids]),
        int_array([market.event_seq for market in markets]),
        int_array([market.book_seq for market in markets]),
        int_array([market.trade_no for market in markets]),
        text_array([_encode_json(effects.events[listing_id]).decode() for listing_id in ids]),
        text_array([_levels_text(effects.public_levels.get(id, ())) for id in ids]),
    ]


def _levels_text(levels: Iterable[tuple[bool, int, int, int]]) -> str:
    """JSON without quotes, so that it needs no escaping in an array."""
    rows = [f"[{1 if is_bids else 0},{price},{units},{n}]" for is_bids, price, units, n in levels]
    return f"[{','.join(rows)}]"


def _answers(effects: Effects) -> list[str]:
    transfers = effects.transfers
    return [
        id_array([t.id for t in transfers]),
        array(["refused" if t.refused else "done" for t in transfers]),
        array([t.refused or '""' for t in transfers]),
    ]


def _texts(values: Sequence[str | None]) -> str:
    return array(["NULL" if value is None else text_array([value])[1:-1] for value in values])
