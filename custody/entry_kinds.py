"""Every kind of journal entry that the code can post; docs/ledger.md shows the postings of each.

A reversal has the kind of its original with REVERSAL before it. What is posted under
any other name has no table of postings, so a test refuses it.
"""

from enum import StrEnum

REVERSAL = "reversal of "


class EntryKind(StrEnum):
    # Cash and pools
    DEPOSIT = "deposit"
    POOL_IN_REQUESTED = "pool in requested"
    POOL_IN_DONE = "pool in done"
    POOL_OUT_DONE = "pool out done"
    POOL_TRANSFER_SWEPT = "pool transfer swept"
    TRADE = "trade"
    # Shares and dollars at the custodian
    CUSTODIAN_PREFUNDED = "custodian prefunded"
    SHARES_DELIVERED = "shares delivered"
    SHARES_BOUGHT = "shares bought"
    SHARES_ALLOCATED = "shares allocated"
    SHARES_SETTLED = "shares settled"
    SALE_FILLED = "sale filled"
    SALE_SETTLED = "sale settled"
    # Tokens
    MINT = "mint"
    INVENTORY_SOLD = "inventory sold"
    TOKENS_MOVED = "tokens moved"
    REDEMPTION_HELD = "redemption held"
    REDEMPTION_REFUSED = "redemption refused"
    REDEMPTION_REST = "redemption rest"
    BURN = "burn"
    SHARES_SOLD = "shares sold"
    REDEMPTION_PAID = "redemption paid"
    # The house's own bookkeeping, by two officers
    CAPITAL_PAID_IN = "capital paid in"
    CAPITAL_ASSIGNED = "capital assigned"
    CAPITAL_WITHDRAWN = "capital withdrawn"
    FEES_CLOSED = "fees closed"
    DUST_CLOSED = "dust closed"
    LOSS_BOOKED = "loss booked"
    COST_BOOKED = "cost booked"
    PROFIT_CARRIED = "profit carried"
    LOSS_COVERED = "loss covered"
    SUSPENSE_BOOKED = "suspense booked"
    SUSPENSE_RETURNED = "suspense returned"
    SUSPENSE_ATTRIBUTED = "suspense attributed"
    DIVIDEND_RECEIVED = "dividend received"
    TAX_WITHHELD = "tax withheld"
    TAX_REMITTED = "tax remitted"
    DIVIDEND_REINVESTED = "dividend reinvested"
    DIVIDEND_PAID = "dividend paid"
    PLEDGE_PLACED = "pledge placed"
    PLEDGE_RELEASED = "pledge released"
