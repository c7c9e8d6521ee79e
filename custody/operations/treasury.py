"""The house's own means: dollars and shares at the custodian, inventory sold.

USDC reaches the treasury as a deposit to the hot wallet (operations/deposits.py).
"""

from datetime import datetime

from django.db import transaction

from accounts.models import Investor
from custody import ledger, pool_transfers
from custody.entry_kinds import EntryKind
from custody.gateways.custodian import AlpacaCustodian
from custody.ledger import Entry, Line
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset
from kernel.money import ceil_div
from kernel.refusals import Refusal

# The first pool; a second one needs a rule for which investor trades where.
TRADING_POOL = 1


class FreeOnlyForTheHouse(Refusal):
    """Inventory goes for nothing only to the house's own market maker."""

    code = "free_only_for_the_house"


def prefund_custodian(*, custodian: AlpacaCustodian, micros: int, key: str, now: datetime) -> None:
    """Wire the house's dollars to the custodian, so that shares can be bought.

    Repeated with the same key it happens once.
    :raises GatewayUnavailable: the custodian does not answer; repeat it.
    """
    assert micros > 0
    custodian.wire_in(micros=micros, note=key)
    usd = Asset.objects.get(kind=AssetKind.FIAT)
    lines = (
        Line(_house(usd.pk, Purpose.CUSTODIAN_CASH), -micros),
        Line(_house(usd.pk, Purpose.PREFUNDING), micros),
    )
    ledger.post([Entry(EntryKind.CUSTODIAN_PREFUNDED, f"prefund:{key}", key, lines)], now)


def receive_shares(
    *, custodian: AlpacaCustodian, asset_id: int, units: int, key: str, now: datetime
) -> None:
    """Take delivery of settled shares that the house brings in, free of payment.

    Repeated with the same key it happens once.
    :raises GatewayUnavailable: the custodian does not answer; repeat it.
    """
    share = Asset.objects.select_related("instrument").get(id=asset_id, kind=AssetKind.SHARE)
    assert share.instrument is not None
    custodian.receive_shares(symbol=share.instrument.ticker, units=units, note=key)
    lines = (
        Line(_house(share.pk, Purpose.CUSTODIAN_SETTLED), -units),
        Line(_house(share.pk, Purpose.SHARES_FREE), units),
    )
    ledger.post([Entry(EntryKind.SHARES_DELIVERED, f"shares_delivered:{key}", key, lines)], now)


@transaction.atomic
def allocate_inventory(
    *,
    investor_id: int,
    asset_id: int,
    units: int,
    price_micros: int,
    key: str,
    now: datetime,
    pool: int = TRADING_POOL,
) -> int:
    """Primary sale: minted tokens out of inventory against USDC from the investor's main.

    Only what is minted can be sold, so the house is never short. The price is
    micro-USDC per whole token, the cash rounded up; tokens go on into trading.
    Returns the journal entry's id; repeated with the same key it happens once.

    :raises FreeOnlyForTheHouse: without a price, and the buyer is not the house.
    :raises ledger.InsufficientUnits: too little inventory or too little cash in main.
    """
    if price_micros <= 0 and not Investor.objects.get(id=investor_id).is_house:
        raise FreeOnlyForTheHouse
    token = Asset.objects.get(id=asset_id, kind=AssetKind.TOKEN)
    usdc = Asset.objects.get(code="USDC")
    cash = ceil_div(price_micros * units, 10**token.decimals)
    main = ledger.get_account_id(investor_id, token.pk, Purpose.MAIN)
    paying = ledger.get_account_id(investor_id, usdc.pk, Purpose.MAIN)
    lines = [Line(_house(token.pk, Purpose.INVENTORY), -units), Line(main, units)]
    if cash:
        lines += [Line(paying, -cash), Line(_house(usdc.pk, Purpose.TREASURY), cash)]
    entry = Entry(EntryKind.INVENTORY_SOLD, f"inventory_sold:{key}", key, tuple(lines))
    pool_transfers.lock_way_in(
        investor_id=investor_id,
        asset_id=token.pk,
        pool=pool,
        besides=[line.account_id for line in lines],
    )
    (entry_id,) = ledger.post([entry], now)
    pool_transfers.request_in(
        investor_id=investor_id,
        asset_id=token.pk,
        pool=pool,
        units=units,
        purpose="primary sale",
        key=f"primary_sale:{key}",
        now=now,
    )
    return entry_id


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)
