"""Moving an investor's units from one pool to another, by way of `main`.

Each pool's engine is the one writer of its balances, so a move is two transfers: out of
the first, and into the second once custody has taken the units over. It is told by its
key: the same call again takes the next step, and a finished move stays as it is.
"""

from datetime import datetime

from custody import pool_transfers
from custody.models import PoolTransfer
from custody.models.pool_transfers import PoolTransferState
from trading.engine.refusals import InsufficientFunds

PURPOSE = "another pool"


def move(
    *,
    investor_id: int,
    asset_id: int,
    units: int,
    from_pool: int,
    to_pool: int,
    key: str,
    now: datetime,
) -> PoolTransfer | None:
    """Take the next step; the second transfer once it is under way, None before.

    :raises InsufficientFunds: the first pool has fewer available units; nothing moved.
    """
    out = pool_transfers.request_out(
        investor_id=investor_id,
        asset_id=asset_id,
        pool=from_pool,
        units=units,
        purpose=PURPOSE,
        key=f"pool_move:{key}:out",
        now=now,
    )
    if out.state == PoolTransferState.REFUSED:
        raise InsufficientFunds
    if out.state == PoolTransferState.REQUESTED:
        return None
    if out.swept_at is None:
        pool_transfers.sweep_out(now=now)
        out.refresh_from_db()
        if out.swept_at is None:
            return None  # behind many others; the next step sweeps on
    return pool_transfers.request_in(
        investor_id=investor_id,
        asset_id=asset_id,
        pool=to_pool,
        units=units,
        purpose=PURPOSE,
        key=f"pool_move:{key}:in",
        reference=str(out.id),
        now=now,
    )
