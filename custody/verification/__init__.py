"""Recomputing what the ledger says and comparing; the app that knows a fact registers its check.

    register(check)         a function of a cursor that yields differences
    register_holds(source)  SQL that says what is held for what, e.g. for open orders
    register_references()   columns that name a row without a foreign key
    register_subjects()     which rows the entries of a kind are about

All checks read one snapshot, beside the running business, and stream. A difference
is never repaired here: docs/ledger.md says what to do.
"""

from custody.verification.references import Reference, register_references, register_subjects
from custody.verification.registry import (
    Check,
    Difference,
    HoldSource,
    register,
    register_holds,
)

__all__ = [
    "Check",
    "Difference",
    "HoldSource",
    "Reference",
    "register",
    "register_holds",
    "register_references",
    "register_subjects",
]
