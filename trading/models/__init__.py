"""What is done here: listings, orders, trades, and the rows an engine lives on.

A pool is the set of listings (and of the investors' `trading` balances) that
one engine process owns; `epoch` names its owner and every batch is one
transaction of that owner. Orders, trades and events are written by the engine
alone, set-based, so these tables have few indexes and their foreign keys are
not checked by the database on each insert (`verify_ledger` compares them).

Amounts are integers in base units: quantities of the listing's asset, cash of
its quote; a price is quote base units per whole token, a multiple of the tick.
"""

from trading.models.candles import Candle, CandleProgress
from trading.models.fees import FeeSchedule, FeeTier, InvestorVolume, VolumeDay
from trading.models.listings import Listing, ListingCountryBlock, ListingPhase, Pool
from trading.models.orders import DeadMan, Order, OrderTerms, Trade
from trading.models.protection import MarketBreaker
from trading.models.records import BookEvent, InboxItem
from trading.models.safety import KillSwitch, KillSwitchEffect

__all__ = [
    "BookEvent",
    "Candle",
    "CandleProgress",
    "DeadMan",
    "FeeSchedule",
    "FeeTier",
    "InboxItem",
    "InvestorVolume",
    "KillSwitch",
    "KillSwitchEffect",
    "Listing",
    "ListingCountryBlock",
    "ListingPhase",
    "MarketBreaker",
    "Order",
    "OrderTerms",
    "Pool",
    "Trade",
    "VolumeDay",
]
