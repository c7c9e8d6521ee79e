"""The engine's side of moving units between `main` and a pool; see custody/pool_transfers.py.

Without Django: the engine's process knows none, so that it is back in a moment.
"""

from uuid import UUID

from custody.entry_kinds import EntryKind
from custody.ledger_core import Entry, Line


def engine_entry(
    *, transfer_id: UUID, direction: str, units: int, trading_id: int, transit_id: int
) -> Entry:
    """The engine's side of a transfer; it commits with the row's `done` and batch number."""
    sign = 1 if direction == "in" else -1
    return Entry(
        EntryKind.POOL_IN_DONE if sign > 0 else EntryKind.POOL_OUT_DONE,
        f"pool_{direction}_done:{transfer_id}",
        str(transfer_id),
        (Line(transit_id, -sign * units), Line(trading_id, sign * units)),
    )
