"""Pages of trading: markets, the trade page, simple buy, portfolio, activity."""
