"""The words of an order. Values are what the wire and the tables carry."""

from enum import StrEnum


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    GTC = "gtc"  # rests until filled or canceled
    IOC = "ioc"  # fills what it can at once, the rest expires
    FOK = "fok"  # fills whole at once or not at all
