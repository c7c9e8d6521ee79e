"""What is owned: the ledger and its seals; deposits, issuance, redemption, reserves."""

from custody.models.ledger import Asset, JournalEntry, LedgerAccount, Posting
from custody.models.pool_transfers import PoolTransfer
from custody.models.seals import Seal

__all__ = [
    "Asset",
    "JournalEntry",
    "LedgerAccount",
    "PoolTransfer",
    "Posting",
    "Seal",
]
