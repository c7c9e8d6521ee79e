"""What the wallet and redemption pages show, in the investor's terms.

The ledger keeps several balances of one asset (for trading, on the way, set
aside); an investor sees one amount and how much of it is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Sum

from custody.ledger_purposes import Purpose
from custody.models import (
    Asset,
    Deposit,
    LedgerAccount,
    PoolTransfer,
    Redemption,
    ReserveAttestation,
)
from custody.models.pool_transfers import PoolTransferState
from kernel.money import format_units

HISTORY_MAX = 200
SHARE_DECIMALS = 9


@dataclass(slots=True)
class Holding:
    """One asset of one investor, in base units. `total` is the sum of the others."""

    asset: Asset
    available_units: int = 0
    in_orders_units: int = 0
    in_redemption_units: int = 0
    pledged_units: int = 0
    on_the_way_units: int = 0

    @property
    def total_units(self) -> int:
        return (
            self.available_units
            + self.in_orders_units
            + self.in_redemption_units
            + self.pledged_units
            + self.on_the_way_units
        )

    @property
    def held_units(self) -> int:
        return self.total_units - self.available_units


def list_holdings(*, investor_id: int) -> list[Holding]:
    """Every asset the investor has or had, stablecoins first, then by code."""
    holdings: dict[int, Holding] = {}
    for account in LedgerAccount.objects.filter(owner_id=investor_id).select_related(
        "asset", "asset__instrument"
    ):
        _add(holdings.setdefault(account.asset_id, Holding(account.asset)), account)
    for asset_id, units in _on_the_way(investor_id):
        if asset_id in holdings:
            holdings[asset_id].on_the_way_units += units
    return sorted(
        holdings.values(), key=lambda each: (each.asset.kind != "stablecoin", each.asset.code)
    )


def get_holding(*, investor_id: int, asset: Asset) -> Holding:
    """The holding of one asset, zero when there never was any."""
    found = [each for each in list_holdings(investor_id=investor_id) if each.asset == asset]
    return found[0] if found else Holding(asset)


def _add(holding: Holding, account: LedgerAccount) -> None:
    if account.purpose in (Purpose.REDEMPTION, Purpose.WITHDRAWAL):
        holding.in_redemption_units += account.posted_units
        return
    if account.purpose == Purpose.PLEDGED:
        holding.pledged_units += account.posted_units
        return
    holding.available_units += account.available_units
    holding.in_orders_units += account.held_units


def _on_the_way(investor_id: int) -> Sequence[tuple[int, int]]:
    """Units between `main` and `trading`: they lie in the pool's transit account."""
    lying = (
        Q(direction="in", state=PoolTransferState.REQUESTED)
        | Q(direction="out", state=PoolTransferState.DONE, swept_at__isnull=True)
        | Q(direction="in", state=PoolTransferState.REFUSED, swept_at__isnull=True)
    )
    transfers = PoolTransfer.objects.filter(lying, investor_id=investor_id)
    return list(transfers.values_list("asset_id").annotate(units=Sum("units")))


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the wallet's history."""

    title: str
    asset: Asset
    units: int
    state: str
    tone: str
    at: datetime
    reference: str
    url: str = ""


DEPOSIT_WORDS = {
    "seen": ("Seen on the chain, not final yet", "wait"),
    "credited": ("Credited", "good"),
    "vanished": ("Dropped by the chain before it was final", "bad"),
    "quarantined": ("Held for a check by staff", "wait"),
    "returned": ("Sent back to where it came from", "bad"),
}


def list_movements(*, investor_id: int) -> list[Movement]:
    """Deposits and redemptions, newest first, at most HISTORY_MAX."""
    deposits = Deposit.objects.filter(address__investor_id=investor_id).select_related(
        "address__asset"
    )
    redemptions = Redemption.objects.filter(investor_id=investor_id).select_related("asset")
    lines = [_deposit_line(each) for each in deposits.order_by("-seen_at")[:HISTORY_MAX]]
    lines += [
        _redemption_line(each) for each in redemptions.order_by("-requested_at")[:HISTORY_MAX]
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)[:HISTORY_MAX]


def _deposit_line(deposit: Deposit) -> Movement:
    words, tone = DEPOSIT_WORDS[deposit.state]
    return Movement(
        title="Deposit",
        asset=deposit.address.asset,
        units=deposit.units,
        state=words,
        tone=tone,
        at=deposit.credited_at or deposit.seen_at,
        reference=deposit.signature,
    )


def _redemption_line(redemption: Redemption) -> Movement:
    tone = {"paid": "good", "refused": "bad"}.get(redemption.state, "wait")
    return Movement(
        title="Redemption",
        asset=redemption.asset,
        units=-(redemption.sold_units or redemption.units) if redemption.state != "refused" else 0,
        state=redemption.get_state_display(),
        tone=tone,
        at=redemption.paid_at or redemption.refused_at or redemption.requested_at,
        reference=str(redemption.id),
        url=f"/redemptions/{redemption.id}/",
    )


@dataclass(frozen=True, slots=True)
class ReserveRow:
    """The newest attestation of one token, its numbers as shares where they compare.

    A number that could not be read is None and shown as unavailable, never as 0.
    """

    asset: Asset
    attestation: ReserveAttestation | None

    @property
    def verdict(self) -> str:
        return self.attestation.verdict if self.attestation else ""

    @property
    def liabilities_units(self) -> int | None:
        """Tokens the ledger owes or holds: investors', inventory, and those being burned."""
        found = self.attestation
        if found is None:
            return None
        return found.investor_units + found.inventory_units + found.burning_units

    @property
    def bars(self) -> list[tuple[str, str, int | None]]:
        """(what, digits with unit, per cent of the largest) of the three sides."""
        found = self.attestation
        if found is None:
            return []
        settled = found.custodian_settled_units
        sides = [
            ("Shares settled at the custodian", settled, SHARE_DECIMALS, self.asset.instrument),
            ("Tokens on the chain", found.chain_supply_units, self.asset.decimals, self.asset.code),
            ("Tokens in our ledger", self.liabilities_units, self.asset.decimals, self.asset.code),
        ]
        whole = [None if units is None else units / 10**decimals for _, units, decimals, _ in sides]
        largest = max((each for each in whole if each), default=1)
        return [
            (
                what,
                "unavailable" if units is None else f"{format_units(units, decimals)} {code}",
                None if size is None else round(100 * size / largest),
            )
            for (what, units, decimals, code), size in zip(sides, whole, strict=True)
        ]


def list_reserve_rows() -> list[ReserveRow]:
    """Every token with its newest attestation, by code."""
    newest = {
        each.asset_id: each
        for each in ReserveAttestation.objects.select_related("ledger_seal")
        .order_by("asset_id", "-as_of")
        .distinct("asset_id")
    }
    tokens = Asset.objects.filter(kind="token").select_related("instrument").order_by("code")
    return [ReserveRow(token, newest.get(token.pk)) for token in tokens]
