"""What custody itself holds: free shares for the mints under way."""

from custody.verification.registry import HoldSource

MINTS_UNDER_WAY = """
      FROM custody_mintrequest AS mint
      JOIN custody_ledgeraccount AS account
        ON COALESCE(account.owner_id, 0) = 0 AND account.asset_id = mint.share_asset_id
       AND account.purpose = 'shares_free' AND account.pool = 0
     WHERE mint.held_units > 0
"""
MINTS = HoldSource(
    "mints under way",
    "SELECT account.id, mint.held_units" + MINTS_UNDER_WAY,
    dated="SELECT account.id, mint.shares_settled_at" + MINTS_UNDER_WAY,
)
