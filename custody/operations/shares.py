"""Shares at the custodian: buying, selling, settling, each booked once.

An order is a row first; the sweep sends it under its own id, asks what became
of it, and books fill and settlement. Two states never touch the ledger twice:
the journal's keys are the order's.
"""

import logging
from datetime import datetime

from django.db import transaction

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
from custody.states import CUSTODIAN_ORDER_MOVES, CustodianOrderState, advance
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

logger = logging.getLogger(__name__)

SWEEP_BATCH_MAX = 500
OPEN = [CustodianOrderState.NEW, CustodianOrderState.SUBMITTED, CustodianOrderState.FILLED]


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
    """Send, ask, book; how many orders moved. One that fails does not stop the others."""
    rows = CustodianOrder.objects.filter(state__in=OPEN).select_related("asset__instrument")
    moved = 0
    for row in rows.order_by("requested_at")[:SWEEP_BATCH_MAX]:
        try:
            moved += _step(row, custodian, now)
        except GatewayUnavailable as failure:
            logger.warning("order %s: %s", row.id, failure)
    return moved


def _step(row: CustodianOrder, custodian: AlpacaCustodian, now: datetime) -> bool:
    if row.state == CustodianOrderState.NEW:
        return _submit(row, custodian, now)
    if row.state == CustodianOrderState.SUBMITTED:
        return _ask(row, custodian, now)
    assert row.settles_at is not None
    return row.settles_at <= now and _settle(row, now)


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
    if order.is_filled:
        assert order.filled_at is not None
        return _fill(row, order, custodian.settlement_of(order.filled_at), now)
    if order.has_ended_unfilled and order.filled_units == 0:
        return _move(row, CustodianOrderState.REJECTED, reason=order.reason)
    if order.has_ended_unfilled:
        # Staff decide: the reserves show the shares as a break until then.
        logger.error("order %s ended %s, filled in part", row.id, order.status)
    return False


@transaction.atomic
def _fill(row: CustodianOrder, order: Order, settlement: Settlement, now: datetime) -> bool:
    assert order.filled_units == row.units, f"order {row.id} filled {order.filled_units}"
    cash = order.cash_micros(row.side)
    moved = _move(
        row,
        CustodianOrderState.FILLED,
        filled_at=order.filled_at,
        cash_micros=cash,
        price_micros=order.price_micros,
        settlement_date=settlement.on,
        settles_at=settlement.at,
    )
    # A sale is booked with the burn that frees its shares (operations/redemption.py).
    if moved and row.side == CustodianOrder.Side.BUY:
        ledger.post([_buy_entry(row, cash)], now)
    return moved


@transaction.atomic
def _settle(row: CustodianOrder, now: datetime) -> bool:
    moved = _move(row, CustodianOrderState.SETTLED, settled_at=now)
    if moved and row.side == CustodianOrder.Side.BUY:
        ledger.post([_settle_entry(row)], now)
    return moved


def _buy_entry(row: CustodianOrder, cash: int) -> Entry:
    usd = Asset.objects.get(kind=AssetKind.FIAT)
    lines = (
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), -row.units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), row.units),
        Line(_house(usd.pk, Purpose.TREASURY), -cash),
        Line(_house(usd.pk, Purpose.CUSTODIAN_CASH), cash),
    )
    return Entry("shares bought", f"shares_bought:{row.id}", str(row.id), lines)


def _settle_entry(row: CustodianOrder) -> Entry:
    lines = (
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), row.units),
        Line(_house(row.asset_id, Purpose.CUSTODIAN_SETTLED), -row.units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), -row.units),
        Line(_house(row.asset_id, Purpose.SHARES_FREE), row.units),
    )
    return Entry("shares settled", f"shares_settled:{row.id}", str(row.id), lines)


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)


def _move(row: CustodianOrder, target: CustodianOrderState, **changes: object) -> bool:
    state = advance(CUSTODIAN_ORDER_MOVES, CustodianOrderState(row.state), target)
    return bool(
        CustodianOrder.objects.filter(id=row.id, state=row.state).update(state=state, **changes)
    )
