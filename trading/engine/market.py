"""What the engine knows of a listing and of an investor: plain values, versioned.

`Rules` and `Eligibility` are replaced whole when an inbox item says that the
fact behind them has changed; an order keeps the snapshot id it was judged by.
"""

from dataclasses import dataclass, field
from uuid import UUID

from trading.engine.book import Book
from trading.engine.conditions import Conditions
from trading.engine.protection import Guard


@dataclass(frozen=True, slots=True)
class Rules:
    """A listing as staff set it up; units as in trading.models.Listing."""

    id: int
    symbol: str
    base_id: int
    base_code: str
    quote_id: int
    instrument_id: int | None
    tick: int
    lot: int
    min_cash: int
    maker_fee_e6: int
    taker_fee_e6: int
    protection_e6: int
    collar_e6: int
    state: str
    blocked_countries: frozenset[str] = frozenset()
    band_e6: int = 100_000
    hours: str = "24/7"
    max_cash: int = 10**14
    max_quantity: int = 10**16
    state_reason: str = ""
    state_until: float | None = None  # expected; nothing changes by itself then


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The latest accounts.EligibilitySnapshot of an investor, and its owner group."""

    snapshot_id: int
    owner_group: UUID
    may_buy: bool
    may_sell: bool
    country: str
    accepted: frozenset[str]  # codes of assets whose disclosure was accepted
    reason_code: str = ""
    is_house: bool = False  # needs no disclosure of its own tokens
    partner_id: int | None = None  # who brought them: fees and kill switches may go by it


@dataclass(slots=True)
class Market:
    """A listing while it trades: rules, book, counters, the outside price."""

    rules: Rules
    book: Book = field(default_factory=Book)
    event_seq: int = 0  # every event, refusals too
    book_seq: int = 0  # one for each batch that changed the public book
    trade_no: int = 0
    reference: int | None = None  # quote units per token; None when unknown
    guard: Guard = field(default_factory=Guard)
    last: int | None = None  # price of the last trade
    waiting: Conditions | None = None  # untriggered orders; None until there was one

    def conditions(self) -> Conditions:
        if self.waiting is None:
            self.waiting = Conditions()
        return self.waiting


class Funds:
    """What one investor has of one asset in this pool; available = posted - held."""

    __slots__ = ("account_id", "asset_id", "held", "investor_id", "posted")

    def __init__(
        self, investor_id: int, asset_id: int, posted: int = 0, held: int = 0, account_id: int = 0
    ) -> None:
        self.investor_id = investor_id
        self.asset_id = asset_id
        self.posted = posted
        self.held = held
        self.account_id = account_id  # 0: no row yet

    @property
    def available(self) -> int:
        return self.posted - self.held
