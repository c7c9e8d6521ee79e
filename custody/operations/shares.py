"""Asking for shares: an order is a row, whoever needs it; blocks carry it out.

See operations/settlement_blocks.py for what follows.
"""

from datetime import datetime

from django.db.models import F, Sum

from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, CustodianOrder, LedgerAccount, MintRequest
from custody.states import CustodianOrderState, MintState
from kernel.refusals import Refusal


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
    """Write down an order; the next sweep nets it. Joins the caller's transaction."""
    return CustodianOrder.objects.create(
        asset_id=asset_id, side=side, units=units, requested_at=now
    )


def leaves_what_was_bought(asset_id: int) -> bool:
    """Whether enough is free for the mints whose shares have settled and are not held yet."""
    waiting = MintRequest.objects.filter(
        share_asset=asset_id,
        state__in=[MintState.SHARES_ORDERED, MintState.SHARES_BOUGHT],
        order__state=CustodianOrderState.SETTLED,
        order__filled_units__gte=F("share_units"),
    )
    needed = waiting.aggregate(units=Sum("share_units"))["units"] or 0
    free = LedgerAccount.objects.get(owner=None, asset=asset_id, purpose=Purpose.SHARES_FREE)
    return free.available_units >= needed
