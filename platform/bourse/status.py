"""What works right now, for the status page: parts in words, no internals."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now

from reference.models import ReferencePrice
from reference.sessions import CalendarExhausted, session_at
from trading.models import Listing, Pool

STAND_BYS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'bourse-engine' AND datname = current_database()
       AND pid NOT IN (SELECT backend_pid FROM trading_pool WHERE backend_pid IS NOT NULL)
"""
ENGINE_SILENT_AFTER = timedelta(seconds=15)
PRICES_SILENT_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the venue: whether it is well, and since when or why not."""

    name: str
    is_well: bool
    words: str
    at: datetime | None = None


def look(*, now: datetime) -> list[Part]:
    """Every part that a reader would notice the loss of."""
    return [_engine(), _prices(now), _live_data(), _halts()]


def _engine() -> Part:
    beat = Pool.objects.aggregate(at=Max("heartbeat_at"))["at"]
    # Heartbeats are in the database's time, which a moved sandbox clock leaves alone.
    beating = Pool.objects.filter(heartbeat_at__gte=Now() - ENGINE_SILENT_AFTER)
    if not beating.exists() or beating.count() < Pool.objects.count():
        words = "The matching engine does not answer. Orders time out; nothing is lost."
        return Part("Order matching", False, words, beat)
    ready = "a stand-by is ready" if _count_stand_bys() else "no stand-by is ready"
    return Part("Order matching", True, f"Orders are matched and booked; {ready}.", beat)


def _count_stand_bys() -> int:
    with connection.cursor() as cursor:
        cursor.execute(STAND_BYS)
        (count,) = cursor.fetchone()
    return int(count)


def _prices(now: datetime) -> Part:
    newest = ReferencePrice.objects.aggregate(at=Max("received_at"))["at"]
    try:
        should_move = session_at(now).has_prices
    except CalendarExhausted:
        return Part("Reference prices", False, "The trading calendar ends here.", newest)
    if not should_move:
        return Part("Reference prices", True, "The US market is closed; last close shown.", newest)
    if newest is None or now - newest > PRICES_SILENT_AFTER:
        return Part("Reference prices", False, "The price feed is silent.", newest)
    return Part("Reference prices", True, "Prices arrive.", newest)


def _live_data() -> Part:
    try:
        cache.get("status")
    except Exception:  # whatever it is, live data does not flow
        return Part("Live data", False, "Live updates are interrupted; pages still show the truth.")
    return Part("Live data", True, "Books and trades stream.")


def _halts() -> Part:
    halted = Listing.objects.filter(state__in=["halted", "cancel_only"]).values_list(
        "wsname", flat=True
    )
    names = list(halted.order_by("wsname")[:20])
    if names:
        return Part("Listings", True, f"Halted: {', '.join(names)}.")
    return Part("Listings", True, "No listing is halted.")
