"""What custody itself holds: free shares for the mints under way."""

from custody.verification.registry import HoldSource

MINTS = HoldSource(
    "mints under way",
    """
    SELECT account.id, mint.held_units
      FROM custody_mintrequest AS mint
      JOIN custody_ledgeraccount AS account
        ON COALESCE(account.owner_id, 0) = 0 AND account.asset_id = mint.share_asset_id
       AND account.purpose = 'shares_free' AND account.pool = 0
     WHERE mint.held_units > 0
    """,
)
