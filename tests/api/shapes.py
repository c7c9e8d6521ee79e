"""A listing as its readers know it, without a database."""

from trading.queries import ListingView

LISTING = ListingView(
    id=1,
    symbol="AAPLxUSDC",
    wsname="AAPLx/USDC",
    base="AAPLx",
    quote="USDC",
    base_id=2,
    quote_id=1,
    base_decimals=8,
    quote_decimals=6,
    instrument_id=1,
    name="Apple token",
    tick_units=10_000,
    lot_units=100,
    min_cash_units=1_000_000,
    maker_fee_e6=1_000,
    taker_fee_e6=2_500,
    protection_e6=50_000,
    state="online",
    state_reason="",
    state_until=None,
)
