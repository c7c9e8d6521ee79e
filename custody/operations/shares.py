"""Shares at the custodian: buying, selling, settling, each booked once.

An order is a row first; the sweep sends it under its own id, asks what became
of it, and books fill and settlement. An order that ended before it was whole is
filled with what there was of it (`filled_units`); who asked for it decides what
follows. Two states never touch the ledger twice: the journal's keys are the
order's.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from custody import ledger
from custody.gateways.custodian import (
    PARTY,
    AlpacaCustodian,
    CustodianRefused,
    Order,
    Settlement,
)
from custody.ledger import Entry, Line
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, CustodianOrder
from custody.operations.sweeping import in_order, sweep_rows
from custody.states import CUSTODIAN_ORDER_MOVES, CustodianOrderState, advance
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

ASKED_ABOUT = [CustodianOrderState.NEW, CustodianOrderState.SUBMITTED]


class NoShareAsset(Refusal):
    """This token has no share asset: nothing could back it."""

    code = "no_share_asset"


def get_share_asset(token: Asset) -> Asset:
    """The share that a token stands for. :raises NoShareAsset: there is none."""
    if token.kind != AssetKind.TOKEN or token.instrument_id is None:
        raise NoShareAsset
    found = Asset.objects.filter(instrument_id=token.instrument_id, kind=AssetKind.SHARE).first()
    if found is None:
        raise NoShareAsset
    return found


def order_shares(*, asset_id: int, side: str, units: int, now: datetime) -> CustodianOrder:
    """Write down an order; the sweep sends it. Joins the caller's transaction."""
    return CustodianOrder.objects.create(
        asset_id=asset_id, side=side, units=units, requested_at=now
    )


def sweep_orders(*, custodian: AlpacaCustodian, now: datetime) -> int:
    """Send, ask, book; how many orders moved. One that fails does not stop the others.

    :raises GatewayUnavailable: the custodian does not answer; nothing is lost.
    """
    due = Q(state=CustodianOrderState.FILLED, settles_at__lte=now)
    rows = CustodianOrder.objects.filter(Q(state__in=ASKED_ABOUT) | due)
    return sweep_rows(
        in_order(rows.select_related("asset__instrument"), "requested_at"),
        lambda row: _step(row, custodian, now),
    )


def _step(row: CustodianOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    if row.state == CustodianOrderState.NEW:
        return _submit(row, custodian, now)
    if row.state == CustodianOrderState.SUBMITTED:
        return _ask(row, custodian, now)
    return _settle(row, now)


def _submit(row: CustodianOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    assert row.asset.instrument is not None
    try:
        placed = custodian.place(
            client_order_id=row.id,
            symbol=row.asset.instrument.ticker,
            side=row.side,
            units=row.units,
        )
    except CustodianRefused as refusal:
        return _move(row, CustodianOrderState.REJECTED, reason=refusal.message)
    return _move(
        row,
        CustodianOrderState.SUBMITTED,
        submitted_at=now,
        custodian_order_id=placed.custodian_id,
    )


def _ask(row: CustodianOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    order = custodian.find(client_order_id=row.id)
    if order is None:
        raise GatewayUnavailable(PARTY, f"does not know {row.id}, which it took")
    if order.filled_units > row.units:
        raise CustodianRefused(f"The custodian filled {order.filled_units} of {row.units}.")
    if order.has_ended_unfilled and order.filled_units == 0:
        return _move(row, CustodianOrderState.REJECTED, reason=order.reason)
    if order.is_filled or order.has_ended_unfilled:
        traded_at = order.filled_at or order.ended_at
        if traded_at is None:
            raise GatewayUnavailable(PARTY, f"does not say when it filled {row.id}")
        return _fill(row, order, traded_at, custodian.settlement_of(traded_at), now)
    return False


@transaction.atomic
def _fill(
    row: CustodianOrder, order: Order, traded_at: datetime, settlement: Settlement, now: datetime
) -> bool:
    cash = order.cash_micros(row.side)
    moved = _move(
        row,
        CustodianOrderState.FILLED,
        filled_units=order.filled_units,
        reason="" if order.filled_units == row.units else f"filled in part, then {order.reason}",
        filled_at=traded_at,
        cash_micros=cash,
        price_micros=order.price_micros,
        settlement_date=settlement.on,
        settles_at=settlement.at,
    )
    # A sale is booked with the burn that frees its shares (operations/redemption.py).
    if moved and row.side == CustodianOrder.Side.BUY:
        ledger.post([_buy_entry(row, order.filled_units, cash)], now)
    return moved


@transaction.atomic
def _settle(row: CustodianOrder, now: datetime) -> bool:
    moved = _move(row, CustodianOrderState.SETTLED, settled_at=now)
    if moved and row.side == CustodianOrder.Side.BUY:
        assert row.filled_units is not None
        ledger.post([_settle_entry(row, row.filled_units)], now)
    return moved


def _buy_entry(row: CustodianOrder, units: int, cash: int) -> Entry:
    usd = Asset.objects.get(kind=AssetKind.FIAT)
    lines = (
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), -units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), units),
        Line(_house(usd.pk, Purpose.TREASURY), -cash),
        Line(_house(usd.pk, Purpose.CUSTODIAN_CASH), cash),
    )
    return Entry("shares bought", f"shares_bought:{row.id}", str(row.id), lines)


def _settle_entry(row: CustodianOrder, units: int) -> Entry:
    lines = (
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), units),
        Line(_house(row.asset_id, Purpose.CUSTODIAN_SETTLED), -units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), -units),
        Line(_house(row.asset_id, Purpose.SHARES_FREE), units),
    )
    return Entry("shares settled", f"shares_settled:{row.id}", str(row.id), lines)


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)


def _move(row: CustodianOrder, target: CustodianOrderState, **changes: object) -> bool:
    state = advance(CUSTODIAN_ORDER_MOVES, CustodianOrderState(row.state), target)
    return bool(
        CustodianOrder.objects.filter(id=row.id, state=row.state).update(state=state, **changes)
    )
