"""Minting: shares bought, settled and reserved; two officers; then tokens on the chain.

The one rule: no token without a settled share. The shares are held from their
settlement until the mint is booked, so no other mint can count them too.

See docs/custody.md for the stages and docs/ledger.md for the postings.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from solders.pubkey import Pubkey

from accounts import approvals
from accounts.models import Proposal, User
from custody import ledger
from custody.entry_kinds import EntryKind
from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.halts import check_not_halted
from custody.ledger import Entry, Line
from custody.ledger_purposes import Purpose
from custody.mint_size import check_mint_size
from custody.models import Asset, ChainTransaction, CustodianOrder, MintRequest
from custody.operations.chain import GONE, Intent, sign_once
from custody.operations.shares import get_share_asset, leaves_what_was_bought, order_shares
from custody.operations.sweeping import in_order, sweep_rows
from custody.operations.tokens import issuance_account, open_token, opening
from custody.states import (
    MINT_MOVES,
    ChainTransactionState,
    CustodianOrderState,
    MintState,
    advance,
)
from kernel.ids import uuid7
from kernel.money import ceil_div
from kernel.refusals import Forbidden, NotFound, Refusal

PROPOSAL_KIND = "mint"
OFFICER_PERMISSION = "custody.add_mintrequest"
ONE_E18 = 10**18
ENDED = [MintState.MINTED, MintState.REJECTED, MintState.FAILED]


class MintNotReady(Refusal):
    """The shares of this mint have not settled yet, or it is over."""

    code = "mint_not_ready"
    http_status = 409


class NotEnoughFreeShares(Refusal):
    """Fewer settled shares are free than this mint needs: buy them."""

    code = "not_enough_free_shares"


class NothingToMint(Refusal):
    """Mint more than zero tokens."""

    code = "nothing_to_mint"


def share_units_for(token: Asset, share: Asset, token_units: int) -> int:
    """Shares that tokens stand for at the present multiplier, rounded up."""
    scaled = token_units * int(token.multiplier_e18) * 10**share.decimals
    return ceil_div(scaled, ONE_E18 * 10**token.decimals)


@transaction.atomic
def start_mint(
    *,
    asset_id: int,
    token_units: int,
    maker: User,
    reason: str,
    now: datetime,
    use_free_shares: bool = False,
    mint_id: UUID | None = None,
) -> MintRequest:
    """Ask for tokens: order their shares, or take settled ones that back nothing.

    :param mint_id: the same one again is a second click, and answers the first request.
    :raises Forbidden: `maker` is not a custody officer.
    :raises NothingToMint, approvals.ReasonMissing, NoShareAsset: as they say.
    :raises AssetHalted: a difference of this token is being looked into.
    :raises MintTooLarge, MintPriceUnknown: worth more than one mint may be, or who knows.
    :raises NotEnoughFreeShares: with `use_free_shares`, and there are not enough.
    """
    if not maker.has_perm(OFFICER_PERMISSION):
        raise Forbidden("Only custody officers start a mint.")
    if token_units <= 0:
        raise NothingToMint
    if not reason.strip():
        raise approvals.ReasonMissing
    # Locked, so that of two clicks at once the second sees what the first has made.
    token = Asset.objects.select_for_update(no_key=True).get(id=asset_id)
    mint_id = mint_id or uuid7()
    known = MintRequest.objects.filter(id=mint_id, started_by=maker).first()
    if known is not None:
        return known
    check_not_halted(token)
    check_mint_size(token=token, units=token_units, now=now)
    share = get_share_asset(token)
    share_units = share_units_for(token, share, token_units)
    order = None
    if not use_free_shares:
        buy = CustodianOrder.Side.BUY
        order = order_shares(asset_id=share.pk, side=buy, units=share_units, now=now)
    mint = MintRequest.objects.create(
        id=mint_id,
        asset=token,
        share_asset=share,
        token_units=token_units,
        share_units=share_units,
        started_by=maker,
        reason=reason.strip(),
        order=order,
        requested_at=now,
    )
    if order is not None:
        _move(mint, MintState.SHARES_ORDERED, shares_ordered_at=now)
    else:
        _reserve(mint, now)
    return MintRequest.objects.get(id=mint.id)


@transaction.atomic
def approve_mint(*, mint_id: UUID, checker: User, body_hash: str, now: datetime) -> MintRequest:
    """Confirm as the second officer; the sweep then mints.

    :raises NotFound, MintNotReady: as they say.
    :raises approvals.SameOfficer, approvals.ProposalChanged, Forbidden: as there.
    """
    mint = _get(mint_id)
    if mint.proposal_id is None or mint.state != MintState.AWAITING_APPROVAL:
        raise MintNotReady
    approvals.confirm(proposal_id=mint.proposal_id, checker=checker, body_hash=body_hash, now=now)
    return _get(mint_id)


@transaction.atomic
def reject_mint(
    *, mint_id: UUID, checker: User, body_hash: str, reason: str, now: datetime
) -> MintRequest:
    """Turn the mint down; its shares stay, free again. Raises as `approve_mint`."""
    mint = _get(mint_id)
    if mint.proposal_id is None or mint.state != MintState.AWAITING_APPROVAL:
        raise MintNotReady
    approvals.reject(
        proposal_id=mint.proposal_id, checker=checker, body_hash=body_hash, reason=reason, now=now
    )
    _release(mint, MintState.REJECTED, reason.strip(), now)
    return _get(mint_id)


def sweep_mints(*, chain: SolanaChain, keys: ChainKeys, now: datetime) -> int:
    """Take every open mint one step on, where it can go; how many moved.

    :raises GatewayUnavailable: the node does not answer; nothing is lost.
    """
    rows = MintRequest.objects.exclude(state__in=ENDED).select_related(
        "asset", "order", "chain_transaction", "proposal", "started_by"
    )
    # What needs no chain does not wait for one that is silent.
    step = partial(_step, chain=chain, keys=keys, now=now)
    minting = Q(state__in=[MintState.APPROVED, MintState.MINTING])
    moved = sweep_rows(in_order(rows.exclude(minting), "requested_at"), step)
    return moved + sweep_rows(in_order(rows.filter(minting), "requested_at"), step)


# --- steps ----------------------------------------------------------------------


def _step(mint: MintRequest, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    state = MintState(mint.state)
    if state == MintState.APPROVED:
        return _sign(mint, chain, keys, now)
    if state == MintState.MINTING:
        return _follow_transaction(mint, chain, keys, now)
    steps = {
        MintState.SHARES_ORDERED: _follow_order,
        MintState.SHARES_BOUGHT: _follow_settlement,
        MintState.SHARES_SETTLED: _propose,
        MintState.AWAITING_APPROVAL: _follow_proposal,
    }
    return steps[state](mint, now)


def _follow_order(mint: MintRequest, now: datetime) -> bool:
    order = mint.order
    assert order is not None
    if order.state == CustodianOrderState.REJECTED:
        return _move(mint, MintState.FAILED, failure=order.reason, ended_at=now)
    if order.state not in (CustodianOrderState.FILLED, CustodianOrderState.SETTLED):
        return False
    assert order.filled_units is not None
    if order.filled_units < mint.share_units:
        # What was bought settles all the same, and is then free for another mint.
        return _move(mint, MintState.FAILED, failure=f"The purchase {order.reason}.", ended_at=now)
    return _move(mint, MintState.SHARES_BOUGHT, shares_bought_at=order.filled_at)


def _follow_settlement(mint: MintRequest, now: datetime) -> bool:
    assert mint.order is not None
    return mint.order.state == CustodianOrderState.SETTLED and _reserve(mint, now)


@transaction.atomic
def _reserve(mint: MintRequest, now: datetime) -> bool:
    """Hold the settled shares for this mint."""
    free = ledger.get_account_id(None, mint.share_asset_id, Purpose.SHARES_FREE)
    try:
        ledger.hold(account_id=free, units=mint.share_units)
    except ledger.InsufficientUnits:
        raise NotEnoughFreeShares from None
    # The hold locks the account: none can settle between it and this look.
    if mint.order_id is None and not leaves_what_was_bought(mint.share_asset_id):
        raise NotEnoughFreeShares
    moved = _move(
        mint, MintState.SHARES_SETTLED, held_units=mint.share_units, shares_settled_at=now
    )
    if not moved:
        transaction.set_rollback(True)  # another worker holds them already
    return moved


@transaction.atomic
def _propose(mint: MintRequest, now: datetime) -> bool:
    if _is_overdue(mint, now):
        return _expire(mint, now)
    waiting = MintRequest.objects.select_for_update().filter(id=mint.id, state=mint.state)
    if waiting.first() is None:
        return False  # another worker proposed it
    body = {
        "mint": str(mint.id),
        "asset": mint.asset.code,
        "token_units": str(mint.token_units),
        "share_units": str(mint.share_units),
    }
    proposal = approvals.propose(
        kind=PROPOSAL_KIND,
        subject=f"mint:{mint.id}",
        body=body,
        reason=mint.reason,
        maker=mint.started_by,
        now=now,
    )
    return _move(mint, MintState.AWAITING_APPROVAL, proposal=proposal)


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """What a confirmed proposal does; in the confirming transaction."""
    mint = _get(UUID(proposal.body["mint"]))
    is_it = (str(mint.token_units), str(mint.share_units), mint.proposal_id) == (
        proposal.body["token_units"],
        proposal.body["share_units"],
        proposal.id,
    )
    if not is_it or mint.state != MintState.AWAITING_APPROVAL:
        raise MintNotReady
    check_not_halted(mint.asset)
    if not _move(mint, MintState.APPROVED, approved_at=now):
        raise MintNotReady


# Both pairs of eyes are custody's: an officer of compliance neither starts nor confirms.
approvals.register(
    approvals.Kind(name=PROPOSAL_KIND, permission=OFFICER_PERMISSION, effect=_take_effect)
)


def _follow_proposal(mint: MintRequest, now: datetime) -> bool:
    """A proposal may be turned down in the proposals' own list too."""
    assert mint.proposal is not None
    if mint.proposal.state == Proposal.State.REJECTED:
        return _release(mint, MintState.REJECTED, mint.proposal.decision_reason, now)
    return _is_overdue(mint, now) and _expire(mint, now)


def _is_overdue(mint: MintRequest, now: datetime) -> bool:
    assert mint.shares_settled_at is not None
    return now - mint.shares_settled_at >= timedelta(days=settings.ENV.mint_decision_days)


@transaction.atomic
def _expire(mint: MintRequest, now: datetime) -> bool:
    """Nobody decided in time: the proposal is closed, the shares are free again."""
    reason = f"Nobody decided within {settings.ENV.mint_decision_days} days."
    if mint.proposal_id is not None:
        try:
            approvals.expire(proposal_id=mint.proposal_id, reason=reason, now=now)
        except approvals.ProposalDecided:
            return False  # somebody just did
    moved = _release(mint, MintState.FAILED, reason, now)
    if not moved:
        transaction.set_rollback(True)  # another worker was first
    return moved


@transaction.atomic
def _release(mint: MintRequest, target: MintState, failure: str, now: datetime) -> bool:
    moved = _move(mint, target, held_units=0, failure=failure, ended_at=now)
    if moved:
        free = ledger.get_account_id(None, mint.share_asset_id, Purpose.SHARES_FREE)
        ledger.release(account_id=free, units=mint.share_units)
    return moved


def _sign(mint: MintRequest, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    if not open_token(asset_id=mint.asset_id, chain=chain, keys=keys, now=now):
        return False
    mint.asset.refresh_from_db()
    signed = sign_once(intent=_intent(mint, chain, keys), chain=chain, now=now)
    return _move(mint, MintState.MINTING, chain_transaction=signed, minting_at=now)


def _follow_transaction(
    mint: MintRequest, chain: SolanaChain, keys: ChainKeys, now: datetime
) -> bool:
    sent = mint.chain_transaction
    assert sent is not None
    if sent.state == ChainTransactionState.FINAL:
        return _book(mint, now)
    if sent.state in GONE:
        # It did nothing and never will: sign another.
        again = sign_once(intent=_intent(mint, chain, keys), chain=chain, now=now)
        MintRequest.objects.filter(id=mint.id, chain_transaction=sent).update(
            chain_transaction=again
        )
        return True
    return False


@transaction.atomic
def _book(mint: MintRequest, now: datetime) -> bool:
    """The mint is final on the chain: shares back it, tokens enter the inventory."""
    free = ledger.get_account_id(None, mint.share_asset_id, Purpose.SHARES_FREE)
    lines = (
        Line(free, -mint.share_units),
        Line(_house(mint.share_asset_id, Purpose.SHARES_BACKING), mint.share_units),
        Line(_house(mint.asset_id, Purpose.CHAIN_ISSUANCE), -mint.token_units),
        Line(_house(mint.asset_id, Purpose.INVENTORY), mint.token_units),
    )
    entry = Entry(EntryKind.MINT, f"mint:{mint.id}", str(mint.id), lines)
    ledger.capture(account_id=free, units=mint.share_units, entry=entry, now=now)
    return _move(mint, MintState.MINTED, held_units=0, minted_at=now, ended_at=now)


def _intent(mint: MintRequest, chain: SolanaChain, keys: ChainKeys) -> Intent:
    """Into the issuance wallet; a token from before there was one has no account in it yet."""
    check_not_halted(mint.asset)
    asset = mint.asset
    instructions = opening(asset=asset, wallet=keys.issuance_wallet, chain=chain, keys=keys)
    signers = [keys.payer, keys.mint_authority, *([keys.compliance] if instructions else [])]
    instructions.append(
        token2022.mint_to(
            Pubkey.from_string(asset.mint_address),
            issuance_account(asset, keys),
            keys.mint_authority.pubkey(),
            mint.token_units,
            asset.decimals,
        )
    )
    return Intent(
        kind=ChainTransaction.Kind.MINT,
        key=f"mint:{mint.id}",
        instructions=instructions,
        signers=signers,
    )


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)


def _get(mint_id: UUID) -> MintRequest:
    try:
        return MintRequest.objects.select_related("asset", "proposal").get(id=mint_id)
    except MintRequest.DoesNotExist:
        raise NotFound from None


def _move(mint: MintRequest, target: MintState, **changes: object) -> bool:
    state = advance(MINT_MOVES, MintState(mint.state), target)
    moved = MintRequest.objects.filter(id=mint.id, state=mint.state).update(state=state, **changes)
    if moved:
        mint.state = MintRequest.State(state)
    return bool(moved)
