"""Words that reference rows may hold: kinds, exchanges, sessions, sources.

`Session` names the six states of the underlying market. Closed (weekend,
holiday), stale and halted are three separate facts about a price.
"""

from django.db.models import TextChoices


class InstrumentKind(TextChoices):
    STOCK = "stock", "Stock"
    ETF = "etf", "ETF"


class Exchange(TextChoices):
    """Primary listing, as ISO 10383 market identifier."""

    NASDAQ = "XNAS", "Nasdaq"
    NYSE = "XNYS", "New York Stock Exchange"
    ARCA = "ARCX", "NYSE Arca"
    CBOE = "BATS", "Cboe BZX"


class PriceSource(TextChoices):
    """Where the reference price comes from; shown wherever the price is."""

    LIVE = "live", "Live"
    REPLAY = "historical replay", "Historical replay"
    SIMULATED = "simulated", "Simulated"


class Session(TextChoices):
    REGULAR = "regular", "Regular hours"
    PRE = "pre", "Pre-market"
    POST = "post", "After hours"
    OVERNIGHT = "overnight", "Overnight"
    WEEKEND = "weekend", "Weekend"
    HOLIDAY = "holiday", "Holiday"


# Sessions in which the underlying trades somewhere and a price should be fresh.
SESSIONS_WITH_PRICES = frozenset({Session.REGULAR, Session.PRE, Session.POST, Session.OVERNIGHT})


class CountryStatus(TextChoices):
    ALLOWED = "allowed", "Allowed"
    BLOCKED = "blocked", "Blocked"
