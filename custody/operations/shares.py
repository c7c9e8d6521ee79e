"""Asking for shares: an order is a row, whoever needs it; blocks carry it out.

See operations/settlement_blocks.py for what follows.
"""

from datetime import datetime

from custody.ledger_purposes import AssetKind
from custody.models import Asset, CustodianOrder
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
