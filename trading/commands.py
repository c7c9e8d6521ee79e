"""The commands that order entry sends to an engine, and the answers to them.

Both are msgspec structs, packed with MessagePack. A command's id is made by
order entry (UUIDv7) and becomes the order's id; a command is never executed
after its deadline.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from kernel.ids import uuid7

Source = Literal["web", "api", "kraken"]
OrderTypeName = Literal[
    "limit",
    "market",
    "stop_loss",
    "stop_loss_limit",
    "take_profit",
    "take_profit_limit",
    "trailing_stop",
    "trailing_stop_limit",
]
StpName = Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"]


class PlaceOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="place", tag_field="command", array_like=True
):
    """Place an order; name either `quantity_units` or `cash_units`.

    Units: quantity in base units of the listing's asset, cash in those of its
    quote; every price is quote base units per whole token. `price_units` is the
    limit, None where the type has none; for a trailing stop with a limit,
    `limit_offset_units` (signed) is added to the trigger instead.
    """

    listing: str  # symbol, "AAPLxUSDC"
    investor_id: int
    side: Literal["buy", "sell"]
    type: OrderTypeName
    quantity_units: int | None = None
    cash_units: int | None = None
    price_units: int | None = None
    time_in_force: Literal["gtc", "ioc", "fok", "gtd", "day"] = "gtc"
    post_only: bool = False
    client_order_id: str | None = None
    user_ref: int | None = None
    source: Source = "web"
    id: UUID = msgspec.field(default_factory=uuid7)
    expires_at: float | None = None  # for gtd: seconds of the kernel's clock since the epoch
    display_units: int | None = None  # iceberg: how much of it the book shows at a time
    reduce_only: bool = False
    self_trade_prevention: StpName = "cancel_newest"
    trigger_by: Literal["last", "index"] | None = None  # None: "last", where a type has a trigger
    trigger_price_units: int | None = None
    trail_units: int | None = None  # a trailing stop's distance, absolute
    trail_e6: int | None = None  # or in millionths of the best price
    limit_offset_units: int | None = None
    # Conditional close: what is filled gets a take profit, a stop loss, or one canceling the other.
    close_take_profit_units: int | None = None
    close_stop_loss_units: int | None = None
    validate_only: bool = False  # judge it and change nothing


class PlacePair(
    msgspec.Struct, frozen=True, kw_only=True, tag="pair", tag_field="command", array_like=True
):
    """One cancels the other: two orders of one investor, listing and side, both or none.

    They share the larger hold; what one fills, the other loses, and when one is
    triggered, filled or canceled the other is canceled.
    """

    first: PlaceOrder
    second: PlaceOrder
    id: UUID = msgspec.field(default_factory=uuid7)


class CancelOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="command", array_like=True
):
    """Cancel an open order of this investor, by its id or its client_order_id."""

    investor_id: int
    order_id: UUID | None = None
    client_order_id: str | None = None
    id: UUID = msgspec.field(default_factory=uuid7)


class CancelAll(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="cancel_all",
    tag_field="command",
    array_like=True,
):
    """Cancel every open order of this investor, in one listing or in all.

    The answer's `details["count"]` is how many were open until then.
    """

    investor_id: int
    listing: str | None = None
    id: UUID = msgspec.field(default_factory=uuid7)


class CancelAllAfter(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="cancel_all_after",
    tag_field="command",
    array_like=True,
):
    """The dead-man switch: cancel all of an investor's orders unless told again in time.

    The answer's `details` hold `at`, the moment (seconds since the epoch) or "0".
    """

    investor_id: int
    timeout_seconds: int  # 0 turns it off
    id: UUID = msgspec.field(default_factory=uuid7)


class AmendOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="amend", tag_field="command", array_like=True
):
    """Change an open order under its own id; None leaves a field as it is.

    It keeps its priority when nothing but its quantity or display shrinks.
    `quantity_units` is the whole order's, filled part included.
    """

    investor_id: int
    order_id: UUID | None = None
    client_order_id: str | None = None
    quantity_units: int | None = None
    price_units: int | None = None
    trigger_price_units: int | None = None
    display_units: int | None = None
    post_only: bool | None = None
    id: UUID = msgspec.field(default_factory=uuid7)


class ReplaceOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="replace", tag_field="command", array_like=True
):
    """Cancel an open order and place another in its stead, both or none.

    What the old one held counts as free for the new one.
    """

    investor_id: int
    order_id: UUID
    order: PlaceOrder
    id: UUID = msgspec.field(default_factory=uuid7)


Command = (
    PlaceOrder | PlacePair | CancelOrder | CancelAll | CancelAllAfter | AmendOrder | ReplaceOrder
)


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A command on its way: judged against `deadline`, answered on `reply_to`."""

    command: Command
    deadline: float  # seconds of the kernel's clock since the epoch
    reply_to: str  # pub/sub channel of the process that waits


class TermsView(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What only some orders carry, as in models.OrderTerms; prices and units as in PlaceOrder."""

    expires_at: datetime | None = None
    display_units: int | None = None
    reduce_only: bool = False
    self_trade_prevention: str = "cancel_newest"
    trigger_by: str | None = None
    trigger_price_units: int | None = None
    trail_units: int | None = None
    trail_e6: int | None = None
    limit_offset_units: int | None = None
    link_id: UUID | None = None
    parent_id: UUID | None = None
    close_take_profit_units: int | None = None
    close_stop_loss_units: int | None = None
    replaces: UUID | None = None
    triggered_at: datetime | None = None  # None: it has not been, or has no trigger


class OrderView(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An order as its owner sees it; amounts in base units, as in models.Order."""

    id: UUID
    listing: str
    investor_id: int
    side: str
    type: str
    time_in_force: str
    post_only: bool
    price_units: int | None
    protection_price_units: int | None
    quantity_units: int | None
    cash_units: int | None
    filled_units: int
    filled_cash_units: int
    fee_units: int
    held_units: int
    status: str
    reason: str
    client_order_id: str | None
    user_ref: int | None
    source: str
    batch_no: int
    accepted_at: datetime
    updated_at: datetime
    terms: TermsView | None = None
    priority: int = 0  # the lower, the earlier in its price's queue

    @property
    def average_price_units(self) -> int | None:
        """Cash per whole token over the fills so far, floored; None before any."""
        if not self.filled_units:
            return None
        return self.filled_cash_units * 10**8 // self.filled_units


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a command: an order, or a refusal's code, message and figures.

    Without an order and without a code it is done, and `details` are its figures. `others`
    are further orders of the same command: the second of a pair, the one that was replaced.
    """

    command_id: UUID
    order: OrderView | None = None
    code: str = ""
    message: str = ""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    others: list[OrderView] = msgspec.field(default_factory=list)


class Answers(msgspec.Struct, frozen=True, array_like=True):
    """All of a batch's answers to one process, in one message."""

    answers: list[Answer]


class BookUpdate(msgspec.Struct, frozen=True, array_like=True):
    """What a batch changed in one public book; `seq` follows the one before without a gap.

    Levels are (side, price, what now stands there, orders): 0 when the price is gone.
    Trades are (id, trade_no, price, quantity, taker side, seconds since the epoch).
    While orders gather for an auction, `indication` is what it would come to now: price,
    quantity, and what would be left at that price (bids more than 0, asks less).
    """

    listing: str
    seq: int
    levels: list[tuple[str, int, int, int]]
    trades: list[tuple[UUID, int, int, int, str, float]]
    indication: tuple[int, int, int] | None = None


class BatchNews(msgspec.Struct, frozen=True, array_like=True):
    """What a committed batch changed, for the feeds of every web process.

    Balances are (investor, asset id, posted, held). `restated` names the listings whose
    state, or whose share's halt, has changed: what it is now stands in the database.
    """

    pool_id: int
    batch_no: int
    books: list[BookUpdate]
    orders: list[OrderView]
    balances: list[tuple[int, int, int, int]]
    restated: list[str] = msgspec.field(default_factory=list)


def commands_key(pool_id: int) -> str:
    """The Valkey list from which a pool's engine takes its commands."""
    return f"bourse:commands:{pool_id}"


NEWS_CHANNEL = "bourse:news"
