"""Two officers who mint meanwhile.

In a process of its own (`companions.officers`), because it calls the platform's operations.
Each line it writes is the id of a mint whose start was committed; what fails is done again
with the same id.
"""

import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import Error, close_old_connections

from bourse.demo import people
from custody import operations
from custody.gateways.custodian import AlpacaCustodian
from custody.models import Asset, MintRequest
from custody.operations.issuance import approve_mint, share_units_for, start_mint
from custody.operations.shares import get_share_asset
from custody.states import MintState
from kernel import clock
from kernel.gateways import GatewayUnavailable
from kernel.ids import uuid7

SECONDS_BETWEEN_MINTS = 8.0
SECONDS_BETWEEN_LOOKS = 1.0
RETRY_SECONDS = 0.2
TOKEN_CODE = "MSFTx"
MINTED_UNITS = 10**8
# Shares delivered at the start: enough for all mints of a long run.
STOCK_UNITS = 2_000 * MINTED_UNITS


def main(name: str) -> None:
    """Mint until killed."""
    _until_done(partial(_receive_shares, name))
    next_at = 0.0
    while True:
        if time.monotonic() >= next_at:
            mint_id = uuid7()
            _until_done(partial(_start, mint_id))
            print(mint_id, flush=True)
            next_at = time.monotonic() + SECONDS_BETWEEN_MINTS
        _until_done(_approve)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _until_done(work: Callable[[], None]) -> None:
    while True:
        try:
            return work()
        except (Error, GatewayUnavailable):
            close_old_connections()
            time.sleep(RETRY_SECONDS)


def _receive_shares(name: str) -> None:
    token = Asset.objects.get(code=TOKEN_CODE)
    share = get_share_asset(token)
    with AlpacaCustodian.from_settings() as custodian:
        operations.receive_shares(
            custodian=custodian,
            asset_id=share.pk,
            units=share_units_for(token, share, STOCK_UNITS),
            key=f"torture {name}",
            now=clock.now(),
        )


def _start(mint_id: UUID) -> None:
    start_mint(
        asset_id=Asset.objects.get(code=TOKEN_CODE).pk,
        token_units=MINTED_UNITS,
        maker=people.get_officer("custody officer"),
        reason="Faults are tried.",
        use_free_shares=True,
        mint_id=mint_id,
        now=clock.now(),
    )


def _approve() -> None:
    waiting = MintRequest.objects.filter(state=MintState.AWAITING_APPROVAL)
    for mint in waiting.select_related("proposal"):
        assert mint.proposal is not None
        approve_mint(
            mint_id=mint.id,
            checker=people.get_officer("second custody officer"),
            body_hash=mint.proposal.body_hash,
            now=clock.now(),
        )
