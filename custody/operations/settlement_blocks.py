"""Block orders: what the custodian is asked to buy or sell, netted, each once.

Orders of one share and side that wait become one block; the sweep sends it
under its own id, asks what became of it, books the fill, divides it among its
orders, and books the settlement. A block is never sent under another id: one
whose answer got lost may be there. One that the custodian said no to is over;
if it carried several orders, each is sent again alone, so that what is wrong
with one does not stop the others.

Buying and selling are not crossed here: docs/decisions/0009 says why. The
journal's keys are the block's, so no state touches the ledger twice.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from accounts.models import User
from custody import ledger
from custody.gateways.custodian import (
    PARTY,
    AlpacaCustodian,
    CustodianRefused,
    Order,
    Settlement,
)
from custody.ledger import Entry
from custody.models import BlockOrder, CustodianOrder
from custody.operations import settlement_entries
from custody.operations.settlement_parts import divide
from custody.operations.sweeping import in_order, sweep_rows
from custody.states import (
    BLOCK_ORDER_MOVES,
    CUSTODIAN_ORDER_MOVES,
    BlockOrderState,
    CustodianOrderState,
    advance,
)
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Forbidden, NotFound, Refusal

AT_THE_CUSTODIAN = [BlockOrderState.NEW, BlockOrderState.SUBMITTED]
# The next sweep asks again; then the wait doubles, up to five minutes.
FIRST_WAIT_SECONDS = 2
WAIT_SECONDS_MAX = 300
# Sent that often without an answer (more than an hour), a person has to look.
ATTEMPTS_MAX = 24
OFFICER_PERMISSION = "custody.add_mintrequest"


class NotStuck(Refusal):
    """This goes on by itself: there is nothing to try again."""

    code = "not_stuck"
    http_status = 409


def sweep_orders(*, custodian: AlpacaCustodian, now: datetime) -> int:
    """Net, send, ask, book, divide, settle; how many moved.

    One block that fails does not stop the others.
    :raises GatewayUnavailable: the custodian does not answer; nothing is lost.
    """
    moved = _net(now)
    blocks = BlockOrder.objects.select_related("asset__instrument")
    is_due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    asked = blocks.filter(is_due, state__in=AT_THE_CUSTODIAN)
    filled = Q(state=BlockOrderState.FILLED)
    settling = Q(state=BlockOrderState.ALLOCATED, settles_at__lte=now)
    booked = blocks.filter(filled | settling)
    try:
        moved += sweep_rows(
            in_order(asked, "formed_at"), lambda row: _ask_patiently(row, custodian, now)
        )
    finally:
        # After that, so that what was heard just now is divided in the same sweep; and
        # also when nothing was heard: the books do not wait for a silent custodian.
        moved += sweep_rows(in_order(booked, "formed_at"), lambda row: _book(row, now))
    return moved


def retry_block(*, block_id: UUID, officer: User) -> None:
    """Let a stuck block be sent again, under the same id.

    :raises Forbidden: not a custody officer.
    :raises NotFound, NotStuck: as they say.
    """
    if not officer.has_perm(OFFICER_PERMISSION):
        raise Forbidden("Only custody officers let a block go on.")
    row = BlockOrder.objects.filter(id=block_id).first()
    if row is None:
        raise NotFound
    if row.state != BlockOrderState.STUCK:
        raise NotStuck
    _move(row, BlockOrderState.NEW, attempts=0, next_attempt_at=None, problem="")


# --- netting --------------------------------------------------------------------


@transaction.atomic
def _net(now: datetime) -> int:
    """Put every waiting order into a block; what another worker nets is left to it."""
    waiting = CustodianOrder.objects.filter(state=CustodianOrderState.NEW, block=None)
    rows = waiting.select_for_update(skip_locked=True, of=("self",)).order_by("requested_at", "id")
    groups: dict[tuple[object, ...], list[CustodianOrder]] = defaultdict(list)
    for order in rows:
        alone = order.id if order.goes_alone else None
        groups[(order.asset_id, order.side, alone)].append(order)
    for orders in groups.values():
        first = orders[0]
        block = BlockOrder.objects.create(
            asset_id=first.asset_id,
            side=first.side,
            units=sum(order.units for order in orders),
            formed_at=now,
        )
        CustodianOrder.objects.filter(id__in=[order.id for order in orders]).update(block=block)
    return len(groups)


# --- at the custodian -----------------------------------------------------------


def _ask_patiently(row: BlockOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    """A step at the custodian; a failure is counted, and the next waits longer."""
    try:
        moved = _submit(row, custodian, now) if _is_new(row) else _ask(row, custodian, now)
    except (GatewayUnavailable, CustodianRefused):
        _count_failure(row, now)
        raise
    if row.attempts:
        BlockOrder.objects.filter(id=row.id).update(attempts=0, next_attempt_at=None)
    return moved


def _is_new(row: BlockOrder) -> bool:
    return row.state == BlockOrderState.NEW


def _count_failure(row: BlockOrder, now: datetime) -> None:
    attempts = row.attempts + 1
    wait = min(FIRST_WAIT_SECONDS * 2 ** min(row.attempts, 10), WAIT_SECONDS_MAX)
    BlockOrder.objects.filter(id=row.id, attempts=row.attempts).update(
        attempts=attempts, next_attempt_at=now + timedelta(seconds=wait)
    )
    # One that is there is asked about for ever: its fill must not be missed.
    if attempts >= ATTEMPTS_MAX and _is_new(row):
        _move(row, BlockOrderState.STUCK)


def _submit(row: BlockOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    """Send it, one worker at a time: two would take each other's answer for the custodian's."""
    with _sending_alone(row) as is_alone:
        return is_alone and _send(row, custodian, now)


@contextmanager
def _sending_alone(row: BlockOrder) -> Iterator[bool]:
    """Whether no other session sends this block now. A dead worker's lock goes with it."""
    key = [f"send block:{row.id}"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", key)
        (is_alone,) = cursor.fetchone()
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", key)


def _send(row: BlockOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    assert row.asset.instrument is not None
    try:
        placed = custodian.place(
            client_order_id=row.id,
            symbol=row.asset.instrument.ticker,
            side=row.side,
            units=row.units,
        )
    except CustodianRefused as refusal:
        # Its answer may have been lost before, and what it ties up is why a second one is
        # refused: only what the custodian does not know either is over.
        known = custodian.find(client_order_id=row.id)
        if known is None:
            return _refuse(row, refusal.message, is_about_the_whole=True)
        placed = known
    return _submitted(row, placed.custodian_id, now)


@transaction.atomic
def _submitted(row: BlockOrder, custodian_order_id: str, now: datetime) -> bool:
    known = {"submitted_at": now, "custodian_order_id": custodian_order_id}
    moved = _move(row, BlockOrderState.SUBMITTED, **known)
    if moved:
        for order in _orders_of(row):
            _move_order(order, CustodianOrderState.SUBMITTED, **known)
    return moved


def _ask(row: BlockOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    order = custodian.find(client_order_id=row.id)
    if order is None:
        raise GatewayUnavailable(PARTY, f"does not know {row.id}, which it took")
    if order.filled_units > row.units:
        raise CustodianRefused(f"The custodian filled {order.filled_units} of {row.units}.")
    if order.has_ended_unfilled and order.filled_units == 0:
        return _refuse(row, order.reason, is_about_the_whole=order.status == "rejected")
    if order.is_filled or order.has_ended_unfilled:
        traded_at = order.filled_at or order.ended_at
        if traded_at is None:
            raise GatewayUnavailable(PARTY, f"does not say when it filled {row.id}")
        return _fill(row, order, traded_at, custodian.settlement_of(traded_at), now)
    return False


@transaction.atomic
def _refuse(row: BlockOrder, reason: str, *, is_about_the_whole: bool) -> bool:
    """Nothing was traded and nothing will be under this id.

    `is_about_the_whole`: the broker did not want the order, so a smaller one may pass;
    a day that ended (expired, canceled) ended for each of them.
    """
    if not _move(row, BlockOrderState.REJECTED, reason=reason):
        return False
    orders = _orders_of(row)
    if is_about_the_whole and len(orders) > 1:
        again = {"block": None, "goes_alone": True}
        for order in orders:
            if order.state == CustodianOrderState.NEW:
                CustodianOrder.objects.filter(id=order.id, state=order.state).update(**again)
            else:
                _move_order(order, CustodianOrderState.NEW, submitted_at=None, **again)
    else:
        for order in orders:
            _move_order(order, CustodianOrderState.REJECTED, reason=reason)
    return True


@transaction.atomic
def _fill(
    row: BlockOrder, order: Order, traded_at: datetime, settlement: Settlement, now: datetime
) -> bool:
    cash = order.cash_micros(row.side)
    moved = _move(
        row,
        BlockOrderState.FILLED,
        filled_units=order.filled_units,
        reason="" if order.filled_units == row.units else f"filled in part, then {order.reason}",
        filled_at=traded_at,
        cash_micros=cash,
        owed_micros=cash,
        price_micros=order.price_micros,
        settlement_date=settlement.on,
        settles_at=settlement.at,
    )
    if moved:
        row.refresh_from_db()
        _post(settlement_entries.filled(row), now)
    return moved


# --- in the books ---------------------------------------------------------------


def _book(row: BlockOrder, now: datetime) -> bool:
    return _allocate(row, now) if row.state == BlockOrderState.FILLED else _settle(row, now)


@transaction.atomic
def _allocate(row: BlockOrder, now: datetime) -> bool:
    """Divide the fill among the orders, whole units pro rata, shares and cash exact."""
    assert row.filled_units is not None
    assert row.cash_micros is not None
    if not _move(row, BlockOrderState.ALLOCATED, allocated_at=now):
        return False
    orders = _orders_of(row)
    units = divide(row.filled_units, {order.id: order.units for order in orders})
    cash = divide(row.cash_micros, units)
    for order in orders:
        # One that was sent alone before there were blocks has its fill already.
        if order.state == CustodianOrderState.SUBMITTED:
            _give(order, row, units[order.id], cash[order.id])
    _post(settlement_entries.allocated(row), now)
    return True


def _give(order: CustodianOrder, row: BlockOrder, units: int, cash: int) -> None:
    if units == 0:
        _move_order(order, CustodianOrderState.REJECTED, reason=row.reason)
        return
    _move_order(
        order,
        CustodianOrderState.FILLED,
        filled_units=units,
        reason="" if units == order.units else row.reason,
        filled_at=row.filled_at,
        cash_micros=cash,
        price_micros=row.price_micros,
        settlement_date=row.settlement_date,
        settles_at=row.settles_at,
    )


@transaction.atomic
def _settle(row: BlockOrder, now: datetime) -> bool:
    if not _move(row, BlockOrderState.SETTLED, settled_at=now):
        return False
    for order in _orders_of(row):
        if order.state == CustodianOrderState.FILLED:
            _move_order(order, CustodianOrderState.SETTLED, settled_at=now)
    _post(settlement_entries.settled(row), now)
    return True


def _post(entries: list[Entry], now: datetime) -> None:
    if entries:
        ledger.post(entries, now)


def _orders_of(row: BlockOrder) -> list[CustodianOrder]:
    return list(row.orders.select_for_update().order_by("id"))


def _move_order(order: CustodianOrder, target: CustodianOrderState, **changes: object) -> None:
    """In the transaction that moved the block, so nobody else can be moving it."""
    state = advance(CUSTODIAN_ORDER_MOVES, CustodianOrderState(order.state), target)
    moved = CustodianOrder.objects.filter(id=order.id, state=order.state)
    assert moved.update(state=state, **changes) == 1


def _move(row: BlockOrder, target: BlockOrderState, **changes: object) -> bool:
    state = advance(BLOCK_ORDER_MOVES, BlockOrderState(row.state), target)
    moved = BlockOrder.objects.filter(id=row.id, state=row.state)
    return bool(moved.update(state=state, **changes))
