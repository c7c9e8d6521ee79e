"""Deposits: an address for each investor, and what arrives there credited once.

The watcher asks for balances (a hundred addresses a call) and reads the history
of an address only when its balance is not what was accounted for. A transfer is
seen when confirmed, credited when final, and moved on into trading.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Greatest
from solders.pubkey import Pubkey

from accounts.models import Investor
from custody import ledger, pool_transfers
from custody.entry_kinds import EntryKind
from custody.gateways.chain import (
    ACCOUNTS_MAX,
    CONFIRMED,
    FINALIZED,
    SIGNATURES_MAX,
    STATUSES_MAX,
    ChainError,
    SignatureStatus,
    SolanaChain,
    Transfers,
)
from custody.gateways.chain_keys import ChainKeys
from custody.gateways.token2022 import TOKEN, associated_account
from custody.ledger import Entry, Line
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, Deposit, DepositAddress
from custody.operations.sweeping import in_order, sweep_rows
from custody.operations.treasury import TRADING_POOL
from custody.states import DEPOSIT_MOVES, DepositState, advance
from kernel.refusals import Forbidden, Refusal

logger = logging.getLogger(__name__)

# So many slots after which a block that is not known any more is not coming back.
VANISHED_AFTER_SLOTS = 64
HISTORY_PAGES_MAX = 50


class DepositsNotOpen(Refusal):
    """Deposits open once your identity is verified."""

    code = "deposits_not_open"


class NotDepositable(Refusal):
    """This asset cannot be deposited."""

    code = "not_depositable"


def open_deposit_address(
    *, investor_id: int | None, asset_id: int, keys: ChainKeys, now: datetime
) -> DepositAddress:
    """The investor's address for a stablecoin, made on first use.

    `investor_id` None: the house's hot wallet, whose deposits go to the treasury.
    :raises NotDepositable: the asset is no stablecoin on our chain.
    :raises DepositsNotOpen: the investor is not verified.
    """
    asset = Asset.objects.get(id=asset_id)
    if asset.kind != AssetKind.STABLECOIN or not asset.mint_address:
        raise NotDepositable
    known = _addresses(investor_id).filter(asset=asset).first()
    if known is not None:
        return known
    if investor_id is not None:
        _check_may_deposit(investor_id)
    wallet = (keys.hot_wallet if investor_id is None else keys.deposit_wallet(investor_id)).pubkey()
    account = associated_account(wallet, Pubkey.from_string(asset.mint_address), TOKEN)
    try:
        with transaction.atomic():
            return DepositAddress.objects.create(
                investor_id=investor_id,
                asset=asset,
                address=str(wallet),
                token_account=str(account),
            )
    except IntegrityError:
        return _addresses(investor_id).get(asset=asset)


def watch_deposits(*, chain: SolanaChain, now: datetime) -> int:
    """Write down transfers that a confirmed block holds; how many are new."""
    addresses = list(DepositAddress.objects.select_related("asset").order_by("asset_id", "id"))
    found = 0
    for start in range(0, len(addresses), ACCOUNTS_MAX):
        found += _watch(addresses[start : start + ACCOUNTS_MAX], chain, now)
    return found


def credit_deposits(*, chain: SolanaChain, now: datetime) -> int:
    """Credit what is final, once; forget what its chain abandoned. How many moved.

    :raises GatewayUnavailable: the node does not answer; nothing is lost.
    """
    seen = Deposit.objects.filter(state=DepositState.SEEN).select_related("address__asset")
    rows = in_order(seen, "seen_at")
    moved = 0
    while batch := list(islice(rows, STATUSES_MAX)):
        moved += _credit_batch(batch, chain, now)
    return moved


def _credit_batch(batch: Sequence[Deposit], chain: SolanaChain, now: datetime) -> int:
    final_slot = chain.slot(FINALIZED)
    _, statuses = chain.statuses([row.signature for row in batch])
    known = dict(zip([row.id for row in batch], statuses, strict=True))
    return sweep_rows(batch, lambda row: _judge(row, known[row.id], final_slot, chain, now))


# --- watching -------------------------------------------------------------------


def _watch(addresses: Sequence[DepositAddress], chain: SolanaChain, now: datetime) -> int:
    found = 0
    for mint in {address.asset.mint_address for address in addresses}:
        of_mint = [address for address in addresses if address.asset.mint_address == mint]
        accounts = [address.token_account for address in of_mint]
        _, units = chain.token_units(accounts, mint, CONFIRMED)
        for address, present in zip(of_mint, units, strict=True):
            if (present or 0) == address.seen_units:
                continue
            try:
                found += _read_history(address, present or 0, chain, now)
            except ChainError as refused:  # this address alone: the others are watched on
                logger.warning("deposits of %s: %s", address, refused)
    return found


def _read_history(address: DepositAddress, present: int, chain: SolanaChain, now: datetime) -> int:
    """Take in every transfer since the last one that is final and accounted for."""
    signatures = _signatures_since(address, chain)
    found, is_whole = 0, True
    for signature in reversed(signatures):
        transfers = chain.transfers_into(
            signature, address.token_account, address.asset.mint_address
        )
        if transfers is None:
            is_whole = False  # the node that answered lags: it is asked again
        else:
            found += _note(address, signature, transfers, now)
    if is_whole and _explains(address, present):
        _account_for(address, present)
    return found


def _explains(address: DepositAddress, present: int) -> bool:
    """Whether the deposits known add up to the balance; if not, some are not known yet.

    A transfer that does not reconcile never adds up: staff look at it.
    """
    known = Deposit.objects.filter(address=address)
    if known.exclude(reason="").exists():
        return True
    here = known.filter(
        state__in=[DepositState.SEEN, DepositState.CREDITED, DepositState.QUARANTINED]
    )
    return (here.aggregate(units=Sum("units"))["units"] or 0) == present


def _signatures_since(address: DepositAddress, chain: SolanaChain) -> list[str]:
    """Newest first, page by page back to the mark."""
    signatures: list[str] = []
    for _ in range(HISTORY_PAGES_MAX):
        page = chain.signatures_of(
            address.token_account,
            until=address.seen_signature,
            before=signatures[-1] if signatures else "",
        )
        signatures += page
        if len(page) < SIGNATURES_MAX:
            return signatures
    raise ChainError(0, f"more history than {HISTORY_PAGES_MAX} pages on {address.address}")


@transaction.atomic
def _note(address: DepositAddress, signature: str, transfers: Transfers, now: datetime) -> int:
    """One row a transfer; one that had vanished and landed again is seen again."""
    found = 0
    for transfer in transfers.transfers:
        deposit, is_new = Deposit.objects.get_or_create(
            signature=signature,
            instruction_index=transfer.instruction_index,
            inner_index=transfer.inner_index,
            defaults={
                "address": address,
                "units": transfer.units,
                "sender": transfer.sender,
                "slot": transfers.slot,
                "seen_at": now,
                "reason": "" if transfers.reconciles else "does not reconcile",
            },
        )
        if deposit.state == DepositState.VANISHED:
            _move(deposit, DepositState.SEEN, slot=transfers.slot)
        elif deposit.slot != transfers.slot:
            # Dropped with its block, and in another one by now.
            Deposit.objects.filter(id=deposit.id, state=DepositState.SEEN).update(
                slot=transfers.slot
            )
        found += is_new
    return found


def _account_for(address: DepositAddress, present: int) -> None:
    """Remember the balance, and the newest transaction that can never be abandoned."""
    # The mark only moves over what is credited: history before it is not read again.
    final = (
        Deposit.objects.filter(address=address, state=DepositState.CREDITED)
        .order_by("-slot", "-credited_at")
        .values_list("signature", flat=True)
        .first()
    )
    open_rows = Deposit.objects.filter(
        address=address, state__in=[DepositState.SEEN, DepositState.VANISHED]
    )
    mark = address.seen_signature if open_rows.exists() else final or address.seen_signature
    DepositAddress.objects.filter(id=address.pk).update(seen_units=present, seen_signature=mark)


# --- crediting ------------------------------------------------------------------


def _judge(
    row: Deposit,
    status: SignatureStatus | None,
    final_slot: int,
    chain: SolanaChain,
    now: datetime,
) -> bool:
    if status is None or status.error:
        return final_slot > row.slot + VANISHED_AFTER_SLOTS and _forget(row)
    if status.commitment != FINALIZED:
        return False
    final = chain.transfers_into(
        row.signature, row.address.token_account, row.address.asset.mint_address, FINALIZED
    )
    if final is None:
        return False
    is_same = any(
        (each.instruction_index, each.inner_index, each.units)
        == (row.instruction_index, row.inner_index, row.units)
        for each in final.transfers
    )
    if not (is_same and final.reconciles):
        return _move(row, DepositState.QUARANTINED, reason="does not reconcile", slot=final.slot)
    return credit(row, final.slot, now)


@transaction.atomic
def _forget(row: Deposit) -> bool:
    """Its block was abandoned, as far as this node knows."""
    moved = _move(row, DepositState.VANISHED)
    if moved:
        # Should the node have been wrong, the balance is now more than was accounted for,
        # so the address is looked at again.
        DepositAddress.objects.filter(id=row.address_id).update(
            seen_units=Greatest(F("seen_units") - row.units, 0)
        )
    return moved


@transaction.atomic
def credit(row: Deposit, slot: int, now: datetime) -> bool:
    """Book it and send it on into trading, in one transaction; False: somebody else has."""
    address = row.address
    key = f"deposit:{row.signature}:{row.instruction_index}:{row.inner_index}"
    owner = address.investor_id
    purpose = Purpose.TREASURY if owner is None else Purpose.MAIN
    chain = ledger.get_account_id(None, address.asset_id, Purpose.CHAIN)
    lines = (
        Line(chain, -row.units),
        Line(ledger.get_account_id(owner, address.asset_id, purpose), row.units),
    )
    if owner is not None:
        pool_transfers.lock_way_in(
            investor_id=owner, asset_id=address.asset_id, pool=TRADING_POOL, besides=[chain]
        )
    (entry_id,) = ledger.post([Entry(EntryKind.DEPOSIT, key, row.signature, lines)], now)
    transfer = None
    if owner is not None:
        transfer = pool_transfers.request_in(
            investor_id=owner,
            asset_id=address.asset_id,
            pool=TRADING_POOL,
            units=row.units,
            purpose="deposit",
            key=key,
            now=now,
        )
    moved = _move(
        row,
        DepositState.CREDITED,
        entry_id=entry_id,
        transfer=transfer,
        credited_at=now,
        slot=slot,
    )
    if not moved:
        transaction.set_rollback(True)  # another worker credits it
    return moved


def _addresses(investor_id: int | None) -> QuerySet[DepositAddress]:
    if investor_id is None:
        return DepositAddress.objects.filter(investor__isnull=True)
    return DepositAddress.objects.filter(investor_id=investor_id)


def _check_may_deposit(investor_id: int) -> None:
    investor = Investor.objects.get(id=investor_id)
    if not investor.is_house and investor.kyc_status != "approved":
        raise DepositsNotOpen
    if investor.restrictions.filter(kind="freeze", lifted_at__isnull=True).exists():
        raise Forbidden("This investor is frozen.")


def _move(row: Deposit, target: DepositState, **changes: object) -> bool:
    state = advance(DEPOSIT_MOVES, DepositState(row.state), target)
    return bool(Deposit.objects.filter(id=row.id, state=row.state).update(state=state, **changes))
