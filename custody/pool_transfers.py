"""Moving units between an investor's `main` balance and the one she trades with.

One writer per balance, so it takes two steps with a row between them:

    in    custody: main -> transit, row `requested`     engine: transit -> trading, `done`
    out   custody: row `requested`                      engine: trading -> transit, `done`
          custody, sweeping: transit -> main, `swept_at`

The engine may refuse: an `out` moves nothing then, an `in` is swept back to main.
The engine finds new rows in its inbox and books `engine_entries` in its batch. The
investor sees one balance: queries add what is in transit to what is posted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from custody import ledger
from custody.entry_kinds import EntryKind
from custody.ledger import Entry, Line
from custody.ledger_purposes import Purpose
from custody.models import PoolTransfer
from custody.models.pool_transfers import Direction, PoolTransferState

# A sweep takes this many rows; the next one comes soon.
SWEEP_BATCH_MAX = 500


@transaction.atomic
def request_in(
    *,
    investor_id: int,
    asset_id: int,
    pool: int,
    units: int,
    purpose: str,
    key: str,
    now: datetime,
    reference: str = "",
) -> PoolTransfer:
    """Send units from main towards trading; the same key again returns the first request.

    :raises ledger.InsufficientUnits: main has fewer available units.
    :raises ledger.KeyReused: the key asked for something else before.
    """
    transfer = _request(
        direction=Direction.IN,
        investor_id=investor_id,
        asset_id=asset_id,
        pool=pool,
        units=units,
        purpose=purpose,
        reference=reference,
        key=key,
        now=now,
    )
    main, transit = _main_and_transit(transfer)
    entry = Entry(
        EntryKind.POOL_IN_REQUESTED,
        f"pool_in:{transfer.id}",
        str(transfer.id),
        (Line(main, -units), Line(transit, units)),
    )
    ledger.post([entry], now)
    return transfer


def request_out(
    *,
    investor_id: int,
    asset_id: int,
    pool: int,
    units: int,
    purpose: str,
    key: str,
    now: datetime,
    reference: str = "",
) -> PoolTransfer:
    """Ask the engine to give up units; it refuses more than are available to trade.

    :raises ledger.KeyReused: the key asked for something else before.
    """
    return _request(
        direction=Direction.OUT,
        investor_id=investor_id,
        asset_id=asset_id,
        pool=pool,
        units=units,
        purpose=purpose,
        reference=reference,
        key=key,
        now=now,
    )


def lock_way_in(*, investor_id: int, asset_id: int, pool: int, besides: Sequence[int]) -> None:
    """Lock the balances of a `request_in` and others in one order, for one transaction.

    Call it first in an operation that posts to `besides` and then sends units in: its
    two calls would else lock in two orders, and deadlock with a sweep (docs/locking.md).
    """
    main = ledger.get_account_id(investor_id, asset_id, Purpose.MAIN)
    transit = ledger.get_account_id(None, asset_id, Purpose.TRANSIT, pool)
    ledger.lock_posted([main, transit, *besides])


def list_to_sweep() -> QuerySet[PoolTransfer]:
    """Answered transfers whose units lie in transit for custody to take."""
    left_in_transit = Q(direction=Direction.OUT, state=PoolTransferState.DONE) | Q(
        direction=Direction.IN, state=PoolTransferState.REFUSED
    )
    # The exclusion says nothing new, but with it the partial index serves the query.
    return PoolTransfer.objects.filter(left_in_transit, swept_at__isnull=True).exclude(
        state=PoolTransferState.REQUESTED
    )


def sweep_out(*, now: datetime) -> int:
    """Take what the engine left in transit back to main; returns how many transfers.

    Safe to run twice, in parallel and late: the entry's key is the transfer's.
    """
    ids = list_to_sweep().order_by("requested_at").values_list("id", flat=True)
    swept = [transfer_id for transfer_id in ids[:SWEEP_BATCH_MAX] if _sweep(transfer_id, now)]
    return len(swept)


@transaction.atomic
def _sweep(transfer_id: UUID, now: datetime) -> bool:
    moved = list_to_sweep().filter(id=transfer_id).update(swept_at=now)
    if moved == 0:
        return False  # another worker was first
    transfer = PoolTransfer.objects.get(id=transfer_id)
    main, transit = _main_and_transit(transfer)
    entry = Entry(
        EntryKind.POOL_TRANSFER_SWEPT,
        f"pool_swept:{transfer.id}",
        str(transfer.id),
        (Line(transit, -transfer.units), Line(main, transfer.units)),
    )
    ledger.post([entry], now)
    return True


def _request(*, key: str, now: datetime, **asked: Any) -> PoolTransfer:
    # Before the row, because the engine looks its accounts up when the row appears.
    ledger.get_account_id(asked["investor_id"], asked["asset_id"], Purpose.TRADING, asked["pool"])
    ledger.get_account_id(None, asked["asset_id"], Purpose.TRANSIT, asked["pool"])
    transfer, _ = PoolTransfer.objects.get_or_create(
        key=key, defaults={**asked, "requested_at": now}
    )
    if any(getattr(transfer, field) != value for field, value in asked.items()):
        raise ledger.KeyReused(f"{key} asked for another transfer before.")
    return transfer


def _main_and_transit(transfer: PoolTransfer) -> tuple[int, int]:
    return (
        ledger.get_account_id(transfer.investor_id, transfer.asset_id, Purpose.MAIN),
        ledger.get_account_id(None, transfer.asset_id, Purpose.TRANSIT, transfer.pool),
    )
