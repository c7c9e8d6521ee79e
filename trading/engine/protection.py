"""Where a market may trade now: its reference, the band around it, and what it takes.

The numbers are those of the US Limit Up-Limit Down plan, but here they run round
the clock: the band lies around the mean of the last five minutes' trades, else
around the outside reference; it is doubled near the open and the close and
outside regular hours, and on a weekend or holiday it widens with the hours since
the last regular close, up to the collar. A listing without any outside price has
neither collar nor band. Pure values; trading/engine/phases.py moves them.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trading.engine.sessions import Session, Sessions, Stretch
from trading.states import EVERYTHING, Allows, MarketPhase

MILLION: Final = 1_000_000
NO_HIGH: Final = 1 << 62
WINDOW_SECONDS: Final = 300.0
BUCKET_SECONDS: Final = 10  # trades of ten seconds are remembered as one sum
BAND_EVERY_SECONDS: Final = 30.0  # how often the band follows the trades
OPENING_SECONDS: Final = 15 * 60.0  # of the regular session: the band is doubled
CLOSING_SECONDS: Final = 25 * 60.0
WIDENING_HOURS: Final = 12  # each of these after the last close adds the band once more
# As reference.queries: a price older than this, while it should move, is stale ...
STALE_AFTER_SECONDS: Final = 60.0
# ... and once it has been for this long the listing is halted: a session's first price takes a
# moment, and a feed is asked every few seconds.
STALE_GRACE_SECONDS: Final = 60.0


class Outside(NamedTuple):
    """What the world says of a token, per token in quote units."""

    price: int
    published_at: float
    close: int | None = None  # the last regular close, and when that was
    closed_at: float | None = None
    is_halted: bool = False
    halt_reason: str = ""


class Trades(NamedTuple):
    """The trades of some seconds: when they began, the sum of their prices, how many."""

    at: float
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class Guard:
    """What the price protection knows of one market. Replaced whole, never changed."""

    allows: Allows = EVERYTHING
    limited_by: str = ""
    low: int = 0  # no trade below, and none above `high`
    high: int = NO_HIGH
    phase: str = MarketPhase.CONTINUOUS.value
    phase_reason: str = ""
    phase_since: float = 0.0
    phase_until: float | None = None  # None: until something else ends it
    extensions: int = 0  # how often the present auction has been prolonged
    outside: Outside | None = None
    stale_since: float | None = None
    was_shut: str = ""  # the condition that shuts it; reopening after it takes an auction
    trades: tuple[Trades, ...] = ()
    band_at: float = 0.0  # the half minute in which the band was last set
    center: int = 0  # where the band lies, and how wide it is in millionths; 0: no band
    width: int = 0
    opens_at: float | None = None  # when its hours begin again, while they are over
    indication: tuple[int, int, int] | None = None  # price, quantity, imbalance as last told


@dataclass(slots=True)
class Watch:
    """What all markets of a pool have in common: the sessions, and the fall of the whole market."""

    sessions: Sessions = field(default_factory=Sessions)
    stretch: Stretch | None = None
    due_at: float = 0.0  # when a market has to be looked at next
    looked_at: float = 0.0  # when they were last, by this engine or the one before; 0: never
    proxy: Outside | None = None  # the instrument that stands for the whole market
    proxy_before: int | None = None  # its regular close of the day before
    fired: frozenset[tuple[str, int]] = frozenset()  # (trade date, level) of breakers


def stretch_name(stretch: Stretch | None) -> str:
    return stretch.session if stretch else ""


def is_old(outside: Outside | None, stretch: Stretch | None, now: float) -> bool:
    """Whether the price is older than this session allows.

    While the share's market is closed, nothing newer than its last session is expected.
    """
    if outside is None or stretch is None:
        return False
    expected_until = now if stretch.has_prices else stretch.starts_at
    return expected_until - outside.published_at > STALE_AFTER_SECONDS


def outside_price(outside: Outside | None, stretch: Stretch | None) -> int | None:
    """The price that counts: on a weekend or holiday the last regular close."""
    if outside is None:
        return None
    if stretch is not None and not stretch.has_prices and outside.close is not None:
        return outside.close
    return outside.price


def mean_of(trades: tuple[Trades, ...], now: float) -> int | None:
    """The mean price of the last five minutes' trades, rounded down; None without any."""
    recent = [each for each in trades if each.at > now - WINDOW_SECONDS]
    count = sum(each.number for each in recent)
    return sum(each.total for each in recent) // count if count else None


def with_trades(
    trades: tuple[Trades, ...], now: float, total: int, count: int
) -> tuple[Trades, ...]:
    """The window with a batch's trades in it, and without what is older than five minutes."""
    at = now - now % BUCKET_SECONDS
    if trades and trades[-1].at == at:
        last = trades[-1]
        return (*trades[:-1], Trades(at, last.total + total, last.number + count))
    kept = tuple(each for each in trades if each.at > now - WINDOW_SECONDS)
    return (*kept, Trades(at, total, count))


def width_e6(band_e6: int, collar_e6: int, stretch: Stretch | None, now: float) -> int:
    """How far trades may lie from their reference, in millionths of it."""
    if stretch is None:
        return min(band_e6, collar_e6)
    if not stretch.has_prices:
        hours = max(int(now - stretch.last_close_at) // 3600, 0)
        return min(band_e6 + band_e6 * hours // WIDENING_HOURS, collar_e6)
    is_calm = (
        stretch.session == Session.REGULAR
        and now >= stretch.open_at + OPENING_SECONDS
        and now < stretch.close_at - CLOSING_SECONDS
    )
    return min(band_e6 if is_calm else 2 * band_e6, collar_e6)


def next_width_at(stretch: Stretch | None, now: float) -> float:
    """When the width changes next while the stretch lasts; its end at the latest."""
    if stretch is None:
        return NO_HIGH
    moments = [stretch.ends_at]
    if not stretch.has_prices:
        elapsed = int(now - stretch.last_close_at) // 3600
        moments.append(stretch.last_close_at + (elapsed + 1) * 3600.0)
    elif stretch.session == Session.REGULAR:
        moments += [stretch.open_at + OPENING_SECONDS, stretch.close_at - CLOSING_SECONDS]
    return min(moment for moment in moments if moment > now)


def band_around(reference: int, width: int, tick: int) -> tuple[int, int]:
    """The lowest and highest price on the tick within `width` millionths of the reference."""
    low = -(-reference * (MILLION - width) // MILLION)
    high = reference * (MILLION + width) // MILLION
    return max(low + -low % tick, tick), max(high - high % tick, tick)
