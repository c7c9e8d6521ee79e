"""The back office's view of custody; every figure here is written by operations."""

from custody.admin import issuance, ledger, looking_back, reconciliation, redemption, settlement

__all__ = ["issuance", "ledger", "looking_back", "reconciliation", "redemption", "settlement"]
