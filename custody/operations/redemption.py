"""Asking for a redemption: units out of trading, queued for the next session.

The one rule: the price is the fill of a sale that was ordered after the units
were taken (forward price). Nothing is quoted, so nobody can redeem against a
stale price. What follows is in operations/redemption_steps.py.

See docs/redemption.md for the clock and the postings.
"""

import hashlib
import json
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import EligibilitySnapshot
from custody import ledger, pool_transfers
from custody.halts import check_not_halted
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, LedgerAccount, Redemption
from custody.operations.shares import get_share_asset
from custody.states import RedemptionState
from kernel.money import floor_div, format_units
from kernel.refusals import Forbidden, Refusal

ONE_E18 = 10**18
# More than this is an attack or a bug.
OPEN_REDEMPTIONS_PER_INVESTOR_MAX = 50
# The custodian sells fractions from about a dollar; a hundredth of a token of
# anything listed is at least near it, and its fee is not lost in the rounding.
REDEMPTION_UNITS_MIN = 1_000_000
ENDED = [RedemptionState.PAID, RedemptionState.REFUSED]


class RedemptionTooSmall(Refusal):
    """Redeem at least a hundredth of a token."""

    code = "redemption_too_small"


class TooManyOpenRedemptions(Refusal):
    """Wait until some of your redemptions are paid."""

    code = "too_many_open_redemptions"


class IdempotencyKeyReused(Refusal):
    """This key was used before, for another redemption."""

    code = "idempotency_key_reused"
    http_status = 409


class NotRedeemable(Refusal):
    """This asset cannot be redeemed."""

    code = "not_redeemable"


def fee_e6() -> int:
    """The redemption fee in parts per million of the cash."""
    return int(settings.ENV.redemption_fee_ppm)


@transaction.atomic
def request_redemption(
    *, investor_id: int, asset_id: int, units: int, idempotency_key: str, now: datetime
) -> Redemption:
    """Take the units out of trading and queue them; the same key answers the first one.

    :raises NotRedeemable, RedemptionTooSmall, TooManyOpenRedemptions: as they say.
    :raises AssetHalted: a difference of this token is being looked into.
    :raises Forbidden: the investor may not sell (frozen, or never approved).
    :raises ledger.InsufficientUnits: fewer units are available for trading.
    :raises IdempotencyKeyReused: the key asked for something else before.
    """
    body_hash = _hash(asset_id, units)
    known = _known(investor_id, idempotency_key, body_hash)
    if known is not None:
        return known
    token, share, share_units = _check(investor_id, asset_id, units)
    pool = _pool_with(investor_id, token.pk, units)
    try:
        with transaction.atomic():
            redemption = Redemption.objects.create(
                investor_id=investor_id,
                asset=token,
                share_asset=share,
                units=units,
                share_units=share_units,
                idempotency_key=idempotency_key,
                body_hash=body_hash,
                fee_e6=fee_e6(),
                requested_at=now,
            )
    except IntegrityError:
        known = _known(investor_id, idempotency_key, body_hash)  # a second click at once
        if known is None:
            raise
        return known
    redemption.transfer_out = pool_transfers.request_out(
        investor_id=investor_id,
        asset_id=token.pk,
        pool=pool,
        units=units,
        purpose="redemption",
        key=f"redemption:{redemption.id}",
        now=now,
        reference=str(redemption.id),
    )
    redemption.save(update_fields=["transfer_out"])
    return redemption


def _check(investor_id: int, asset_id: int, units: int) -> tuple[Asset, Asset, int]:
    token = Asset.objects.filter(id=asset_id, kind=AssetKind.TOKEN).first()
    if token is None or not token.mint_address:
        raise NotRedeemable
    check_not_halted(token)
    if units < REDEMPTION_UNITS_MIN:
        raise RedemptionTooSmall(
            minimum=format_units(REDEMPTION_UNITS_MIN, token.decimals),
        )
    check_may_sell(investor_id)
    open_rows = Redemption.objects.filter(investor_id=investor_id).exclude(state__in=ENDED)
    if open_rows.count() >= OPEN_REDEMPTIONS_PER_INVESTOR_MAX:
        raise TooManyOpenRedemptions(maximum=str(OPEN_REDEMPTIONS_PER_INVESTOR_MAX))
    share = get_share_asset(token)
    return token, share, shares_of(token, share, units)


def check_may_sell(investor_id: int) -> None:
    """A blocked investor may still leave; a frozen one may not. :raises Forbidden: as it says."""
    newest = (
        EligibilitySnapshot.objects.filter(investor_id=investor_id).order_by("-version").first()
    )
    if newest is None or not newest.may_sell:
        raise Forbidden("You may not redeem now.")


def shares_of(token: Asset, share: Asset, units: int) -> int:
    """Shares that leave with the tokens, rounded down: what remains backs the rest."""
    scaled = units * int(token.multiplier_e18) * 10**share.decimals
    return floor_div(scaled, ONE_E18 * 10**token.decimals)


def _pool_with(investor_id: int, asset_id: int, units: int) -> int:
    """The pool where enough is available; its engine has the last word."""
    trading = LedgerAccount.objects.filter(
        owner_id=investor_id, asset_id=asset_id, purpose=Purpose.TRADING
    ).order_by("pool")
    for account in trading:
        if account.available_units >= units:
            return account.pool
    most = max((account.available_units for account in trading), default=0)
    token = Asset.objects.get(pk=asset_id)
    raise ledger.InsufficientUnits(
        f"You have {format_units(most, token.decimals)} {token.code} available.",
        available=format_units(most, token.decimals),
        needed=format_units(units, token.decimals),
    )


def _known(investor_id: int, key: str, body_hash: bytes) -> Redemption | None:
    known = Redemption.objects.filter(investor_id=investor_id, idempotency_key=key).first()
    if known is not None and bytes(known.body_hash) != body_hash:
        raise IdempotencyKeyReused
    return known


def _hash(asset_id: int, units: int) -> bytes:
    body = json.dumps({"asset": asset_id, "units": str(units)}, sort_keys=True)
    return hashlib.sha256(body.encode()).digest()
