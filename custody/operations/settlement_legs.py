"""Settlement legs: tokens between the issuance and the hot wallet, netted by balance.

Inventory lies in the issuance wallet, everything else in the hot wallet. What a
sale changes in the ledger is moved on the chain later, once for all sales since:
the difference of the two balances is one leg, one open leg an asset, planned at
most once a minute. A leg signs one transaction that is alive at a time, books it
when it is final, and is stuck after several that came to nothing; the database
lets no transaction be signed for a stuck one, so staff can let go of it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from accounts.models import User
from custody import ledger
from custody.entry_kinds import EntryKind
from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.ledger import Entry, Line
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, ChainTransaction, LedgerAccount, SettlementLeg
from custody.operations.chain import GONE, Intent, sign_once
from custody.operations.settlement_blocks import OFFICER_PERMISSION, NotStuck
from custody.operations.sweeping import in_order, sweep_rows
from custody.operations.tokens import hot_account, issuance_account, opening
from custody.states import (
    SETTLEMENT_LEG_MOVES,
    ChainTransactionState,
    SettlementLegState,
    advance,
)
from kernel.refusals import Forbidden, NotFound

PLANNED_EVERY = timedelta(minutes=1)
# With the waits between failed ones, about a quarter of an hour.
ATTEMPTS_MAX = 6
ENDED = [SettlementLegState.FINAL, SettlementLegState.FAILED]
UNDER_WAY = [SettlementLegState.PLANNED, SettlementLegState.SIGNED]
OUT = SettlementLeg.Direction.OUT


def sweep_legs(*, chain: SolanaChain, keys: ChainKeys, now: datetime) -> int:
    """Plan what has to move, take every open leg one step on; how many moved.

    :raises GatewayUnavailable: the node does not answer; nothing is lost.
    """
    planned = sum(_plan(asset_id, now) for asset_id in _assets_to_move(now))
    rows = SettlementLeg.objects.filter(state__in=UNDER_WAY)
    rows = rows.select_related("asset", "chain_transaction")
    return planned + sweep_rows(
        in_order(rows, "planned_at"), lambda leg: _step(leg, chain, keys, now)
    )


@transaction.atomic
def retry_leg(*, leg_id: UUID, officer: User, now: datetime) -> None:
    """Let go of a stuck leg; the next sweep plans another from what lies where now.

    :raises Forbidden: not a custody officer.
    :raises NotFound, NotStuck: as they say.
    """
    if not officer.has_perm(OFFICER_PERMISSION):
        raise Forbidden("Only custody officers let go of a leg.")
    leg = SettlementLeg.objects.filter(id=leg_id).first()
    if leg is None:
        raise NotFound
    if leg.state != SettlementLegState.STUCK:
        raise NotStuck
    _move(leg, SettlementLegState.FAILED, failed_at=now)


# --- planning -------------------------------------------------------------------


def _assets_to_move(now: datetime) -> list[int]:
    """Tokens of which more or less than the inventory lies in the issuance wallet."""
    legs = SettlementLeg.objects.filter(asset=OuterRef("asset"))
    is_open = legs.exclude(state__in=ENDED)
    is_new = legs.filter(planned_at__gt=now - PLANNED_EVERY)
    apart = (
        _of_the_issuance()
        .filter(~Exists(is_open), ~Exists(is_new), asset__kind=AssetKind.TOKEN)
        .exclude(asset__mint_address="")
        .values("asset")
        .annotate(units=Sum("posted_units"))
    )
    return sorted(row["asset"] for row in apart if row["units"])


@transaction.atomic
def _plan(asset_id: int, now: datetime) -> bool:
    """One leg for all that was sold or came back; judged again under the asset's lock."""
    Asset.objects.select_for_update(no_key=True).get(id=asset_id)
    if asset_id not in _assets_to_move(now):
        return False  # another worker was first
    excess = -int(_of_the_issuance().filter(asset=asset_id).aggregate(u=Sum("posted_units"))["u"])
    SettlementLeg.objects.create(
        asset_id=asset_id,
        direction=OUT if excess > 0 else SettlementLeg.Direction.BACK,
        units=abs(excess),
        planned_at=now,
    )
    return True


def _of_the_issuance() -> QuerySet[LedgerAccount]:
    """Inventory, and (negative, seen from the other side) the wallet that should hold it."""
    return LedgerAccount.objects.filter(
        owner=None, purpose__in=[Purpose.CHAIN_ISSUANCE, Purpose.INVENTORY]
    )


# --- steps ----------------------------------------------------------------------


def _step(leg: SettlementLeg, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    if leg.state == SettlementLegState.PLANNED:
        intent = _intent(leg, chain, keys)
        signed = sign_once(intent=intent, chain=chain, now=now)
        return _move(leg, SettlementLegState.SIGNED, chain_transaction=signed, signed_at=now)
    sent = leg.chain_transaction
    assert sent is not None
    if sent.state == ChainTransactionState.FINAL:
        return _book(leg, now)
    return sent.state in GONE and _after_nothing(leg, sent)


@transaction.atomic
def _after_nothing(leg: SettlementLeg, gone: ChainTransaction) -> bool:
    """What was signed can never land: another one, or a person."""
    # Against a worker that still believes it planned: the database lets it sign only
    # under this lock, and not for a stuck leg.
    SettlementLeg.objects.select_for_update().get(id=leg.id)
    tried = ChainTransaction.objects.filter(key=_key(leg))
    attempts = tried.filter(state__in=GONE).count()
    is_alive = tried.exclude(state__in=GONE).exists()
    if attempts >= ATTEMPTS_MAX and not is_alive:
        reason = f"{attempts} transactions came to nothing: {gone.error or gone.state}"[:200]
        return _move(leg, SettlementLegState.STUCK, attempts=attempts, reason=reason)
    return _move(leg, SettlementLegState.PLANNED, attempts=attempts)


@transaction.atomic
def _book(leg: SettlementLeg, now: datetime) -> bool:
    units = leg.units if leg.direction == OUT else -leg.units
    lines = (
        Line(_house(leg.asset_id, Purpose.CHAIN_ISSUANCE), units),
        Line(_house(leg.asset_id, Purpose.CHAIN), -units),
    )
    entry = Entry(EntryKind.TOKENS_MOVED, f"tokens_moved:{leg.id}", str(leg.id), lines)
    ledger.post([entry], now)
    return _move(leg, SettlementLegState.FINAL, final_at=now)


def _intent(leg: SettlementLeg, chain: SolanaChain, keys: ChainKeys) -> Intent:
    asset = leg.asset
    ours = (keys.issuance_wallet, keys.hot_wallet)
    accounts = (issuance_account(asset, keys), hot_account(asset, keys))
    if leg.direction != OUT:
        ours, accounts = ours[::-1], accounts[::-1]
    giver, taker = ours
    instructions = opening(asset=asset, wallet=taker, chain=chain, keys=keys)
    signers: list[Keypair] = [keys.payer, giver]
    signers += [keys.compliance] if instructions else []
    instructions.append(
        token2022.transfer(
            mint=Pubkey.from_string(asset.mint_address),
            source=accounts[0],
            target=accounts[1],
            authority=giver.pubkey(),
            units=leg.units,
            decimals=asset.decimals,
        )
    )
    return Intent(
        kind=ChainTransaction.Kind.MOVE, key=_key(leg), instructions=instructions, signers=signers
    )


def _key(leg: SettlementLeg) -> str:
    return f"move:{leg.id}"


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)


def _move(leg: SettlementLeg, target: SettlementLegState, **changes: object) -> bool:
    state = advance(SETTLEMENT_LEG_MOVES, SettlementLegState(leg.state), target)
    moved = SettlementLeg.objects.filter(id=leg.id, state=leg.state)
    return bool(moved.update(state=state, **changes))
