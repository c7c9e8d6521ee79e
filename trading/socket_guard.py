"""What a socket may do, and until when: its rate, its session or key, who reads."""

import random
import time
from dataclasses import dataclass, replace
from typing import Any

from accounts import api_keys
from accounts.models import User
from kernel import clock
from kernel.refusals import Refusal
from trading import queries
from trading.offering import Reader, reader_of
from trading.queries import ListingView

MESSAGES_PER_SECOND = 200.0
MESSAGES_AT_ONCE_MAX = 1_000  # after a pause
# To ask again for what was sent before costs this many: a snapshot is read and written anew.
AGAIN_COSTS = 20
# How long a socket may go on after its session or key has ended, or a listing is no
# longer offered to its reader.
RECHECK_SECONDS = 10.0
# Of readers without their investor: until when what is offered to them is known.
_offers: dict[Reader, tuple[float, dict[str, ListingView] | None]] = {}


class TooManyMessages(Refusal):
    """You send faster than is allowed. Slow down."""

    code = "too_many_messages"
    http_status = 429


class Allowance:
    """A bucket of messages that refills with time."""

    def __init__(self) -> None:
        self._left = float(MESSAGES_AT_ONCE_MAX)
        self._seen = time.monotonic()

    def has_one(self) -> bool:
        """Whether `take` would be allowed."""
        since = time.monotonic() - self._seen
        return self._left + since * MESSAGES_PER_SECOND >= 1

    def take(self, count: int = 1) -> None:
        """:raises TooManyMessages: there are not as many in the bucket."""
        at = time.monotonic()
        self._left += (at - self._seen) * MESSAGES_PER_SECOND
        self._left, self._seen = min(self._left, MESSAGES_AT_ONCE_MAX), at
        if self._left < count:
            raise TooManyMessages
        self._left -= count


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now: whether they are still signed in, and what is offered to them."""

    is_signed_in: bool
    reader: Reader
    offered: dict[str, ListingView]  # by symbol


def seconds_to_next_look() -> float:
    """Sockets that came together, as after a restart, are not looked at together for ever."""
    # What is offered may be known a tenth longer than it is true (_offered_to).
    return RECHECK_SECONDS * random.uniform(0.5, 0.9)  # noqa: S311 (no secret)


def look_again(scope: Any, *, investor_id: int, key_id: str | None, reader: Reader) -> Standing:
    """Read anew how somebody stands who was let in by a key, or by the browser's session."""
    if key_id is not None:
        is_signed_in = api_keys.list_usable(key_id).exists()
    else:
        is_signed_in = is_session_alive(scope)
    if is_signed_in:
        reader = reader_of(investor_id=investor_id)
    return Standing(is_signed_in, reader, _offered_to(reader))


def get_to_know(investor_id: int) -> tuple[Reader, dict[str, ListingView]]:
    """Somebody who has just signed in, and what is offered to them."""
    reader = reader_of(investor_id=investor_id)
    return reader, _by_symbol(queries.list_listings(reader=reader, now=clock.now()))


def _offered_to(reader: Reader) -> dict[str, ListingView]:
    """Read once for all who are alike, where all is offered to them: many are looked at."""
    alike = replace(reader, investor_id=None)
    until, offered = _offers.get(alike, (0.0, None))
    if time.monotonic() >= until:
        listings = queries.list_if_all_offered(reader=reader)
        offered = None if listings is None else _by_symbol(listings)
        # Bounded by the countries that there are.
        _offers[alike] = (time.monotonic() + RECHECK_SECONDS / 10, offered)
    if offered is None:
        return _by_symbol(queries.list_listings(reader=reader, now=clock.now()))
    return offered


def _by_symbol(listings: list[ListingView]) -> dict[str, ListingView]:
    return {each.symbol: each for each in listings}


def is_session_alive(scope: Any) -> bool:
    """Whether the browser's session is not over: no sign-out, no new password, login open."""
    session, user = scope["session"], User.objects.filter(pk=scope["user"].pk).first()
    return bool(
        user is not None
        and user.is_active
        and session.session_key
        and session.exists(session.session_key)
        and session.get("_auth_user_hash") == user.get_session_auth_hash()
    )
