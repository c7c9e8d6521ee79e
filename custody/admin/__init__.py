"""The back office's view of custody; every figure here is written by operations."""

from custody.admin import ledger

__all__ = ["ledger"]
