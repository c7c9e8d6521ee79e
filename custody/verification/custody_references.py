"""What custody's rows and entries name without a foreign key."""

from custody.entry_kinds import EntryKind
from custody.verification.references import Reference

BOOKED_KEYS = "SELECT key FROM custody_journalentry"
# Each step of a transfer is an entry under the transfer's key, and each such entry a transfer.
IS_DONE = "referring.state = 'done'"

REFERENCES = [
    Reference(
        "custody_period", "seal_n", "SELECT n FROM custody_seal WHERE chain = 'ledger'",
        made_at="closed_at", row="n",
    ),
    Reference(
        "custody_deposit", "entry_id", "SELECT id FROM custody_journalentry",
        made_at="credited_at",
    ),
    Reference(
        "custody_pooltransfer", "'pool_in:' || referring.id", BOOKED_KEYS,
        made_at="requested_at", where="direction = 'in'",
    ),
    Reference(
        "custody_pooltransfer", "'pool_' || direction || '_done:' || referring.id", BOOKED_KEYS,
        made_at="requested_at", where=IS_DONE,
    ),
    Reference(
        "custody_pooltransfer", "'pool_swept:' || referring.id", BOOKED_KEYS,
        made_at="swept_at", where="swept_at IS NOT NULL",
    ),
    Reference(
        "custody_pooltransfer", "reference", "SELECT id::text FROM custody_redemption",
        made_at="requested_at", where="purpose = 'redemption'",
    ),
    Reference(
        "custody_mintrequest", "'mint:' || referring.id", BOOKED_KEYS,
        made_at="minted_at", where="state = 'minted'",
    ),
    Reference(
        "custody_redemption", "'burn:' || referring.id", BOOKED_KEYS,
        made_at="burned_at", where="state IN ('burned', 'paid')",
    ),
    Reference(
        "custody_redemption", "'redemption_paid:' || referring.id", BOOKED_KEYS,
        made_at="paid_at", where="state = 'paid' AND gross_units > 0",
    ),
    Reference(
        "custody_chaintransaction", "key",
        "SELECT 'mint:' || id FROM custody_mintrequest"
        " UNION ALL SELECT 'burn:' || id FROM custody_redemption"
        " UNION ALL SELECT 'create_mint:' || code FROM custody_asset",
        made_at="signed_at", where="kind IN ('mint', 'burn', 'create_mint')",
    ),
]  # fmt: skip

# Confirmed by two officers: what they are about is the proposal.
HOUSE_KINDS = [
    EntryKind.CAPITAL_PAID_IN, EntryKind.CAPITAL_ASSIGNED, EntryKind.CAPITAL_WITHDRAWN,
    EntryKind.FEES_CLOSED, EntryKind.DUST_CLOSED, EntryKind.LOSS_BOOKED, EntryKind.COST_BOOKED,
    EntryKind.PROFIT_CARRIED, EntryKind.LOSS_COVERED, EntryKind.SUSPENSE_BOOKED,
    EntryKind.SUSPENSE_RETURNED, EntryKind.SUSPENSE_ATTRIBUTED, EntryKind.DIVIDEND_RECEIVED,
    EntryKind.TAX_WITHHELD, EntryKind.TAX_REMITTED, EntryKind.DIVIDEND_REINVESTED,
    EntryKind.DIVIDEND_PAID, EntryKind.PLEDGE_PLACED, EntryKind.PLEDGE_RELEASED,
]  # fmt: skip
TRANSFERS = "SELECT id FROM custody_pooltransfer"
REDEMPTIONS = "SELECT id FROM custody_redemption"
BLOCKS = "SELECT id FROM custody_blockorder"
ORDERS = "SELECT id FROM custody_custodianorder"
# By the kind of an entry, the rows that it can be about.
SUBJECTS: dict[str, str] = {
    **dict.fromkeys(HOUSE_KINDS, "SELECT id FROM accounts_proposal"),
    EntryKind.DEPOSIT: "SELECT signature FROM custody_deposit",
    EntryKind.POOL_IN_REQUESTED: TRANSFERS,
    EntryKind.POOL_IN_DONE: TRANSFERS,
    EntryKind.POOL_OUT_DONE: TRANSFERS,
    EntryKind.POOL_TRANSFER_SWEPT: TRANSFERS,
    # Bought or sold before there were blocks, an entry is about the order itself.
    EntryKind.SHARES_BOUGHT: f"{BLOCKS} UNION ALL {ORDERS}",
    EntryKind.SHARES_ALLOCATED: BLOCKS,
    EntryKind.SHARES_SETTLED: f"{BLOCKS} UNION ALL {ORDERS}",
    EntryKind.SALE_FILLED: BLOCKS,
    EntryKind.SALE_SETTLED: BLOCKS,
    EntryKind.SHARES_SOLD: ORDERS,
    EntryKind.MINT: "SELECT id FROM custody_mintrequest",
    EntryKind.TOKENS_MOVED: "SELECT id FROM custody_settlementleg",
    EntryKind.REDEMPTION_HELD: REDEMPTIONS,
    EntryKind.REDEMPTION_REFUSED: REDEMPTIONS,
    EntryKind.REDEMPTION_REST: REDEMPTIONS,
    EntryKind.BURN: REDEMPTIONS,
    EntryKind.REDEMPTION_PAID: REDEMPTIONS,
}
