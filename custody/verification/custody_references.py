"""What custody's rows and entries name without a foreign key."""

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

TRANSFERS = "SELECT id FROM custody_pooltransfer"
REDEMPTIONS = "SELECT id FROM custody_redemption"
# By the kind of an entry, the rows that it can be about.
SUBJECTS = {
    "deposit": "SELECT signature FROM custody_deposit",
    "pool_in_requested": TRANSFERS,
    "pool_in_done": TRANSFERS,
    "pool_out_done": TRANSFERS,
    "pool_transfer_swept": TRANSFERS,
    "mint": "SELECT id FROM custody_mintrequest",
    "redemption_held": REDEMPTIONS,
    "redemption_refused": REDEMPTIONS,
    "redemption_rest": REDEMPTIONS,
    "redemption_paid": REDEMPTIONS,
    "burn": REDEMPTIONS,
}
