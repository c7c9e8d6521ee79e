"""Recomputing what the ledger says and comparing; the app that knows a fact registers its check.

    register(check)         a function of a cursor that yields differences
    register_holds(source)  SQL that says what is held for what, e.g. for open orders

All checks read one snapshot, beside the running business, and stream. A difference
is never repaired here: docs/ledger.md says what to do.
"""

from custody.verification.registry import (
    Check,
    Difference,
    HoldSource,
    register,
    register_holds,
)

__all__ = ["Check", "Difference", "HoldSource", "register", "register_holds"]
