"""The postings of a block order's life; docs/ledger.md shows them with figures.

Shares bought lie in three accounts one after the other: bought, allocated to a
request, settled. Dollars are owed from the fill to the settlement. The shares of
a sale leave with the burn that frees them (operations/redemption_steps.py).
"""

from custody import ledger
from custody.entry_kinds import EntryKind
from custody.ledger import Entry, Line
from custody.ledger_purposes import AssetKind, Purpose
from custody.models import Asset, BlockOrder


def filled(row: BlockOrder) -> list[Entry]:
    """Bought against what is owed to the broker, or sold against what it owes."""
    assert row.filled_units is not None
    assert row.cash_micros is not None
    if row.side == BlockOrder.Side.SELL:
        dollars = _dollars(Purpose.RECEIVABLE, -row.cash_micros, Purpose.PREFUNDING)
        return _entries(EntryKind.SALE_FILLED, row, dollars)
    shares = [
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), -row.filled_units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), row.filled_units),
    ]
    dollars = _dollars(Purpose.PREFUNDING, -row.cash_micros, Purpose.PAYABLE)
    return _entries(EntryKind.SHARES_BOUGHT, row, shares + dollars)


def allocated(row: BlockOrder) -> list[Entry]:
    """Each share bought has a request that it is for; of a sale there is nothing to book."""
    assert row.filled_units is not None
    if row.side == BlockOrder.Side.SELL:
        return []
    lines = [
        Line(_house(row.asset_id, Purpose.CUSTODIAN_BOUGHT), row.filled_units),
        Line(_house(row.asset_id, Purpose.CUSTODIAN_ALLOCATED), -row.filled_units),
        Line(_house(row.asset_id, Purpose.SHARES_UNSETTLED), -row.filled_units),
        Line(_house(row.asset_id, Purpose.SHARES_ALLOCATED), row.filled_units),
    ]
    return _entries(EntryKind.SHARES_ALLOCATED, row, lines)


def settled(row: BlockOrder) -> list[Entry]:
    """T+1: shares against dollars."""
    assert row.filled_units is not None
    if row.side == BlockOrder.Side.SELL:
        dollars = _dollars(Purpose.CUSTODIAN_CASH, -row.owed_micros, Purpose.RECEIVABLE)
        return _entries(EntryKind.SALE_SETTLED, row, dollars)
    shares = [
        Line(_house(row.asset_id, Purpose.CUSTODIAN_ALLOCATED), row.filled_units),
        Line(_house(row.asset_id, Purpose.CUSTODIAN_SETTLED), -row.filled_units),
        Line(_house(row.asset_id, Purpose.SHARES_ALLOCATED), -row.filled_units),
        Line(_house(row.asset_id, Purpose.SHARES_FREE), row.filled_units),
    ]
    dollars = _dollars(Purpose.PAYABLE, -row.owed_micros, Purpose.CUSTODIAN_CASH)
    return _entries(EntryKind.SHARES_SETTLED, row, shares + dollars)


def _dollars(of: Purpose, micros: int, to: Purpose) -> list[Line]:
    """`micros` on one account of the broker's dollars, and against them on the other."""
    if not micros:
        return []
    usd = Asset.objects.get(kind=AssetKind.FIAT)
    return [Line(_house(usd.pk, of), micros), Line(_house(usd.pk, to), -micros)]


def _entries(kind: EntryKind, row: BlockOrder, lines: list[Line]) -> list[Entry]:
    if not lines:
        return []
    return [Entry(kind, f"{kind.replace(' ', '_')}:{row.id}", str(row.id), tuple(lines))]


def _house(asset_id: int, purpose: Purpose) -> int:
    return ledger.get_account_id(None, asset_id, purpose)
