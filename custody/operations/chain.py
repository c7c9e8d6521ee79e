"""Signing transactions once, sending them until their fate is known.

`sign_once` stores the bytes and commits; `sweep_transactions` sends only stored
bytes, again and again, which the chain takes once. A replacement is signed only
when the first can never land: its last valid height lies below a final block
and the chain, asked after that, has not seen it. One that the chain ran and failed
will probably fail again, so each such failure doubles the wait for the next.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from custody.gateways.chain import (
    CONFIRMED,
    FINALIZED,
    STATUSES_MAX,
    ChainError,
    SignatureStatus,
    SolanaChain,
)
from custody.models import ChainTransaction
from custody.states import CHAIN_TRANSACTION_MOVES, ChainTransactionState, advance
from kernel import faults
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

logger = logging.getLogger(__name__)

MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")  # says, does nothing
# What a block takes: the network's packet less its headers.
TRANSACTION_BYTES_MAX = 1_232
OPEN = [
    ChainTransactionState.SIGNED,
    ChainTransactionState.SENT,
    ChainTransactionState.CONFIRMED,
]
GONE = [ChainTransactionState.FAILED, ChainTransactionState.EXPIRED]
FIRST_WAIT_SECONDS = 15
WAIT_DOUBLINGS_MAX = 8  # then about an hour


class FailedOnChain(Refusal):
    """The chain failed this transaction; another is signed after a while."""

    code = "failed_on_chain"
    http_status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is to happen on the chain; the first signer pays the fee."""

    kind: ChainTransaction.Kind
    key: str
    instructions: Sequence[Instruction]
    signers: Sequence[Keypair]


def sign_once(*, intent: Intent, chain: SolanaChain, now: datetime) -> ChainTransaction:
    """The one live transaction of this key, signed now unless it is there already.

    :raises GatewayUnavailable: no recent blockhash could be had.
    :raises FailedOnChain: the last one failed on the chain not long enough ago.
    """
    live = _live(intent.key)
    if live is not None:
        return live
    _check_waited(intent.key, now)
    recent = chain.latest_blockhash()
    # Two of the same content and blockhash would be one transaction to the chain, signature
    # and all: each says whose it is.
    instructions = [*intent.instructions, Instruction(MEMO, intent.key.encode(), [])]
    message = MessageV0.try_compile(intent.signers[0].pubkey(), instructions, [], recent.blockhash)
    signed = VersionedTransaction(message, list(intent.signers))
    assert len(bytes(signed)) <= TRANSACTION_BYTES_MAX, f"{intent.key} is too long for a block"
    kept = _keep(intent, signed, recent.last_valid_block_height, now)
    faults.reach("chain.after_sign")
    return kept


def sweep_transactions(*, chain: SolanaChain, now: datetime) -> int:
    """Send what is under way and note what became of it; how many rows moved.

    :raises GatewayUnavailable: the node does not answer; nothing is lost.
    """
    rows = list(ChainTransaction.objects.filter(state__in=OPEN).order_by("signed_at"))
    moved = 0
    for start in range(0, len(rows), STATUSES_MAX):
        moved += _sweep(rows[start : start + STATUSES_MAX], chain, now)
    return moved


def _check_waited(key: str, now: datetime) -> None:
    failed = ChainTransaction.objects.filter(key=key, state=ChainTransactionState.FAILED)
    last = failed.order_by("-attempt").first()
    if last is None:
        return
    doublings = min(failed.count() - 1, WAIT_DOUBLINGS_MAX)
    if now < last.signed_at + timedelta(seconds=FIRST_WAIT_SECONDS * 2**doublings):
        raise FailedOnChain(f"Failed on the chain {failed.count()} times: {last.error}")


@transaction.atomic
def _keep(
    intent: Intent, signed: VersionedTransaction, last_valid_block_height: int, now: datetime
) -> ChainTransaction:
    """Store the signed bytes, unless another worker was first: then ours are never sent."""
    with connection.cursor() as cursor:
        # One at a time per key; the unique index would refuse the second, loudly.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [intent.key])
    live = _live(intent.key)
    if live is not None:
        return live
    return ChainTransaction.objects.create(
        kind=intent.kind,
        key=intent.key,
        attempt=ChainTransaction.objects.filter(key=intent.key).count() + 1,
        signature=str(signed.signatures[0]),
        signed_bytes=bytes(signed),
        last_valid_block_height=last_valid_block_height,
        signed_at=now,
    )


def _sweep(rows: list[ChainTransaction], chain: SolanaChain, now: datetime) -> int:
    # The order matters: height first, then the statuses. What is not known after
    # its height is final will never be.
    final_slot = chain.slot(FINALIZED)
    final_height = chain.block_height(FINALIZED)
    for row in rows:
        if row.state != ChainTransactionState.CONFIRMED:
            _send(row, chain, final_height, now)
    answered_slot, statuses = chain.statuses([row.signature for row in rows])
    moved = 0
    for row, status in zip(rows, statuses, strict=True):
        is_past = final_height > row.last_valid_block_height and answered_slot >= final_slot
        target = _fate(row, status, is_past=is_past)
        moved += target is not None and _move(row, target, status, now)
    return moved


def _send(row: ChainTransaction, chain: SolanaChain, final_height: int, now: datetime) -> None:
    if final_height > row.last_valid_block_height:
        return
    try:
        chain.send(bytes(row.signed_bytes))
    except (ChainError, GatewayUnavailable) as failure:
        # Nothing is known: it may have arrived. The statuses tell, or the next sweep.
        logger.warning("sending %s: %s", row.signature, failure)
    if row.state == ChainTransactionState.SIGNED:
        _move(row, ChainTransactionState.SENT, None, now)
        row.state = ChainTransaction.State.SENT


def _fate(
    row: ChainTransaction, status: SignatureStatus | None, *, is_past: bool
) -> ChainTransactionState | None:
    """The state that the chain's answer means, or None when nothing changed."""
    state = ChainTransactionState(row.state)
    if status is None:
        if is_past:
            return ChainTransactionState.EXPIRED
        # Its block was abandoned before finality.
        return ChainTransactionState.SENT if state == ChainTransactionState.CONFIRMED else None
    if status.commitment == FINALIZED:
        return ChainTransactionState.FAILED if status.error else ChainTransactionState.FINAL
    if status.commitment == CONFIRMED and state != ChainTransactionState.CONFIRMED:
        return ChainTransactionState.CONFIRMED
    return None


def _move(
    row: ChainTransaction,
    target: ChainTransactionState,
    status: SignatureStatus | None,
    now: datetime,
) -> bool:
    state = ChainTransactionState(row.state)
    changes: dict[str, object] = {"state": advance(CHAIN_TRANSACTION_MOVES, state, target)}
    if target == ChainTransactionState.SENT and row.sent_at is None:
        changes["sent_at"] = now
    if status is not None:
        changes |= {"slot": status.slot, "error": status.error}
    if target == ChainTransactionState.FINAL:
        changes["final_at"] = now
    return bool(ChainTransaction.objects.filter(id=row.id, state=row.state).update(**changes))


def _live(key: str) -> ChainTransaction | None:
    return ChainTransaction.objects.exclude(state__in=GONE).filter(key=key).first()
