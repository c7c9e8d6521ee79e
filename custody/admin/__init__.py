"""The back office's view of custody; every figure here is written by operations."""

from custody.admin import (
    house_entries,
    issuance,
    ledger,
    looking_back,
    reconciliation,
    redemption,
    settlement,
)

__all__ = [
    "house_entries",
    "issuance",
    "ledger",
    "looking_back",
    "reconciliation",
    "redemption",
    "settlement",
]
