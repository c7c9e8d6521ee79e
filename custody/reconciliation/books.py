"""The ledger's side: what is booked, and what is rightly under way.

Under way is what a row of ours explains: a transaction that is signed and not booked,
shares sold whose burn is not booked, a purchase that falls due for settlement, a
deposit seen and not credited. It widens what the party may report, by no more than
the row says. What the custodian has done of an open order is asked of it (parties.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from custody.ledger_purposes import ON_CHAIN_PURPOSES, AssetKind, Purpose
from custody.models import (
    Asset,
    BlockOrder,
    ChainTransaction,
    Deposit,
    LedgerAccount,
    MintRequest,
    Redemption,
    SettlementLeg,
)
from custody.models.reconciliation import Comparison
from custody.reconciliation.figures import Books, Key, Range, at_most, exactly
from custody.states import (
    BlockOrderState,
    ChainTransactionState,
    CustodianOrderState,
    DepositState,
    MintState,
    RedemptionState,
    SettlementLegState,
)

# Minus the sum of these accounts of the house is what the party should report.
PURPOSES: dict[Comparison, frozenset[Purpose]] = {
    Comparison.SUPPLY: ON_CHAIN_PURPOSES,
    Comparison.HOT_WALLET: frozenset({Purpose.CHAIN}),
    Comparison.ISSUANCE_WALLET: frozenset({Purpose.CHAIN_ISSUANCE}),
    Comparison.SHARES: frozenset(
        {Purpose.CUSTODIAN_BOUGHT, Purpose.CUSTODIAN_ALLOCATED, Purpose.CUSTODIAN_SETTLED}
    ),
    Comparison.SHARES_SETTLED: frozenset({Purpose.CUSTODIAN_SETTLED}),
    Comparison.WALLETS: frozenset({Purpose.CHAIN}),
    # The custodian counts dollars from the trade on.
    Comparison.CASH: frozenset({Purpose.CUSTODIAN_CASH, Purpose.RECEIVABLE, Purpose.PAYABLE}),
}
OF_KIND: dict[AssetKind, tuple[Comparison, ...]] = {
    AssetKind.TOKEN: (Comparison.SUPPLY, Comparison.ISSUANCE_WALLET, Comparison.HOT_WALLET),
    AssetKind.SHARE: (Comparison.SHARES, Comparison.SHARES_SETTLED),
    AssetKind.STABLECOIN: (Comparison.WALLETS,),
    AssetKind.FIAT: (Comparison.CASH,),
}
ON_CHAIN = (AssetKind.TOKEN, AssetKind.STABLECOIN)
GONE = [ChainTransactionState.FAILED, ChainTransactionState.EXPIRED]
# Both sides go by the same hour of settlement; the sweep that books it takes a moment.
SETTLEMENT_GRACE = timedelta(minutes=1)


def list_keys() -> list[Key]:
    """Every comparison there is: of what lives on the chain, only what is there already."""
    assets = Asset.objects.order_by("code").values_list("id", "kind", "mint_address")
    return [
        Key(asset_id, what)
        for asset_id, kind, mint in assets
        if mint or kind not in ON_CHAIN
        for what in OF_KIND[AssetKind(kind)]
    ]


def read_books(keys: Collection[Key], now: datetime) -> dict[Key, Books]:
    """The ledger's side of each. What moves while it is read differs the next time."""
    posted = _posted({key.asset_id for key in keys})
    under_way: dict[Key, Range] = defaultdict(Range)
    for moves in (_on_the_chain(), _at_the_custodian(now), _deposits()):
        for key, units in moves:
            under_way[key] += units
    return {
        key: Books(-sum(posted[key.asset_id, each] for each in PURPOSES[key.what]), under_way[key])
        for key in keys
    }


Moves = Iterable[tuple[Key, Range]]


def _posted(assets: set[int]) -> dict[tuple[int, str], int]:
    accounts = LedgerAccount.objects.filter(owner=None, asset__in=assets)
    rows = accounts.values_list("asset_id", "purpose").annotate(units=Sum("posted_units"))
    return defaultdict(int, {(asset, purpose): int(units) for asset, purpose, units in rows})


def _on_the_chain() -> Moves:
    """Signed and not booked: it has landed, will land, or never does."""
    mints = MintRequest.objects.filter(state__in=[MintState.APPROVED, MintState.MINTING])
    for asset_id, units in _signed("mint", mints.values_list("id", "asset_id", "token_units")):
        yield Key(asset_id, Comparison.SUPPLY), at_most(units)
        yield Key(asset_id, Comparison.ISSUANCE_WALLET), at_most(units)
    burns = Redemption.objects.filter(state=RedemptionState.SOLD)
    for asset_id, units in _signed("burn", burns.values_list("id", "asset_id", "sold_units")):
        yield Key(asset_id, Comparison.SUPPLY), at_most(-units)
        yield Key(asset_id, Comparison.HOT_WALLET), at_most(-units)
    legs = SettlementLeg.objects.exclude(
        state__in=[SettlementLegState.FINAL, SettlementLegState.FAILED]
    )
    for out in (True, False):
        of_way = legs.filter(direction="out" if out else "back")
        for asset_id, units in _signed("move", of_way.values_list("id", "asset_id", "units")):
            yield Key(asset_id, Comparison.ISSUANCE_WALLET), at_most(-units if out else units)
            yield Key(asset_id, Comparison.HOT_WALLET), at_most(units if out else -units)


def _signed(what: str, rows: Iterable[tuple[UUID, int, int | None]]) -> Iterable[tuple[int, int]]:
    """(asset, units) of the requests whose transaction is signed and may land or has."""
    by_key = {f"{what}:{id}": (asset_id, units or 0) for id, asset_id, units in rows}
    live = ChainTransaction.objects.filter(key__in=by_key).exclude(state__in=GONE)
    return [by_key[key] for key in live.values_list("key", flat=True)]


def _at_the_custodian(now: datetime) -> Moves:
    # A sale leaves the custodian with its fill, the ledger with the burn that it pays for.
    filled = BlockOrder.objects.filter(side="sell", state=BlockOrderState.FILLED)
    divided = Redemption.objects.filter(
        state__in=[RedemptionState.HELD, RedemptionState.SUBMITTED, RedemptionState.SOLD],
        order__state__in=[CustodianOrderState.FILLED, CustodianOrderState.SETTLED],
    )
    sold = [
        *filled.values_list("asset_id", "filled_units"),
        *divided.values_list("share_asset_id", "order__filled_units"),
    ]
    for asset_id, units in sold:
        yield Key(asset_id, Comparison.SHARES), exactly(-(units or 0))
        yield Key(asset_id, Comparison.SHARES_SETTLED), exactly(-(units or 0))
    due = BlockOrder.objects.filter(
        side="buy",
        state__in=[BlockOrderState.FILLED, BlockOrderState.ALLOCATED],
        settles_at__lte=now + SETTLEMENT_GRACE,
    )
    for asset_id, units in due.values_list("asset_id", "filled_units"):
        yield Key(asset_id, Comparison.SHARES_SETTLED), at_most(units or 0)


def _deposits() -> Moves:
    """In our wallets or about to be, and credited to nobody."""
    seen = Deposit.objects.filter(state=DepositState.SEEN)
    for asset_id, units in seen.values_list("address__asset_id").annotate(units=Sum("units")):
        yield Key(asset_id, Comparison.WALLETS), at_most(units)
