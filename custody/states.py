"""The state machines of custody, as tables; `advance` is the only door.

See docs/custody.md (deposits, mints, chain transactions) and docs/redemption.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class DepositState(StrEnum):
    """Money seen on the chain at one of our addresses."""

    SEEN = "seen"  # in a confirmed block; a fork may still drop it
    CREDITED = "credited"  # final on the chain and booked, once
    VANISHED = "vanished"  # its block was abandoned before finality
    QUARANTINED = "quarantined"  # final, but staff must decide whose it is
    RETURNED = "returned"  # sent back out of our wallet, as two officers confirmed


class ChainTransactionState(StrEnum):
    """One signed transaction; only its stored bytes are ever sent."""

    SIGNED = "signed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FINAL = "final"
    FAILED = "failed"  # final on the chain with an error: it did nothing
    EXPIRED = "expired"  # its blockhash is too old: it can never land


class CustodianOrderState(StrEnum):
    NEW = "new"  # to be sent; may already be there under its client_order_id
    SUBMITTED = "submitted"
    FILLED = "filled"  # traded, whole or what there was of it, and booked unsettled
    SETTLED = "settled"
    REJECTED = "rejected"


class BlockOrderState(StrEnum):
    """Orders of one share and side, netted into one at the custodian."""

    NEW = "new"  # to be sent; may already be there under its id
    SUBMITTED = "submitted"
    FILLED = "filled"  # traded, whole or what there was of it, and booked
    ALLOCATED = "allocated"  # divided among its orders
    SETTLED = "settled"
    REJECTED = "rejected"
    STUCK = "stuck"  # sent too often without an answer: staff let it go on, under its id


class SettlementLegState(StrEnum):
    """Tokens on their way between our two wallets."""

    PLANNED = "planned"
    SIGNED = "signed"
    FINAL = "final"  # final on the chain and booked
    STUCK = "stuck"  # failed too often; nothing of it can land any more
    FAILED = "failed"  # given up by staff: the next is planned from what lies where now


class MintState(StrEnum):
    REQUESTED = "requested"
    SHARES_ORDERED = "shares_ordered"
    SHARES_BOUGHT = "shares_bought"
    SHARES_SETTLED = "shares_settled"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    MINTING = "minting"
    MINTED = "minted"
    REJECTED = "rejected"  # the second officer said no
    FAILED = "failed"  # no shares or only a part of them, or nobody decided in time


class RedemptionState(StrEnum):
    REQUESTED = "requested"  # the units are on their way out of trading
    HELD = "held"  # in escrow
    SUBMITTED = "submitted"  # the sale is at the custodian
    SOLD = "sold"  # filled: the price is known
    BURNED = "burned"  # final on the chain
    PAID = "paid"
    REFUSED = "refused"  # the units are back with the investor


DEPOSIT_MOVES: Mapping[DepositState, frozenset[DepositState]] = {
    DepositState.SEEN: frozenset(
        {DepositState.CREDITED, DepositState.VANISHED, DepositState.QUARANTINED}
    ),
    # A dropped transaction may land again in another block.
    DepositState.VANISHED: frozenset({DepositState.SEEN}),
    DepositState.QUARANTINED: frozenset({DepositState.CREDITED, DepositState.RETURNED}),
    DepositState.CREDITED: frozenset(),
    DepositState.RETURNED: frozenset(),
}

CHAIN_TRANSACTION_MOVES: Mapping[ChainTransactionState, frozenset[ChainTransactionState]] = {
    ChainTransactionState.SIGNED: frozenset(
        {
            ChainTransactionState.SENT,
            ChainTransactionState.CONFIRMED,
            ChainTransactionState.FINAL,
            ChainTransactionState.FAILED,
            ChainTransactionState.EXPIRED,
        }
    ),
    ChainTransactionState.SENT: frozenset(
        {
            ChainTransactionState.CONFIRMED,
            ChainTransactionState.FINAL,
            ChainTransactionState.FAILED,
            ChainTransactionState.EXPIRED,
        }
    ),
    # Back to sent when its block was abandoned before finality.
    ChainTransactionState.CONFIRMED: frozenset(
        {
            ChainTransactionState.SENT,
            ChainTransactionState.FINAL,
            ChainTransactionState.FAILED,
            ChainTransactionState.EXPIRED,
        }
    ),
    ChainTransactionState.FINAL: frozenset(),
    ChainTransactionState.FAILED: frozenset(),
    ChainTransactionState.EXPIRED: frozenset(),
}

CUSTODIAN_ORDER_MOVES: Mapping[CustodianOrderState, frozenset[CustodianOrderState]] = {
    CustodianOrderState.NEW: frozenset(
        {CustodianOrderState.SUBMITTED, CustodianOrderState.REJECTED}
    ),
    # Back to new when the block that it was sent in was refused: it is sent again alone.
    CustodianOrderState.SUBMITTED: frozenset(
        {CustodianOrderState.NEW, CustodianOrderState.FILLED, CustodianOrderState.REJECTED}
    ),
    CustodianOrderState.FILLED: frozenset({CustodianOrderState.SETTLED}),
    CustodianOrderState.SETTLED: frozenset(),
    CustodianOrderState.REJECTED: frozenset(),
}

BLOCK_ORDER_MOVES: Mapping[BlockOrderState, frozenset[BlockOrderState]] = {
    BlockOrderState.NEW: frozenset(
        {BlockOrderState.SUBMITTED, BlockOrderState.REJECTED, BlockOrderState.STUCK}
    ),
    BlockOrderState.STUCK: frozenset({BlockOrderState.NEW}),
    BlockOrderState.SUBMITTED: frozenset({BlockOrderState.FILLED, BlockOrderState.REJECTED}),
    BlockOrderState.FILLED: frozenset({BlockOrderState.ALLOCATED}),
    BlockOrderState.ALLOCATED: frozenset({BlockOrderState.SETTLED}),
    BlockOrderState.SETTLED: frozenset(),
    BlockOrderState.REJECTED: frozenset(),
}

SETTLEMENT_LEG_MOVES: Mapping[SettlementLegState, frozenset[SettlementLegState]] = {
    SettlementLegState.PLANNED: frozenset({SettlementLegState.SIGNED}),
    # Back to planned when what was signed can never land: another is signed.
    SettlementLegState.SIGNED: frozenset(
        {SettlementLegState.PLANNED, SettlementLegState.FINAL, SettlementLegState.STUCK}
    ),
    SettlementLegState.STUCK: frozenset({SettlementLegState.FAILED}),
    SettlementLegState.FINAL: frozenset(),
    SettlementLegState.FAILED: frozenset(),
}

MINT_MOVES: Mapping[MintState, frozenset[MintState]] = {
    # Straight to settled when free settled shares are there already.
    MintState.REQUESTED: frozenset({MintState.SHARES_ORDERED, MintState.SHARES_SETTLED}),
    MintState.SHARES_ORDERED: frozenset({MintState.SHARES_BOUGHT, MintState.FAILED}),
    MintState.SHARES_BOUGHT: frozenset({MintState.SHARES_SETTLED}),
    # Failed: nobody decided in time.
    MintState.SHARES_SETTLED: frozenset({MintState.AWAITING_APPROVAL, MintState.FAILED}),
    MintState.AWAITING_APPROVAL: frozenset(
        {MintState.APPROVED, MintState.REJECTED, MintState.FAILED}
    ),
    MintState.APPROVED: frozenset({MintState.MINTING}),
    MintState.MINTING: frozenset({MintState.MINTED}),
    MintState.MINTED: frozenset(),
    MintState.REJECTED: frozenset(),
    MintState.FAILED: frozenset(),
}

REDEMPTION_MOVES: Mapping[RedemptionState, frozenset[RedemptionState]] = {
    RedemptionState.REQUESTED: frozenset({RedemptionState.HELD, RedemptionState.REFUSED}),
    RedemptionState.HELD: frozenset({RedemptionState.SUBMITTED, RedemptionState.REFUSED}),
    RedemptionState.SUBMITTED: frozenset({RedemptionState.SOLD, RedemptionState.REFUSED}),
    RedemptionState.SOLD: frozenset({RedemptionState.BURNED}),
    RedemptionState.BURNED: frozenset({RedemptionState.PAID}),
    RedemptionState.PAID: frozenset(),
    RedemptionState.REFUSED: frozenset(),
}

State = TypeVar("State", bound=StrEnum)


def advance(moves: Mapping[State, frozenset[State]], state: State, target: State) -> State:
    """`target`, when the table allows the step.

    :raises ValueError: the step is not in the table, which is a bug.
    """
    if target not in moves[state]:
        raise ValueError(f"{state!s} cannot become {target!s}")
    return target
