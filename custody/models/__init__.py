"""What is owned: the ledger and its seals; deposits, issuance, redemption, reserves."""

from custody.models.balances import Period, SealedBalance
from custody.models.chain import ChainTransaction
from custody.models.deposits import Deposit, DepositAddress
from custody.models.house_entries import HouseEntry
from custody.models.issuance import CustodianOrder, MintRequest
from custody.models.ledger import Asset, JournalEntry, LedgerAccount, Posting
from custody.models.pool_transfers import PoolTransfer
from custody.models.reconciliation import (
    ReconciliationCase,
    ReconciliationFigure,
    ReconciliationRun,
)
from custody.models.redemption import Redemption
from custody.models.reserves import ReserveAttestation
from custody.models.seals import Seal
from custody.models.settlement import BlockOrder, SettlementLeg

__all__ = [
    "Asset",
    "BlockOrder",
    "ChainTransaction",
    "CustodianOrder",
    "Deposit",
    "DepositAddress",
    "HouseEntry",
    "JournalEntry",
    "LedgerAccount",
    "MintRequest",
    "Period",
    "PoolTransfer",
    "Posting",
    "ReconciliationCase",
    "ReconciliationFigure",
    "ReconciliationRun",
    "Redemption",
    "ReserveAttestation",
    "Seal",
    "SealedBalance",
    "SettlementLeg",
]
