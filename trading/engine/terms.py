"""The words of an order. Values are what the wire and the tables carry."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    LIMIT = "limit"
    MARKET = "market"
    STOP_LOSS = "stop_loss"  # a market order once the price is as bad as the trigger
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"  # a market order once the price is as good as the trigger
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"  # a stop loss whose trigger follows the best price
    TRAILING_STOP_LIMIT = "trailing_stop_limit"


TRIGGERED_TYPES = frozenset(OrderType) - {OrderType.LIMIT, OrderType.MARKET}


class TimeInForce(StrEnum):
    GTC = "gtc"  # rests until filled or canceled
    IOC = "ioc"  # fills what it can at once, the rest expires
    FOK = "fok"  # fills whole at once or not at all
    GTD = "gtd"  # rests until a moment that the order names
    DAY = "day"  # rests until the end of the trading day


class SelfTradePrevention(StrEnum):
    """What happens when an order meets one of its own owner group; the incoming one decides."""

    CANCEL_NEWEST = "cancel_newest"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_BOTH = "cancel_both"
    DECREMENT = "decrement"  # both shrink by the smaller one, without a trade


class TriggerBy(StrEnum):
    """Whose price a trigger watches."""

    LAST = "last"  # the listing's own trades
    INDEX = "index"  # the reference price per token


@dataclass(slots=True)
class Terms:
    """What only some orders carry; a plain order has none. As in trading.models.OrderTerms."""

    expires_at: float | None = None
    display_units: int | None = None
    reduce_only: bool = False
    self_trade_prevention: str = SelfTradePrevention.CANCEL_NEWEST.value
    trigger_by: str | None = None
    trigger_price: int | None = None
    trail_units: int | None = None
    trail_e6: int | None = None
    limit_offset: int | None = None
    link_id: UUID | None = None
    parent_id: UUID | None = None
    close_take_profit: int | None = None
    close_stop_loss: int | None = None
    replaces: UUID | None = None
    triggered_at: float | None = None
