"""AddOrder's parameters as our own command: what fits is taken over, the rest is refused.

Nothing that would change what an order does is ignored: an unknown flag or order
type ends in an error, because a client that asked for it counts on it.
"""

from datetime import datetime
from typing import Any

from kernel.money import MalformedAmount, parse_units
from trading.commands import PlaceOrder
from trading.kraken.pairs import TOKENIZED, check_class, find_pair
from trading.kraken.parameters import Parameters
from trading.kraken.replies import DEADLINE, INVALID_ARGUMENTS, KrakenError
from trading.offering import Reader, check_side
from trading.queries import ListingView

CLIENT_ORDER_ID_CHARS_MAX = 36
USER_REF_MAX = 2**31 - 1
PERCENT_DECIMALS = 4
EXPIRY_SECONDS_MAX = 10**10  # as a moment, the year 2286
SIDES = ("buy", "sell")
TIMES_IN_FORCE = ("gtc", "ioc", "fok", "gtd")
TRIGGERS = ("last", "index")
# Theirs: ours, does it name a limit price, does it name a trigger.
ORDER_TYPES: dict[str, tuple[str, bool, bool]] = {
    "limit": ("limit", True, False),
    "iceberg": ("limit", True, False),
    "market": ("market", False, False),
    "stop-loss": ("stop_loss", False, True),
    "stop-loss-limit": ("stop_loss_limit", True, True),
    "take-profit": ("take_profit", False, True),
    "take-profit-limit": ("take_profit_limit", True, True),
    "trailing-stop": ("trailing_stop", False, True),
    "trailing-stop-limit": ("trailing_stop_limit", True, True),
}
STP_TYPES = {
    "cancel-newest": "cancel_newest",
    "cancel-oldest": "cancel_oldest",
    "cancel-both": "cancel_both",
}
# An order that closes what another fills; ours are market orders once triggered.
CLOSE_TYPES = {
    "take-profit": "close_take_profit_units",
    "stop-loss": "close_stop_loss_units",
}
# fciq: the fee in the quote currency, which is how it always is here.
KNOWN_FLAGS = {"post", "viqc", "fciq"}
# Each names something that we do not do; sent with a value that means "no", it is harmless.
UNSUPPORTED = {
    "leverage": ("", "none", "1"),
    "starttm": ("", "0"),
    "close[price2]": ("", "0"),
}


def read_order(
    parameters: Parameters, *, investor_id: int, reader: Reader, now: datetime
) -> tuple[PlaceOrder, ListingView]:
    """The command that AddOrder's parameters ask for, and its listing.

    :raises KrakenError: a parameter is missing, malformed or not supported.
    """
    check_class(parameters.get("asset_class", TOKENIZED))
    refuse_unsupported(parameters)
    listing = find_pair(name=parameters.get("pair"), reader=reader)
    side = one_of(parameters, "type", SIDES)
    check_side(listing, side)
    kind = parameters.get("ordertype").lower()
    if kind not in ORDER_TYPES:
        raise KrakenError(f"{INVALID_ARGUMENTS}:ordertype")
    flags = read_flags(parameters)
    names_cash = "viqc" in flags
    volume = amount(
        parameters, "volume", listing.quote_decimals if names_cash else listing.base_decimals
    )
    fields: dict[str, Any] = {
        "listing": listing.symbol,
        "investor_id": investor_id,
        "side": side,
        "type": ORDER_TYPES[kind][0],
        "cash_units" if names_cash else "quantity_units": volume,
        "post_only": "post" in flags,
        "client_order_id": _client_order_id(parameters),
        "user_ref": user_ref(parameters),
        "reduce_only": parameters.flag("reduce_only"),
        "self_trade_prevention": STP_TYPES[
            one_of(parameters, "stptype", tuple(STP_TYPES), "cancel-newest")
        ],
        "validate_only": parameters.flag("validate"),
        "source": "kraken",
    }
    fields |= _prices(parameters, listing, kind, side)
    fields |= _lifetime(parameters, now)
    fields |= _display(parameters, listing, kind)
    fields |= _close(parameters, listing)
    return PlaceOrder(**fields), listing


def refuse_unsupported(parameters: Parameters) -> None:
    for name, harmless in UNSUPPORTED.items():
        if parameters.get(name).lower() not in harmless:
            raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")


def read_deadline(parameters: Parameters, now: datetime) -> datetime | None:
    """`deadline`, RFC 3339; it travels with the command and may only shorten our own.

    :raises KrakenError: it is no time, or is past already.
    """
    text = parameters.get("deadline")
    if not text:
        return None
    try:
        deadline = datetime.fromisoformat(text)
        is_past = deadline <= now
    except (ValueError, TypeError):
        raise KrakenError(f"{INVALID_ARGUMENTS}:deadline") from None
    if is_past:
        raise KrakenError(DEADLINE)
    return deadline


def read_flags(parameters: Parameters) -> set[str]:
    flags = set(parameters.words("oflags"))
    if not flags <= KNOWN_FLAGS:
        raise KrakenError(f"{INVALID_ARGUMENTS}:oflags")
    if "viqc" in flags and parameters.get("ordertype") != "market":
        raise KrakenError(f"{INVALID_ARGUMENTS}:viqc")
    return flags


def _prices(
    parameters: Parameters, listing: ListingView, kind: str, side: str
) -> dict[str, int | str | None]:
    """`price` is the limit of a limit order and the trigger of all others; `price2` their limit."""
    _, has_limit, has_trigger = ORDER_TYPES[kind]
    takes_second = has_limit and has_trigger
    if not takes_second and parameters.get("price2") not in ("", "0"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:price2")
    if not has_trigger:
        if parameters.has("trigger"):
            raise KrakenError(f"{INVALID_ARGUMENTS}:trigger")
        return {"price_units": price(parameters, "price", listing)} if has_limit else {}
    found: dict[str, int | str | None] = {
        "trigger_by": one_of(parameters, "trigger", TRIGGERS, "last")
    }
    if kind.startswith("trailing"):
        found |= _trail(parameters, listing)
        if takes_second:
            found["limit_offset_units"] = _offset(parameters, listing, side)
        return found
    found["trigger_price_units"] = price(parameters, "price", listing)
    if takes_second:
        found["price_units"] = price(parameters, "price2", listing)
    return found


def _trail(parameters: Parameters, listing: ListingView) -> dict[str, int | str | None]:
    """ "+5" is a distance in the quote currency, "+5%" one of the best price; the side says where.

    :raises KrakenError: a trailing stop's price without its plus.
    """
    text, word = parameters.get("price"), f"{INVALID_ARGUMENTS}:price"
    if not text.startswith("+"):
        raise KrakenError(word)
    if text.endswith("%"):
        return {"trail_e6": _units(text[1:-1], PERCENT_DECIMALS, word)}
    return {"trail_units": _units(text[1:], listing.quote_decimals, word)}


def _offset(parameters: Parameters, listing: ListingView, side: str) -> int:
    """The limit minus the trigger; "#" lets the side say which way. No percent.

    :raises KrakenError: neither sign nor digits.
    """
    text = parameters.get("price2")
    word = f"{INVALID_ARGUMENTS}:price2"
    if text[:1] not in ("+", "-", "#"):
        raise KrakenError(word)
    units = _units(text[1:], listing.quote_decimals, word, least=0)
    is_below = text[0] == "-" or (text[0] == "#" and side == "sell")
    return -units if is_below else units


def _lifetime(parameters: Parameters, now: datetime) -> dict[str, Any]:
    """`timeinforce` and `expiretm`, which older clients send alone.

    :raises KrakenError: GTD without an end, or an end with another time in force.
    """
    expires = _expiry(parameters, now)
    default = "gtc" if expires is None else "gtd"
    time_in_force = one_of(parameters, "timeinforce", TIMES_IN_FORCE, default)
    if (expires is None) == (time_in_force == "gtd"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:expiretm")
    return {"time_in_force": time_in_force, "expires_at": expires}


def _expiry(parameters: Parameters, now: datetime) -> float | None:
    """ "+60" is seconds from now, plain digits seconds since the epoch; 0 is no end."""
    text = parameters.get("expiretm")
    number = parameters.integer("expiretm", 0)
    if number == 0:
        return None
    if not 0 < number <= EXPIRY_SECONDS_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:expiretm")
    return now.timestamp() + number if text.startswith("+") else float(number)


def _display(parameters: Parameters, listing: ListingView, kind: str) -> dict[str, int]:
    """An iceberg names what it shows, and nothing else does."""
    if (kind == "iceberg") != parameters.has("displayvol"):
        raise KrakenError(f"{INVALID_ARGUMENTS}:displayvol")
    if kind != "iceberg":
        return {}
    return {"display_units": amount(parameters, "displayvol", listing.base_decimals)}


def _close(parameters: Parameters, listing: ListingView) -> dict[str, int]:
    kind = parameters.get("close[ordertype]").lower()
    if not kind:
        return {}
    if kind not in CLOSE_TYPES:
        raise KrakenError(f"{INVALID_ARGUMENTS}:close[ordertype]")
    return {CLOSE_TYPES[kind]: price(parameters, "close[price]", listing)}


def one_of(parameters: Parameters, name: str, known: tuple[str, ...], default: str = "") -> str:
    word = (parameters.get(name) or default).lower()
    if word not in known:
        raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
    return word


def amount(parameters: Parameters, name: str, decimals: int) -> int:
    """A positive amount in base units. Zeros beyond the asset's decimals mean nothing here."""
    return _units(parameters.get(name), decimals, f"{INVALID_ARGUMENTS}:{name}")


def price(parameters: Parameters, name: str, listing: ListingView) -> int:
    """A price as it stands, not relative to another.

    :raises KrakenError: anything else; Kraken's relative prices ("+5", "#5%") are not taken.
    """
    return amount(parameters, name, listing.quote_decimals)


def _units(text: str, decimals: int, word: str, least: int = 1) -> int:
    whole, point, fraction = text.partition(".")
    if point and len(fraction) > decimals and not fraction[decimals:].strip("0"):
        text = f"{whole}.{fraction[:decimals]}" if decimals else whole
    try:
        units = parse_units(text, decimals)
    except MalformedAmount:
        raise KrakenError(word) from None
    if units < least:
        raise KrakenError(word)
    return units


def _client_order_id(parameters: Parameters) -> str | None:
    text = parameters.get("cl_ord_id")
    if len(text) > CLIENT_ORDER_ID_CHARS_MAX or not text.isprintable():
        raise KrakenError(f"{INVALID_ARGUMENTS}:cl_ord_id")
    return text or None


def user_ref(parameters: Parameters, name: str = "userref") -> int | None:
    if not parameters.has(name):
        return None
    number = parameters.integer(name, 0)
    if abs(number) > USER_REF_MAX:
        raise KrakenError(f"{INVALID_ARGUMENTS}:{name}")
    return number
