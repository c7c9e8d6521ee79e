"""Reading products, prices and countries. Every price here is per SHARE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kernel.refusals import NotFound
from reference.models import CountryRule, Instrument, ReferencePrice, ReferenceTick, TradingDay
from reference.sessions import SessionView, session_at
from reference.states import CountryStatus, PriceSource, Session

# A price older than this, in a session in which it should move, is stale.
STALE_AFTER_SECONDS = 60
TICKS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """What we know of an instrument's price, in micro-dollars (1e-6 USD) per share.

    Three separate facts: `session` (is the market closed?), `is_stale` (is the
    price older than it should be?), `is_halted` (is trading suspended?).
    `price_per_share_micros` is None while no price was ever believed.
    """

    instrument_id: int
    ticker: str
    price_per_share_micros: int | None
    confidence_micros: int | None
    previous_close_micros: int | None
    published_at: datetime | None
    age_seconds: int | None
    is_stale: bool
    is_halted: bool
    halt_reason: str
    session: Session
    source: PriceSource

    @property
    def is_usable(self) -> bool:
        """There is a price, as fresh as it can be, and the share is not halted."""
        return self.price_per_share_micros is not None and not (self.is_stale or self.is_halted)


def get_reference_price(*, instrument_id: int, now: datetime) -> ReferenceView:
    """The reference price of one instrument.

    On a weekend or holiday it is the last regular close, not a last overnight print.

    :raises NotFound: there is no such instrument.
    """
    views = list_reference_prices(now=now, instrument_ids=[instrument_id])
    if instrument_id not in views:
        raise NotFound("There is no such instrument.")
    return views[instrument_id]


def list_reference_prices(
    *, now: datetime, instrument_ids: Sequence[int] | None = None
) -> Mapping[int, ReferenceView]:
    """The reference prices of all or the named instruments by id, in two queries."""
    instruments = Instrument.objects.select_related("reference_price")
    if instrument_ids is not None:
        instruments = instruments.filter(id__in=instrument_ids)
    session = session_at(now)
    return {each.id: _view(each, session) for each in instruments}


def _view(instrument: Instrument, session: SessionView) -> ReferenceView:
    row: ReferencePrice | None = getattr(instrument, "reference_price", None)
    price, published_at = _price_for(row, session) if row else (None, None)
    return ReferenceView(
        instrument_id=instrument.id,
        ticker=instrument.ticker,
        price_per_share_micros=price,
        confidence_micros=row.confidence_micros if row else None,
        previous_close_micros=row.previous_close_micros if row else None,
        published_at=published_at,
        age_seconds=_age_seconds(published_at, session.at),
        is_stale=row is None or _is_stale(row.published_at, session),
        is_halted=row.is_halted if row else False,
        halt_reason=row.halt_reason if row else "",
        session=session.session,
        source=PriceSource(instrument.price_source),
    )


def _price_for(row: ReferencePrice, session: SessionView) -> tuple[int, datetime]:
    """The last regular close while the market is closed, else the newest price."""
    closed_at = row.regular_close_at
    if not session.has_prices and row.regular_close_micros is not None and closed_at is not None:
        return row.regular_close_micros, closed_at
    return row.price_per_share_micros, row.published_at


def _is_stale(published_at: datetime, session: SessionView) -> bool:
    return session.prices_until - published_at > timedelta(seconds=STALE_AFTER_SECONDS)


def _age_seconds(published_at: datetime | None, now: datetime) -> int | None:
    if published_at is None:
        return None
    return max(0, int((now - published_at).total_seconds()))


def get_instrument(ticker: str) -> Instrument:
    """:raises NotFound: there is no such ticker."""
    try:
        return Instrument.objects.get(ticker=ticker)
    except Instrument.DoesNotExist:
        raise NotFound("There is no such instrument.") from None


def list_instruments() -> list[Instrument]:
    """All instruments by ticker."""
    return list(Instrument.objects.order_by("ticker"))


def list_ticks(*, instrument_id: int, since: datetime) -> list[ReferenceTick]:
    """The believed prices since an instant, oldest first, at most TICKS_MAX."""
    ticks = ReferenceTick.objects.filter(instrument_id=instrument_id, published_at__gte=since)
    return list(ticks.order_by("published_at")[:TICKS_MAX])


def is_country_offered(country: str) -> bool:
    """Whether residents of a country (ISO 3166 alpha-2) may be served at all.

    A country without a rule is not offered.
    """
    return CountryRule.objects.filter(country=country, status=CountryStatus.ALLOWED).exists()


def get_country_rule(country: str) -> CountryRule:
    """:raises NotFound: the code is not a country's."""
    try:
        return CountryRule.objects.get(country=country)
    except CountryRule.DoesNotExist:
        raise NotFound("There is no such country.") from None


def list_countries() -> list[CountryRule]:
    """All countries by name, for a form."""
    return list(CountryRule.objects.order_by("name"))


def list_trading_days(*, since: date, days_max: int = 30) -> list[TradingDay]:
    """The next trading days from a date on, for a calendar page."""
    return list(TradingDay.objects.filter(date__gte=since).order_by("date")[:days_max])
