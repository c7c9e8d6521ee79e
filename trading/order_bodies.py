"""The grammar of order entry, once for every door that speaks JSON.

A body is a strict msgspec struct: a name that is not known, a number where text
belongs or a field that does not go with the order's type is refused, with the
field that is wrong. `read` takes a parsed object, as the API has it; the messages at
the end are the same bodies as the WebSocket frames them, to be decoded from the raw text
(`invalid_body` puts what msgspec says into our words). The `*_command` functions turn
what was read into the command that the engine judges. Amounts are text in plain
digits, a price is quote per whole token; base units exist from here on.
"""

import re
from collections.abc import Set
from datetime import datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from kernel.money import parse_units
from kernel.refusals import Refusal
from trading.commands import (
    AmendOrder,
    CancelOrder,
    OrderTypeName,
    PlaceOrder,
    PlacePair,
    Source,
    StpName,
)
from trading.offering import check_side
from trading.queries import ListingView

BATCH_ORDERS_MIN, BATCH_ORDERS_MAX = 2, 15
BATCH_CANCELS_MAX = 50
CANCEL_AFTER_SECONDS_MAX = 86_400
CLIENT_ORDER_ID_CHARS_MAX = 36
USER_REF_MAX = 2**31 - 1
EPOCH_SECONDS_MAX = 4_102_444_800  # the year 2100
PERCENT_DECIMALS = 4  # 100 % is a million millionths

T = TypeVar("T")

# Neither a database nor an answer can hold NUL or half of a surrogate pair.
_UNPRINTABLE = r"\x00-\x1f\x7f\ud800-\udfff"

Amount = Annotated[str, Meta(max_length=40, description="plain decimal digits")]
Offset = Annotated[str, Meta(max_length=41, description="plain decimal digits, `-` for less")]
Symbol = Annotated[str, Meta(max_length=32, pattern=r"\A[!-~]+\Z", examples=["AAPLxUSDC"])]
ClientOrderId = Annotated[
    str,
    Meta(
        max_length=CLIENT_ORDER_ID_CHARS_MAX,
        pattern=rf"\A[^\s{_UNPRINTABLE}]([^{_UNPRINTABLE}]*[^\s{_UNPRINTABLE}])?\Z",
        description="your own id; makes it safe to repeat",
    ),
]
UserRef = Annotated[int, Meta(ge=-USER_REF_MAX, le=USER_REF_MAX, description="your own number")]
Moment = Annotated[
    Annotated[datetime, Meta(tz=True)] | Annotated[float, Meta(ge=0, le=EPOCH_SECONDS_MAX)],
    Meta(description="RFC 3339 with its offset, or seconds since 1970"),
]

PRICED = frozenset({"limit", "stop_loss_limit", "take_profit_limit"})
STOPS = frozenset({"stop_loss", "stop_loss_limit", "take_profit", "take_profit_limit"})
TRAILING = frozenset({"trailing_stop", "trailing_stop_limit"})
OFFSET = frozenset({"trailing_stop_limit"})


class InvalidBody(Refusal):
    """A field is missing, unknown or malformed."""

    code = "invalid"
    http_status = 400

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", **{field: [problem]})
        self.field, self.problem = field, problem


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whatever is not named here is refused, not ignored."""


class PlaceBody(Body):
    """Name `quantity` (tokens) or `cash` (quote, fee included), not both."""

    listing: Symbol
    side: Literal["buy", "sell"]
    order_type: OrderTypeName
    quantity: Amount | None = None
    cash: Amount | None = None
    price: Annotated[Amount | None, Meta(description="the limit, of a type that has one")] = None
    time_in_force: Literal["gtc", "ioc", "fok", "gtd", "day"] = "gtc"
    expires_at: Annotated[Moment | None, Meta(description="of `gtd`: when it ends")] = None
    post_only: bool = False
    display: Annotated[
        Amount | None, Meta(description="iceberg: how much the book shows at a time")
    ] = None
    reduce_only: bool = False
    self_trade_prevention: StpName = "cancel_newest"
    trigger_price: Annotated[Amount | None, Meta(description="of a stop or take profit")] = None
    trigger_by: Annotated[
        Literal["last", "index"] | None, Meta(description="the price that a trigger watches")
    ] = None
    trail: Annotated[
        Amount | None, Meta(description="a trailing stop's distance from the best price")
    ] = None
    trail_percent: Annotated[
        Amount | None, Meta(description="the same in percent of the best price")
    ] = None
    limit_offset: Annotated[
        Offset | None, Meta(description="of `trailing_stop_limit`: the limit minus the trigger")
    ] = None
    close_take_profit: Annotated[
        Amount | None, Meta(description="a take profit for what fills")
    ] = None
    close_stop_loss: Annotated[Amount | None, Meta(description="a stop loss for what fills")] = None
    client_order_id: ClientOrderId | None = None
    user_ref: UserRef | None = None
    validate_only: Annotated[bool, Meta(description="judge it and change nothing")] = False
    deadline: Annotated[
        Moment | None, Meta(description="not executed after it; it may only shorten ours")
    ] = None


class PairBody(Body):
    """One cancels the other: same listing, side and quantity."""

    first: PlaceBody
    second: PlaceBody


class PlaceBatchBody(Body):
    """Each is judged by itself; the answers come in the same order."""

    orders: Annotated[
        list[PlaceBody], Meta(min_length=BATCH_ORDERS_MIN, max_length=BATCH_ORDERS_MAX)
    ]


class CancelBatchBody(Body):
    """At most 50 orders in all."""

    order_ids: Annotated[list[UUID], Meta(max_length=BATCH_CANCELS_MAX)] = []
    client_order_ids: Annotated[list[ClientOrderId], Meta(max_length=BATCH_CANCELS_MAX)] = []


class CancelAllAfterBody(Body):
    """The dead-man switch: everything is canceled then, unless told again; 0 turns it off."""

    timeout_seconds: Annotated[int, Meta(ge=0, le=CANCEL_AFTER_SECONDS_MAX)]


class AmendBody(Body):
    """What is left out stays as it is; `quantity` is the whole order's, filled part included."""

    quantity: Amount | None = None
    price: Amount | None = None
    trigger_price: Amount | None = None
    display: Amount | None = None
    post_only: bool | None = None
    deadline: Moment | None = None


# Frames of the WebSocket; an answer repeats its `request_id`.
RequestId = str | int | msgspec.UnsetType


class PlaceMessage(PlaceBody, tag="place_order", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET


class PairMessage(PairBody, tag="place_pair", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET


class PlaceBatchMessage(PlaceBatchBody, tag="place_orders", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET


class AmendMessage(AmendBody, tag="amend_order", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET
    order_id: UUID | None = None
    client_order_id: ClientOrderId | None = None


class ReplaceMessage(Body, tag="replace_order", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET
    order_id: UUID
    order: PlaceBody


class CancelMessage(Body, tag="cancel_order", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET
    order_id: UUID | None = None
    client_order_id: ClientOrderId | None = None


class CancelBatchMessage(CancelBatchBody, tag="cancel_orders", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET


class CancelAllMessage(Body, tag="cancel_all", tag_field="type", kw_only=True):
    request_id: RequestId = msgspec.UNSET
    listing: Symbol | None = None


class CancelAllAfterMessage(
    CancelAllAfterBody, tag="cancel_all_after", tag_field="type", kw_only=True
):
    request_id: RequestId = msgspec.UNSET


OrderMessage = (
    PlaceMessage
    | CancelMessage
    | AmendMessage
    | ReplaceMessage
    | PairMessage
    | PlaceBatchMessage
    | CancelBatchMessage
    | CancelAllMessage
    | CancelAllAfterMessage
)

_AT = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"field `(?P<name>[^`]*)`")


def read(kind: type[T], value: object) -> T:
    """An object that was parsed already, as a body.

    :raises InvalidBody: naming the first field that is wrong.
    """
    if not isinstance(value, dict):
        raise InvalidBody("body", "Send a JSON object.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from None


def invalid_body(error: msgspec.ValidationError) -> InvalidBody:
    """What msgspec says, as a refusal that names the field: "orders.1.price"."""
    found = _AT.fullmatch(str(error))
    assert found is not None  # everything matches
    path = (found["path"] or "").replace("[", ".").replace("]", "").removeprefix("$").strip(".")
    problem = found["problem"]
    named = _FIELD.search(problem)
    if named is not None:  # missing or unknown: the path is that of the object around it
        path = f"{path}.{named['name']}" if path else named["name"]
        problem = "Missing." if "required" in problem else "Unknown field."
    if "regex" in problem:
        problem = "Use printable characters, and no blank at the ends."
    return InvalidBody(path or "body", problem)


def place_command(
    body: PlaceBody, listing: ListingView, *, investor_id: int, source: Source, at: str = ""
) -> PlaceOrder:
    """The command that a body asks for, about the listing it names; `at` stands before a field.

    :raises InvalidBody: fields that do not go together.
    :raises kernel.money.MalformedAmount: an amount is not plain digits, or too fine.
    :raises trading.engine.refusals.SellOnly: a buy of what they may only leave.
    """
    check_together(body, at)
    check_side(listing, body.side)
    base, quote = listing.base_decimals, listing.quote_decimals
    return PlaceOrder(
        listing=listing.symbol,
        investor_id=investor_id,
        side=body.side,
        type=body.order_type,
        quantity_units=_units(body.quantity, base),
        cash_units=_units(body.cash, quote),
        price_units=_units(body.price, quote),
        time_in_force=body.time_in_force,
        post_only=body.post_only,
        client_order_id=body.client_order_id,
        user_ref=body.user_ref,
        source=source,
        expires_at=seconds_of(body.expires_at),
        display_units=_units(body.display, base),
        reduce_only=body.reduce_only,
        self_trade_prevention=body.self_trade_prevention,
        trigger_by=body.trigger_by,
        trigger_price_units=_units(body.trigger_price, quote),
        trail_units=_units(body.trail, quote),
        trail_e6=_units(body.trail_percent, PERCENT_DECIMALS),
        limit_offset_units=_offset_units(body.limit_offset, quote),
        close_take_profit_units=_units(body.close_take_profit, quote),
        close_stop_loss_units=_units(body.close_stop_loss, quote),
        validate_only=body.validate_only,
    )


def pair_command(
    body: PairBody, listing: ListingView, *, investor_id: int, source: Source
) -> PlacePair:
    """:raises Refusal: as `place_command`; also when they are about two listings."""
    if body.first.listing != body.second.listing:
        raise InvalidBody("second.listing", "Both orders of a pair are in one listing.")
    first, second = (
        place_command(each, listing, investor_id=investor_id, source=source, at=at)
        for each, at in ((body.first, "first."), (body.second, "second."))
    )
    return PlacePair(first=first, second=second)


def amend_command(
    body: AmendBody,
    listing: ListingView,
    *,
    investor_id: int,
    order_id: UUID | None = None,
    client_order_id: str | None = None,
) -> AmendOrder:
    """:raises Refusal: nothing is to change, or an amount is malformed."""
    changed = (body.quantity, body.price, body.trigger_price, body.display, body.post_only)
    if all(each is None for each in changed):
        raise InvalidBody("quantity", "Name what is to change.")
    return AmendOrder(
        investor_id=investor_id,
        order_id=order_id,
        client_order_id=client_order_id,
        quantity_units=_units(body.quantity, listing.base_decimals),
        price_units=_units(body.price, listing.quote_decimals),
        trigger_price_units=_units(body.trigger_price, listing.quote_decimals),
        display_units=_units(body.display, listing.base_decimals),
        post_only=body.post_only,
    )


def cancel_commands(body: CancelBatchBody, *, investor_id: int) -> list[CancelOrder]:
    """Those by our id first, then those by the client's own.

    :raises InvalidBody: none, or too many.
    """
    count = len(body.order_ids) + len(body.client_order_ids)
    if not 0 < count <= BATCH_CANCELS_MAX:
        raise InvalidBody("order_ids", f"Name 1 to {BATCH_CANCELS_MAX} orders.")
    return [CancelOrder(investor_id=investor_id, order_id=each) for each in body.order_ids] + [
        CancelOrder(investor_id=investor_id, client_order_id=each) for each in body.client_order_ids
    ]


def check_together(body: PlaceBody, at: str = "") -> None:
    """Refuse fields that contradict each other; what depends on the listing is the engine's.

    :raises InvalidBody: naming the field.
    """
    kind = body.order_type
    if (body.quantity is None) == (body.cash is None):
        raise InvalidBody(at + "quantity", "Name quantity or cash, not both.")
    _check_only(body.price, PRICED, kind, at, "price")
    _check_only(body.trigger_price, STOPS, kind, at, "trigger_price")
    _check_only(body.limit_offset, OFFSET, kind, at, "limit_offset")
    trails = (body.trail is not None) + (body.trail_percent is not None)
    if trails != (kind in TRAILING):
        raise InvalidBody(at + "trail", "A trailing stop alone has a trail or a trail_percent.")
    if body.trigger_by is not None and kind not in STOPS | TRAILING:
        raise InvalidBody(at + "trigger_by", f"An order of type {kind} has no trigger.")
    if (body.expires_at is None) == (body.time_in_force == "gtd"):
        raise InvalidBody(at + "expires_at", "It goes with time_in_force gtd, and only with it.")


def _check_only(value: object, kinds: Set[str], kind: str, at: str, field: str) -> None:
    """A field that some types must have and others must not."""
    if (value is not None) != (kind in kinds):
        words = "needs it" if kind in kinds else "has none"
        raise InvalidBody(at + field, f"An order of type {kind} {words}.")


def seconds_of(moment: datetime | float | None) -> float | None:
    """A moment as seconds of the kernel's clock since the epoch."""
    return moment.timestamp() if isinstance(moment, datetime) else moment


def timeout_of(deadline: datetime | float | None, *, now: datetime, longest: float) -> float:
    """How long a command may wait, in seconds: its sender's own deadline only shortens ours.

    A deadline that is past leaves none, and the engine refuses the command by its envelope.
    """
    if deadline is None:
        return longest
    return max(0.0, min(longest, (seconds_of(deadline) or 0.0) - now.timestamp()))


def _units(text: str | None, decimals: int) -> int | None:
    return None if text is None else parse_units(text, decimals)


def _offset_units(text: str | None, decimals: int) -> int | None:
    if text is None:
        return None
    units = parse_units(text.removeprefix("-"), decimals)
    return -units if text.startswith("-") else units
