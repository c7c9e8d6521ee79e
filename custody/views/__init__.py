"""Pages of custody: wallet, redemptions, reserves."""
