"""AddOrder's parameters as our own command: what fits is taken over, the rest is refused.

Nothing that would change what an order does is ignored: an unknown flag or order
type ends in an error, because a client that asked for it counts on it.
"""

from datetime import datetime

from kernel.money import MalformedAmount, parse_units
from trading.commands import PlaceOrder
from trading.kraken.pairs import TOKENIZED, check_class, find_pair
from trading.kraken.parameters import Parameters
from trading.kraken.replies import DEADLINE, INVALID_ARGUMENTS, KrakenError
from trading.offering import Reader, check_side
from trading.queries import ListingView

CLIENT_ORDER_ID_CHARS_MAX = 36
USER_REF_MAX = 2**31 - 1
SIDES = ("buy", "sell")
ORDER_TYPES = ("limit", "market")
TIMES_IN_FORCE = ("gtc", "ioc", "fok")
# fciq: the fee in the quote currency, which is how it always is here.
KNOWN_FLAGS = {"post", "viqc", "fciq"}
# Each names something that we do not do; sent with a value that means "no", it is harmless.
UNSUPPORTED = {
    "price2": ("", "0"),
    "leverage": ("", "none", "1"),
    "reduce_only": ("", "false"),
    "displayvol": ("",),
    "trigger": ("",),
    "stptype": ("", "cancel-newest"),
    "starttm": ("", "0"),
    "expiretm": ("", "0"),
    "close[ordertype]": ("",),
}


def read_order(
    parameters: Parameters, *, investor_id: int, reader: Reader, now: datetime
) -> tuple[PlaceOrder, ListingView]:
    """The command that AddOrder's parameters ask for, and its listing.

    :raises KrakenError: a parameter is missing, malformed or not supported.
    """
    check_class(parameters.get("asset_class", TOKENIZED))
    _refuse_unsupported(parameters)
    _check_deadline(parameters, now)
    listing = find_pair(name=parameters.get("pair"), reader=reader)
    side = _one_of(parameters, "type", SIDES)
    check_side(listing, side)
    order_type = _one_of(parameters, "ordertype", ORDER_TYPES)
    flags = _flags(parameters)
    names_cash = "viqc" in flags
    volume = _amount(
        parameters, "volume", listing.quote_decimals if names_cash else listing.base_decimals
    )
    command = PlaceOrder(
        listing=listing.symbol,
        investor_id=investor_id,
        side=side,  # type: ignore[arg-type]
        type=order_type,  # type: ignore[arg-type]
        quantity_units=None if names_cash else volume,
        cash_units=volume if names_cash else None,
        price_units=_price(parameters, listing) if order_type == "limit" else None,
        time_in_force=_one_of(parameters, "timeinforce", TIMES_IN_FORCE, "gtc"),  # type: ignore[arg-type]
        post_only="post" in flags,
        client_order_id=_client_order_id(parameters),
        user_ref=_user_ref(parameters),
        source="kraken",
    )
    return command, listing


def _refuse_unsupported(parameters: Parameters) -> None:
    for name, harmless in UNSUPPORTED.items():
        if parameters.get(name).lower() not in harmless:
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")


def _check_deadline(parameters: Parameters, now: datetime) -> None:
    """`deadline` is RFC 3339; our own is shorter than the least that clients may ask for."""
    text = parameters.get("deadline")
    if not text:
        return
    try:
        deadline = datetime.fromisoformat(text)
        elapsed = deadline <= now
    except (ValueError, TypeError):
        raise KrakenError(f"{INVALID_ARGUMENTS}:deadline") from None
    if elapsed:
        raise KrakenError(DEADLINE)


def _flags(parameters: Parameters) -> set[str]:
    flags = set(parameters.words("oflags"))
    if not flags <= KNOWN_FLAGS:
        raise KrakenError(f"{INVALID_ARGUMENTS}:oflags")
    if "viqc" in flags and parameters.get("ordertype") != "market":
        raise KrakenError(f"{INVALID_ARGUMENTS}:viqc")
    return flags


def _one_of(parameters: Parameters, name: str, known: tuple[str, ...], default: str = "") -> str:
    word = parameters.get(name, default).lower()
    if word not in known:
        raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
    return word


def _amount(parameters: Parameters, name: str, decimals: int) -> int:
    """A positive amount in base units. Zeros beyond the asset's decimals mean nothing here."""
    text = parameters.get(name)
    whole, point, fraction = text.partition(".")
    if point and len(fraction) > decimals and not fraction[decimals:].strip("0"):
        text = f"{whole}.{fraction[:decimals]}" if decimals else whole
    try:
        units = parse_units(text, decimals)
    except MalformedAmount:
        raise KrakenError(f"{INVALID_ARGUMENTS}:{name}") from None
    if units == 0:
        raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
    return units


def _price(parameters: Parameters, listing: ListingView) -> int:
    return _amount(parameters, "price", listing.quote_decimals)


def _client_order_id(parameters: Parameters) -> str | None:
    text = parameters.get("cl_ord_id")
    if len(text) > CLIENT_ORDER_ID_CHARS_MAX or not text.isprintable():
        raise KrakenError(f"{INVALID_ARGUMENTS}:cl_ord_id")
    return text or None


def _user_ref(parameters: Parameters) -> int | None:
    if not parameters.has("userref"):
        return None
    number = parameters.integer("userref", 0)
    if abs(number) > USER_REF_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:userref")
    return number
