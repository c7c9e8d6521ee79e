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


class PlaceOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="place", tag_field="command", array_like=True
):
    """Place an order; name either `quantity_units` or `cash_units`.

    Units: quantity in base units of the listing's asset, cash in those of its
    quote; `price_units` is quote base units per whole token, None for market.
    """

    listing: str  # symbol, "AAPLxUSDC"
    investor_id: int
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    quantity_units: int | None = None
    cash_units: int | None = None
    price_units: int | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] = "gtc"
    post_only: bool = False
    client_order_id: str | None = None
    user_ref: int | None = None
    source: Source = "web"
    id: UUID = msgspec.field(default_factory=uuid7)


class CancelOrder(
    msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="command", array_like=True
):
    """Cancel an open order of this investor, by its id or its client_order_id."""

    investor_id: int
    order_id: UUID | None = None
    client_order_id: str | None = None
    id: UUID = msgspec.field(default_factory=uuid7)


Command = PlaceOrder | CancelOrder


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A command on its way: judged against `deadline`, answered on `reply_to`."""

    command: Command
    deadline: float  # seconds of the kernel's clock since the epoch
    reply_to: str  # pub/sub channel of the process that waits


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

    @property
    def average_price_units(self) -> int | None:
        """Cash per whole token over the fills so far, floored; None before any."""
        if not self.filled_units:
            return None
        return self.filled_cash_units * 10**8 // self.filled_units


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a command: an order, or a refusal's code, message and figures."""

    command_id: UUID
    order: OrderView | None = None
    code: str = ""
    message: str = ""
    details: dict[str, str] = msgspec.field(default_factory=dict)


class Answers(msgspec.Struct, frozen=True, array_like=True):
    """All of a batch's answers to one process, in one message."""

    answers: list[Answer]


class BookUpdate(msgspec.Struct, frozen=True, array_like=True):
    """What a batch changed in one public book; `seq` follows the one before without a gap.

    Levels are (side, price, what now stands there, orders): 0 when the price is gone.
    Trades are (id, trade_no, price, quantity, taker side, seconds since the epoch).
    """

    listing: str
    seq: int
    levels: list[tuple[str, int, int, int]]
    trades: list[tuple[UUID, int, int, int, str, float]]


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
