"""The fence that opens a batch's transaction, and what is read behind it.

One round trip: BEGIN, the fence, the inbox, and what clients' own ids stand for.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from trading.batches import KnownIds
from trading.commands import OrderView, TermsView
from trading.inbox import InboxRow
from trading.records import Statements

INBOX_MAX = 500  # items taken in one batch; the next batch takes on

FENCE = """
    UPDATE trading_pool
       SET batch_no = batch_no + 1, processed_until = to_timestamp(%s),
           heartbeat_at = clock_timestamp()
     WHERE id = %s AND epoch = %s
    RETURNING batch_no
"""
# Passed only by the very next batch and with an empty inbox; else a division by zero ends the
# transaction, and with it all that was sent behind it in the same round trip.
FENCE_UNREAD = """
    WITH fence AS (
        UPDATE trading_pool
           SET batch_no = batch_no + 1, processed_until = to_timestamp(%s),
               heartbeat_at = clock_timestamp()
         WHERE id = %s AND epoch = %s AND batch_no = %s
           AND NOT EXISTS (SELECT FROM trading_inboxitem AS item
                            WHERE item.pool_id = trading_pool.id AND consumed_batch IS NULL)
        RETURNING batch_no)
    SELECT 1 / count(*) FROM fence
"""
READ_INBOX = """
    SELECT id, kind, payload FROM trading_inboxitem
     WHERE pool_id = %s AND consumed_batch IS NULL ORDER BY id LIMIT %s
"""
CONSUME_INBOX = "UPDATE trading_inboxitem SET consumed_batch = %s WHERE id = ANY (%s)"
INBOX_WAITS = """
    SELECT EXISTS (
        SELECT FROM trading_inboxitem WHERE pool_id = %s AND consumed_batch IS NULL)
"""
VIEW_COLUMNS = (
    "orders.id, symbol, side, type, time_in_force, post_only, price_units, "
    "protection_price_units, quantity_units, cash_units, filled_units, filled_cash_units, "
    "fee_units, held_units, status, reason, user_ref, source, batch_no, accepted_at, updated_at, "
    "priority"
)
TERMS_COLUMNS = ", ".join(f"terms.{name}" for name in TermsView.__struct_fields__)
# Column names of this module alone, nobody's input.
CLIENT_IDS = f"""
    SELECT orders.investor_id, orders.client_order_id, body_hash, {VIEW_COLUMNS},
           terms.order_id IS NOT NULL, {TERMS_COLUMNS}
      FROM unnest(%s::bigint[], %s::text[]) AS want (investor, client_id)
      JOIN trading_order AS orders
        ON investor_id = want.investor AND client_order_id = want.client_id
      JOIN trading_listing AS listing ON listing.id = listing_id
      LEFT JOIN trading_orderterms AS terms ON terms.order_id = orders.id
     WHERE status <> 'refused'
       AND (status IN ('open', 'untriggered') OR updated_at > to_timestamp(%s) - '24h'::interval)
"""  # noqa: S608


class NotOwner(Exception):
    """Another engine owns the pool."""


class Passed(NamedTuple):
    """A batch that may go on: its number, the inbox, and what clients' ids stand for."""

    batch_no: int
    inbox: list[InboxRow]
    known: KnownIds


def enter(
    connection: psycopg.Connection[Any],
    pool_id: int,
    epoch: int,
    now: float,
    client_ids: Sequence[tuple[int, str]],
) -> Passed:
    """Begin a batch that judges deadlines as of `now` (seconds of the kernel's time).

    :raises NotOwner: the epoch is no longer the pool's.
    """
    with connection.pipeline():
        connection.execute("BEGIN")
        fence = connection.execute(FENCE, [now, pool_id, epoch])
        inbox = connection.execute(READ_INBOX, [pool_id, INBOX_MAX])
        known = _read_known(connection, client_ids, now) if client_ids else {}
        row = fence.fetchone()
        if row is None:
            raise NotOwner("the fence is closed")
        return Passed(row[0], inbox.fetchall(), known)


def enter_unread(
    statements: Statements, pool_id: int, epoch: int, now: float, batch_no: int
) -> None:
    """Begin batch `batch_no` in one round trip with all that it writes.

    What is behind the fence is committed only if this engine owns the pool, the batch is the
    next one and there are no news; otherwise all of it fails as a data error.
    """
    statements.execute("BEGIN")
    statements.execute(FENCE_UNREAD, [now, pool_id, epoch, batch_no - 1])


def inbox_waits(connection: psycopg.Connection[Any], pool_id: int) -> bool:
    """Whether the inbox holds something that no batch has taken."""
    row = connection.execute(INBOX_WAITS, [pool_id]).fetchone()
    return row is not None and bool(row[0])


def consume_inbox(statements: Statements, batch_no: int, inbox: Sequence[InboxRow]) -> None:
    """Note at which batch the items took effect."""
    statements.execute(CONSUME_INBOX, [batch_no, [item[0] for item in inbox]])


def _read_known(
    connection: psycopg.Connection[Any], client_ids: Sequence[tuple[int, str]], now: float
) -> KnownIds:
    investors, ids = zip(*client_ids, strict=True)
    rows = connection.execute(CLIENT_IDS, [list(investors), list(ids), now]).fetchall()
    return {(row[0], row[1]): (row[2], _known_view(row)) for row in rows}


def _known_view(row: tuple[Any, ...]) -> OrderView:
    names = [name.split(".")[-1] for name in VIEW_COLUMNS.replace("symbol", "listing").split(", ")]
    own, (has_terms, *values) = row[3 : 3 + len(names)], row[3 + len(names) :]
    terms = dict(zip(TermsView.__struct_fields__, values, strict=True))
    return OrderView(
        investor_id=row[0],
        client_order_id=row[1],
        terms=TermsView(**terms) if has_terms else None,
        **dict(zip(names, own, strict=True)),
    )
