"""Carrying redemptions out: escrow, sale, burn, payment.

Each stage is a row's state; a sweep takes it one step on, once, whoever runs it.
A refused sale gives the units back; one that ended in part gives back pro rata
what was not sold, and the rest is burned and paid. See docs/redemption.md for
the clock and the postings.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Q, Sum
from solders.pubkey import Pubkey

from custody import ledger, pool_transfers
from custody.entry_kinds import EntryKind
from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.halts import check_not_halted
from custody.ledger import Entry, Line
from custody.ledger_purposes import Purpose
from custody.models import (
    Asset,
    ChainTransaction,
    CustodianOrder,
    LedgerAccount,
    PoolTransfer,
    Redemption,
)
from custody.models.pool_transfers import PoolTransferState
from custody.operations.chain import GONE, Intent, sign_once
from custody.operations.issuance import share_units_for
from custody.operations.redemption import check_may_sell, shares_of
from custody.operations.shares import order_shares
from custody.operations.sweeping import in_order, sweep_rows
from custody.operations.tokens import hot_account
from custody.operations.treasury import TRADING_POOL
from custody.states import (
    REDEMPTION_MOVES,
    ChainTransactionState,
    CustodianOrderState,
    RedemptionState,
    advance,
)
from kernel.money import ceil_div, format_units
from kernel.refusals import Forbidden, Refusal

MILLION = 1_000_000
ENDED = [RedemptionState.PAID, RedemptionState.REFUSED]


class TokensNotMovedYet(Refusal):
    """The tokens are on their way from the issuance wallet; they are burned once they arrive."""

    code = "tokens_not_moved_yet"
    http_status = 409


def sweep_redemptions(*, chain: SolanaChain, keys: ChainKeys, now: datetime) -> int:
    """Take every open redemption one step on, where it can go; how many moved.

    :raises GatewayUnavailable: the node does not answer; nothing is lost.
    """
    rows = Redemption.objects.exclude(state__in=ENDED).select_related(
        "asset", "share_asset", "order", "transfer_out", "chain_transaction"
    )
    # What needs no chain does not wait for one that is silent.
    step = partial(_step, chain=chain, keys=keys, now=now)
    burning = Q(state=RedemptionState.SOLD)
    moved = sweep_rows(in_order(rows.exclude(burning), "requested_at"), step)
    return moved + sweep_rows(in_order(rows.filter(burning), "requested_at"), step)


def _step(row: Redemption, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    match RedemptionState(row.state):
        case RedemptionState.REQUESTED:
            return _follow_transfer(row, now)
        case RedemptionState.HELD | RedemptionState.SUBMITTED:
            return _follow_order(row, now)
        case RedemptionState.SOLD:
            return _burn(row, chain, keys, now)
        case RedemptionState.BURNED:
            return _pay(row, now)
    return False


def _follow_transfer(row: Redemption, now: datetime) -> bool:
    transfer = row.transfer_out
    assert transfer is not None
    if transfer.state == PoolTransferState.REFUSED:
        reason = transfer.reason or "fewer units were available"
        return _move(row, RedemptionState.REFUSED, reason=reason, refused_at=now)
    if transfer.swept_at is None:
        return False
    try:
        check_may_sell(row.investor_id)  # she may have been frozen since she asked
    except Forbidden as refusal:
        return _send_back(row, refusal.message, now)
    return _escrow(row, now)


@transaction.atomic
def _send_back(row: Redemption, reason: str, now: datetime) -> bool:
    """The units are in main and stay hers: back into trading."""
    moved = _move(row, RedemptionState.REFUSED, reason=reason[:200], refused_at=now)
    if moved:
        _into_trading(row, row.asset_id, row.units, "back", now)
    return moved


@transaction.atomic
def _escrow(row: Redemption, now: datetime) -> bool:
    """Into escrow, and the sale ordered, in one transaction: no price lies between."""
    check_not_halted(row.asset)
    # The multiplier may have changed since the request; it cannot until this commits.
    token = Asset.objects.select_for_update(no_key=True).get(id=row.asset_id)
    share_units = shares_of(token, row.share_asset, row.units)
    lines = (
        Line(_owned(row, Purpose.MAIN), -row.units),
        Line(_owned(row, Purpose.REDEMPTION), row.units),
    )
    entry = Entry(EntryKind.REDEMPTION_HELD, f"redemption_held:{row.id}", str(row.id), lines)
    ledger.post([entry], now)
    sell = CustodianOrder.Side.SELL
    order = order_shares(asset_id=row.share_asset_id, side=sell, units=share_units, now=now)
    moved = _move(row, RedemptionState.HELD, held_at=now, order=order, share_units=share_units)
    if not moved:
        transaction.set_rollback(True)  # another worker was first
    return moved


def _follow_order(row: Redemption, now: datetime) -> bool:
    order = row.order
    assert order is not None
    if order.state == CustodianOrderState.REJECTED:
        return _give_back(row, order.reason, now)
    if row.state == RedemptionState.HELD and order.submitted_at is not None:
        return _move(row, RedemptionState.SUBMITTED, submitted_at=order.submitted_at)
    if order.state in (CustodianOrderState.FILLED, CustodianOrderState.SETTLED):
        return _sell(row, order, now)
    return False


@transaction.atomic
def _sell(row: Redemption, order: CustodianOrder, now: datetime) -> bool:
    """The price is known; what was not sold returns to trading at once."""
    assert order.cash_micros is not None
    assert order.filled_units is not None
    # Tokens taken are rounded up, so that the shares left cover the tokens left.
    sold = ceil_div(row.units * order.filled_units, row.share_units)
    # One USDC pays one dollar: both count six decimals.
    gross = order.cash_micros
    fee = min(ceil_div(gross * row.fee_e6, MILLION), gross)
    rest = row.units - sold
    moved = _move(
        row,
        RedemptionState.SOLD,
        sold_at=order.filled_at,
        sold_units=sold,
        gross_units=gross,
        fee_units=fee,
        paid_units=gross - fee,
        reason=_part_in_words(row, rest) if rest else "",
    )
    if moved and rest:
        _release(row, rest, EntryKind.REDEMPTION_REST, now)
        _into_trading(row, row.asset_id, rest, "rest", now)
    return moved


def _part_in_words(row: Redemption, rest: int) -> str:
    back = format_units(rest, row.asset.decimals)
    return f"The sale ended in part: {back} {row.asset.code} went back to trading."


@transaction.atomic
def _give_back(row: Redemption, reason: str, now: datetime) -> bool:
    """The custodian did not sell: the units return to trading, nothing is burned."""
    moved = _move(row, RedemptionState.REFUSED, reason=reason[:200], refused_at=now)
    if moved:
        _release(row, row.units, EntryKind.REDEMPTION_REFUSED, now)
        _into_trading(row, row.asset_id, row.units, "back", now)
    return moved


def _release(row: Redemption, units: int, kind: EntryKind, now: datetime) -> None:
    lines = (
        Line(_owned(row, Purpose.REDEMPTION), -units),
        Line(_owned(row, Purpose.MAIN), units),
    )
    key = f"{kind.replace(' ', '_')}:{row.id}"
    _lock_way_in(row, row.asset_id, [line.account_id for line in lines])
    ledger.post([Entry(kind, key, str(row.id), lines)], now)


def _burn(row: Redemption, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    sent = row.chain_transaction
    if sent is not None and sent.state == ChainTransactionState.FINAL:
        return _book_burn(row, now)
    if sent is not None and sent.state not in GONE:
        return False
    _check_lies_in_hot_wallet(row)
    signed = sign_once(intent=_intent(row, keys), chain=chain, now=now)
    Redemption.objects.filter(id=row.id, chain_transaction=sent).update(chain_transaction=signed)
    return True


def _check_lies_in_hot_wallet(row: Redemption) -> None:
    """What was sold to the investor a moment ago is moved there by a settlement leg.

    :raises TokensNotMovedYet: less lies there than this burn and those before it take.
    """
    burning = Redemption.objects.filter(asset=row.asset_id, state=RedemptionState.SOLD)
    others = burning.exclude(id=row.id).filter(chain_transaction__isnull=False)
    promised = others.aggregate(units=Sum("sold_units"))["units"] or 0
    contra = LedgerAccount.objects.filter(owner=None, asset=row.asset_id, purpose=Purpose.CHAIN)
    there = -(contra.aggregate(units=Sum("posted_units"))["units"] or 0)
    if there < _sold(row)[0] + promised:
        raise TokensNotMovedYet


@transaction.atomic
def _book_burn(row: Redemption, now: datetime) -> bool:
    """The burn is final: tokens and the shares behind them leave together."""
    moved = _move(row, RedemptionState.BURNED, burned_at=now)
    if moved:
        sale = _sale_entry(row)
        burn = _burn_entry(row, sale)
        ledger.post([burn, sale], now)
    return moved


def _burn_entry(row: Redemption, sale: Entry) -> Entry:
    tokens, shares = _sold(row)
    escrow, chain = _owned(row, Purpose.REDEMPTION), _house(row.asset_id, Purpose.CHAIN)
    backing = _house(row.share_asset_id, Purpose.SHARES_BACKING)
    free, dust_account = (
        _house(row.share_asset_id, Purpose.SHARES_FREE),
        _house(row.share_asset_id, Purpose.DUST),
    )
    issuance = _house(row.asset_id, Purpose.CHAIN_ISSUANCE)
    sold_from = [account_id for account_id, _ in sale.lines]
    named = [escrow, chain, issuance, backing, free, dust_account, *sold_from]
    posted = ledger.lock_posted(named)
    circulating = -posted[chain] - posted[issuance]
    dust = _dust(row, circulating=circulating, backing=posted[backing])
    lines = (
        Line(escrow, -tokens),
        Line(chain, tokens),
        Line(backing, -shares - dust),
        Line(free, shares),
        Line(dust_account, dust),
    )
    booked = tuple(line for line in lines if line.units)
    return Entry(EntryKind.BURN, f"burn:{row.id}", str(row.id), booked)


def _dust(row: Redemption, *, circulating: int, backing: int) -> int:
    """Shares that the burned tokens stood for, that were not sold and back nothing any more.

    Less than a base unit of the token is worth; never what the tokens left need.
    """
    tokens, shares = _sold(row)
    token = Asset.objects.get(id=row.asset_id)
    unsold = share_units_for(token, row.share_asset, tokens) - shares
    left = circulating - tokens
    needed = share_units_for(token, row.share_asset, left) if left else 0
    return max(min(unsold, backing - shares - needed), 0)


def _sale_entry(row: Redemption) -> Entry:
    """The shares leave; their dollars are booked with the block that sold them."""
    _, shares = _sold(row)
    lines = (
        Line(_house(row.share_asset_id, Purpose.SHARES_FREE), -shares),
        Line(_house(row.share_asset_id, Purpose.CUSTODIAN_SETTLED), shares),
    )
    return Entry(EntryKind.SHARES_SOLD, f"shares_sold:{row.order_id}", str(row.order_id), lines)


@transaction.atomic
def _pay(row: Redemption, now: datetime) -> bool:
    """Pay out of the treasury and into trading.

    :raises ledger.InsufficientUnits: the treasury has too little USDC; it waits.
    """
    assert row.gross_units is not None
    assert row.fee_units is not None
    assert row.paid_units is not None
    usdc = Asset.objects.get(code="USDC")
    lines = [
        Line(_house(usdc.pk, Purpose.TREASURY), -row.gross_units),
        Line(ledger.get_account_id(row.investor_id, usdc.pk, Purpose.MAIN), row.paid_units),
        Line(_house(usdc.pk, Purpose.FEES), row.fee_units),
    ]
    entry = Entry(
        EntryKind.REDEMPTION_PAID,
        f"redemption_paid:{row.id}",
        str(row.id),
        tuple(line for line in lines if line.units),
    )
    if entry.lines:
        _lock_way_in(row, usdc.pk, [account_id for account_id, _ in entry.lines])
        ledger.post([entry], now)
    paid = row.paid_units
    transfer = _into_trading(row, usdc.pk, paid, "back", now) if paid else None
    moved = _move(row, RedemptionState.PAID, paid_at=now, transfer_in=transfer)
    if not moved:
        transaction.set_rollback(True)  # another worker pays it
    return moved


def _lock_way_in(row: Redemption, asset_id: int, besides: Sequence[int]) -> None:
    """Before a posting that `_into_trading` follows in the same transaction."""
    pool_transfers.lock_way_in(
        investor_id=row.investor_id, asset_id=asset_id, pool=_pool(row), besides=besides
    )


def _pool(row: Redemption) -> int:
    return row.transfer_out.pool if row.transfer_out else TRADING_POOL


def _into_trading(
    row: Redemption, asset_id: int, units: int, what: str, now: datetime
) -> PoolTransfer:
    return pool_transfers.request_in(
        investor_id=row.investor_id,
        asset_id=asset_id,
        pool=_pool(row),
        units=units,
        purpose="redemption",
        key=f"redemption_{what}:{row.id}",
        now=now,
        reference=str(row.id),
    )


def _intent(row: Redemption, keys: ChainKeys) -> Intent:
    check_not_halted(row.asset)
    asset = row.asset
    instruction = token2022.burn(
        Pubkey.from_string(asset.mint_address),
        hot_account(asset, keys),
        keys.hot_wallet.pubkey(),
        _sold(row)[0],
        asset.decimals,
    )
    return Intent(
        kind=ChainTransaction.Kind.BURN,
        key=f"burn:{row.id}",
        instructions=[instruction],
        signers=[keys.payer, keys.hot_wallet],
    )


def _sold(row: Redemption) -> tuple[int, int]:
    """(tokens, shares) that the sale took."""
    assert row.sold_units is not None
    assert row.order is not None
    assert row.order.filled_units is not None
    return row.sold_units, row.order.filled_units


def _owned(row: Redemption, purpose: Purpose) -> int:
    return ledger.get_account_id(row.investor_id, row.asset_id, purpose)


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)


def _move(row: Redemption, target: RedemptionState, **changes: object) -> bool:
    state = advance(REDEMPTION_MOVES, RedemptionState(row.state), target)
    moved = Redemption.objects.filter(id=row.id, state=row.state).update(state=state, **changes)
    return bool(moved)
