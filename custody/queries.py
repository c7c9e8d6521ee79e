"""Reads of custody: mints, redemptions, addresses, reserves.

Reserves compare share equivalents at one moment: what the custodian reports,
what circulates on the chain, what the ledger owes. What could not be read is
None, never 0.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from custody.gateways.chain import ACCOUNTS_MAX, ChainError, SolanaChain
from custody.gateways.custodian import AlpacaCustodian, CustodianRefused, Shares
from custody.ledger_purposes import ON_CHAIN_PURPOSES, AssetKind, Purpose
from custody.models import (
    Asset,
    BlockOrder,
    CustodianOrder,
    DepositAddress,
    LedgerAccount,
    MintRequest,
    Redemption,
    ReserveAttestation,
)
from custody.states import RedemptionState
from kernel.gateways import GatewayUnavailable
from kernel.money import ceil_div

logger = logging.getLogger(__name__)

ONE_E18 = 10**18
Verdict = ReserveAttestation.Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserves:
    """One token's reserves as of a moment. Shares have 9 decimals, tokens 8.

    `burning_units` are tokens whose shares are sold and whose burn is not final;
    `minting_units` are tokens on the chain that the ledger has not booked yet.
    """

    asset: Asset
    as_of: datetime
    custodian_settled_units: int | None
    custodian_unsettled_units: int | None
    chain_supply_units: int | None
    chain_slot: int | None
    investor_units: int
    inventory_units: int
    minting_units: int
    burning_units: int
    burning_share_units: int
    ledger_settled_units: int
    ledger_unsettled_units: int
    required_share_units: int | None
    findings: Sequence[str] = field(default_factory=tuple)

    @property
    def verdict(self) -> ReserveAttestation.Verdict:
        if self.findings:
            return Verdict.BROKEN
        if self.custodian_settled_units is None or self.chain_supply_units is None:
            return Verdict.UNAVAILABLE
        return Verdict.COVERED


def list_latest_attestations() -> QuerySet[ReserveAttestation]:
    """The newest attestation of each token, by the token's code."""
    newest = ReserveAttestation.objects.filter(asset=OuterRef("asset")).order_by("-as_of")
    return (
        ReserveAttestation.objects.filter(id=Subquery(newest.values("id")[:1]))
        .select_related("asset", "asset__instrument")
        .order_by("asset__code")
    )


def reserves(*, chain: SolanaChain, custodian: AlpacaCustodian, now: datetime) -> list[Reserves]:
    """Every minted token's reserves, read from all three at once.

    A party that does not answer leaves None; it never raises.
    """
    tokens = Asset.objects.filter(kind=AssetKind.TOKEN).exclude(mint_address="")
    rows = list(tokens.select_related("instrument").order_by("code"))
    found = _read_reserves(rows, chain, custodian, now)
    # The three are not read in one instant: what was booked between two of them looks
    # like a break. A break is what is still there when those tokens are read again.
    suspects = [each.asset for each in found if each.findings]
    again = _read_reserves(suspects, chain, custodian, now) if suspects else []
    newer = {each.asset.pk: each for each in again}
    return [newer.get(each.asset.pk, each) for each in found]


def list_cash_breaks(*, chain: SolanaChain, custodian: AlpacaCustodian) -> list[str]:
    """USDC on the chain and dollars at the custodian that are less than what is booked.

    More than that is no break: it has arrived and is not credited or booked yet.
    """
    breaks = []
    for asset in Asset.objects.filter(kind=AssetKind.STABLECOIN).exclude(mint_address=""):
        booked = -_posted(asset, Purpose.CHAIN)
        present = _on_chain(asset, chain)
        if present is None or present < booked:
            found = "unavailable" if present is None else present
            breaks.append(f"{asset.code}: {found} units on the chain, {booked} booked.")
    for usd in Asset.objects.filter(kind=AssetKind.FIAT):
        booked = _dollars_at_the_custodian(usd)
        cash = _custodian_cash(custodian)
        # A purchase may have filled and not be booked yet: then less is there rightly.
        is_buying = BlockOrder.objects.filter(side="buy", state__in=["new", "submitted", "stuck"])
        if cash is None or (cash < booked and not is_buying.exists()):
            found = "unavailable" if cash is None else cash
            breaks.append(f"{usd.code}: {found} micro-dollars at the custodian, {booked} booked.")
    return breaks


# --- inside ---------------------------------------------------------------------


def _read_reserves(
    tokens: Sequence[Asset], chain: SolanaChain, custodian: AlpacaCustodian, now: datetime
) -> list[Reserves]:
    """The custodian, the chain, then the ledger."""
    held = _custodian_shares(custodian, now)
    supplies = _supplies([token.mint_address for token in tokens], chain)
    return [_reserves_of(token, held, supplies.get(token.mint_address), now) for token in tokens]


def _on_chain(asset: Asset, chain: SolanaChain) -> int | None:
    """What our token accounts of an asset hold at a final slot."""
    addresses = DepositAddress.objects.filter(asset=asset)
    accounts = list(addresses.order_by("id").values_list("token_account", flat=True))
    total = 0
    try:
        for start in range(0, len(accounts), ACCOUNTS_MAX):
            batch = accounts[start : start + ACCOUNTS_MAX]
            _, units = chain.token_units(batch, asset.mint_address)
            total += sum(each or 0 for each in units)
    except (GatewayUnavailable, ChainError) as failure:
        logger.warning("%s: %s", asset.code, failure)
        return None
    return total


def _dollars_at_the_custodian(usd: Asset) -> int:
    """As the custodian counts them, trade-date: what is owed either way has moved already."""
    settled, receivable = _posted(usd, Purpose.CUSTODIAN_CASH), _posted(usd, Purpose.RECEIVABLE)
    return -settled - receivable - _posted(usd, Purpose.PAYABLE)


def _custodian_cash(custodian: AlpacaCustodian) -> int | None:
    try:
        return custodian.cash_micros()
    except (GatewayUnavailable, CustodianRefused) as failure:
        logger.warning("cash: %s", failure)
        return None


def _custodian_shares(custodian: AlpacaCustodian, now: datetime) -> Mapping[str, Shares] | None:
    try:
        return custodian.shares(now=now)
    except (GatewayUnavailable, CustodianRefused) as failure:
        logger.warning("shares: %s", failure)
        return None


def _reserves_of(
    token: Asset,
    held: Mapping[str, Shares] | None,
    on_chain: tuple[int, int] | None,
    now: datetime,
) -> Reserves:
    assert token.instrument is not None
    assert token.instrument_id is not None
    share = Asset.objects.get(instrument_id=token.instrument_id, kind=AssetKind.SHARE)
    shares = None if held is None else held.get(token.instrument.ticker, Shares(0, 0))
    slot, supply = on_chain or (None, None)
    investors, inventory = _owed(token)
    burning_tokens, burning_shares = _burning(token)
    required = None if supply is None else _required(token, share, supply)
    found = Reserves(
        asset=token,
        as_of=now,
        custodian_settled_units=None if shares is None else shares.settled_units,
        custodian_unsettled_units=None if shares is None else shares.unsettled_units,
        chain_supply_units=supply,
        chain_slot=slot,
        investor_units=investors,
        inventory_units=inventory,
        minting_units=_minting(token),
        burning_units=burning_tokens,
        burning_share_units=burning_shares,
        ledger_settled_units=-_posted(share, Purpose.CUSTODIAN_SETTLED),
        ledger_unsettled_units=-_posted(share, Purpose.CUSTODIAN_BOUGHT)
        - _posted(share, Purpose.CUSTODIAN_ALLOCATED),
        required_share_units=required,
    )
    return replace(found, findings=tuple(_breaks(found)))


def _breaks(found: Reserves) -> list[str]:
    """Each difference that nothing under way explains, as a sentence."""
    breaks = [] if found.custodian_settled_units is None else _share_breaks(found)
    owed = found.investor_units + found.inventory_units
    supply = found.chain_supply_units
    if supply is not None and not (
        owed - found.burning_units <= supply <= owed + found.minting_units
    ):
        breaks.append(f"{found.asset.code}: {supply} token units circulate, {owed} are owed.")
    return breaks


def _share_breaks(found: Reserves) -> list[str]:
    """The custodian against the ledger, and against what the supply stands for."""
    assert found.custodian_settled_units is not None
    assert found.custodian_unsettled_units is not None
    code, breaks = found.asset.code, []
    present = found.custodian_settled_units + found.custodian_unsettled_units
    booked = found.ledger_settled_units + found.ledger_unsettled_units
    # What was sold and is not booked as burned is gone from the custodian alone.
    shortfall = booked - present - found.burning_share_units
    buying, selling = _orders_under_way(found.asset)
    if not -buying <= shortfall <= selling:
        breaks.append(f"{code}: the custodian holds {present} share units, the ledger {booked}.")
    if found.required_share_units is not None:
        # Tokens whose shares are sold already still circulate until their burn is final.
        sold = found.burning_share_units + (shortfall if 0 < shortfall <= selling else 0)
        missing = found.required_share_units - found.custodian_settled_units - sold
        if missing > 0:
            breaks.append(f"{code}: {missing} share units are missing at the custodian.")
    return breaks


def _supplies(mints: Sequence[str], chain: SolanaChain) -> dict[str, tuple[int, int]]:
    """(slot, supply) by mint; one that could not be read is left out."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for start in range(0, len(mints), ACCOUNTS_MAX):
            batch = mints[start : start + ACCOUNTS_MAX]
            slot, supplies = chain.supplies(batch)
            for mint, supply in zip(batch, supplies, strict=True):
                if supply is not None:
                    found[mint] = (slot, supply)
    except (GatewayUnavailable, ChainError) as failure:
        logger.warning("supply: %s", failure)
    return found


def _owed(token: Asset) -> tuple[int, int]:
    """(units of investors wherever they lie, units in the house's inventory)."""
    accounts = LedgerAccount.objects.filter(asset=token).exclude(purpose__in=ON_CHAIN_PURPOSES)
    inventory = accounts.filter(purpose=Purpose.INVENTORY).aggregate(units=Sum("posted_units"))
    everything = accounts.aggregate(units=Sum("posted_units"))
    house = int(inventory["units"] or 0)
    return int(everything["units"] or 0) - house, house


def _minting(token: Asset) -> int:
    """Tokens that are or may be on the chain and are not booked."""
    rows = MintRequest.objects.filter(asset=token, state="minting")
    return int(rows.aggregate(units=Sum("token_units"))["units"] or 0)


def _burning(token: Asset) -> tuple[int, int]:
    """(tokens, shares) sold at the custodian and not yet booked as burned."""
    sold = Redemption.objects.filter(
        Q(state=RedemptionState.SOLD)
        | Q(
            state__in=[RedemptionState.HELD, RedemptionState.SUBMITTED],
            order__state__in=["filled", "settled"],
        ),
        asset=token,
    )
    sums = sold.aggregate(
        tokens=Sum(Coalesce("sold_units", "units")),
        shares=Sum(Coalesce("order__filled_units", "share_units")),
    )
    return int(sums["tokens"] or 0), int(sums["shares"] or 0)


def _orders_under_way(token: Asset) -> tuple[int, int]:
    """(share units being bought, being sold): they may have filled and not be booked yet."""
    rows = CustodianOrder.objects.filter(
        asset__instrument=token.instrument, state__in=["new", "submitted"]
    )
    sums = dict(rows.values_list("side").annotate(units=Sum("units")))
    return int(sums.get("buy", 0)), int(sums.get("sell", 0))


def _required(token: Asset, share: Asset, supply: int) -> int:
    scaled = supply * int(token.multiplier_e18) * 10**share.decimals
    return ceil_div(scaled, ONE_E18 * 10**token.decimals)


def _posted(asset: Asset, purpose: Purpose) -> int:
    account = LedgerAccount.objects.filter(owner=None, asset=asset, purpose=purpose).first()
    return account.posted_units if account else 0
