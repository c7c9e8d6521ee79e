"""Believing prices: what the feed says is checked before it becomes a reference.

A price is refused when it is not positive, comes from the future, is too old or
too uncertain, or jumps too far from the last one without a second price beside
it. A price that is no newer than the one we hold is left aside without fuss:
feeds repeat and reorder. Halts and closing prices are recorded beside it.
See docs/reference/calendar.md for closed, stale and halted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from kernel.refusals import Refusal
from reference.gateways.halts import Halt, HaltsGateway
from reference.gateways.prices import PricesGateway, PriceUpdate
from reference.models import Instrument, ReferencePrice, ReferenceTick, TradingDay
from reference.sessions import SessionView, list_days_around, session_among
from reference.states import Session

# A move of more than a tenth between two prices is news or an error; ask twice.
JUMP_MAX_BASIS_POINTS = 1_000
# Two prices this close to each other corroborate a jump.
CORROBORATION_BASIS_POINTS = 200
# Half-width of the feed's confidence interval; wider means the sources disagree.
CONFIDENCE_MAX_BASIS_POINTS = 300
# Clocks differ a little; more than this is a wrong clock.
FUTURE_SECONDS_MAX = 5
# The longest closure plus a margin: older prices come from a dead feed.
AGE_MAX = timedelta(days=7)
# How far from a session's close its closing price may be published.
CLOSE_WINDOW = timedelta(minutes=5)
CLOSES_RETRY_AFTER = timedelta(minutes=10)
TICK_SECONDS = 60
TICKS_KEPT = timedelta(days=7)
TICKS_PRUNED_MAX = 50_000


class PriceNotPositive(Refusal):
    """A price is more than nothing."""

    code = "price_not_positive"


class PriceFromTheFuture(Refusal):
    """The price claims to be published later than now."""

    code = "price_from_the_future"


class PriceTooOld(Refusal):
    """The price is older than any closure of the market."""

    code = "price_too_old"


class PriceTooUncertain(Refusal):
    """The feed's own confidence interval is too wide."""

    code = "price_too_uncertain"


class PriceJumped(Refusal):
    """The price jumped too far to be believed alone; the next one may confirm it."""

    code = "price_jumped"


@dataclass(slots=True)
class Recorded:
    """What became of a round of prices: counts, and codes of refusals by ticker."""

    accepted: int = 0
    not_newer: int = 0
    unknown: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def refresh_prices(*, prices: PricesGateway, halts: HaltsGateway | None, now: datetime) -> Recorded:
    """Ask the feeds once and record what they say.

    :raises GatewayUnavailable: a feed did not answer; what came before is kept.
    """
    feed_ids = list(Instrument.objects.order_by("id").values_list("price_feed_id", flat=True))
    recorded = record_prices(updates=prices.latest(feed_ids).prices, now=now)
    for closed_at, missing in list_missing_closes(now=now).items():
        answer = prices.at(missing, closed_at)
        record_closes(feed_ids=missing, updates=answer.prices, closed_at=closed_at, now=now)
    if halts is not None:
        record_halts(halts=halts.list_halts(now=now), now=now)
    return recorded


@transaction.atomic
def record_prices(*, updates: Iterable[PriceUpdate], now: datetime) -> Recorded:
    """Check each price and store those that are believed.

    Refusals are counted by ticker, not raised: one bad feed must not stop the
    others. A jump is kept as suspect, so that the next price can confirm it.
    """
    board = _Board(
        instruments={each.price_feed_id: each for each in Instrument.objects.all()},
        rows=_lock_prices(),
        days=list_days_around(since=now - AGE_MAX, until=now),
        now=now,
    )
    for update in updates:
        board.take(update)
    _save(board.changed)
    ReferenceTick.objects.bulk_create(board.ticks, ignore_conflicts=True)
    return board.recorded


def check_price(*, update: PriceUpdate, last: ReferencePrice | None, now: datetime) -> None:
    """Whether a price newer than `last` may be believed.

    :raises PriceNotPositive: it is 0 or less, or its confidence is negative.
    :raises PriceFromTheFuture: published more than FUTURE_SECONDS_MAX after `now`.
    :raises PriceTooOld: published before `now` - AGE_MAX.
    :raises PriceTooUncertain: confidence above CONFIDENCE_MAX_BASIS_POINTS of it.
    :raises PriceJumped: it moved more than JUMP_MAX_BASIS_POINTS and the last
        suspect price, published earlier, does not lie near it.
    """
    if update.price_micros <= 0 or update.confidence_micros < 0:
        raise PriceNotPositive
    if update.published_at > now + timedelta(seconds=FUTURE_SECONDS_MAX):
        raise PriceFromTheFuture
    if update.published_at < now - AGE_MAX:
        raise PriceTooOld
    if update.confidence_micros * 10_000 > update.price_micros * CONFIDENCE_MAX_BASIS_POINTS:
        raise PriceTooUncertain
    if last is None or last.published_at < update.published_at - AGE_MAX:
        return  # nothing to compare with
    if _is_near(update.price_micros, last.price_per_share_micros, JUMP_MAX_BASIS_POINTS):
        return
    if not _is_corroborated(update, last):
        raise PriceJumped


def list_missing_closes(*, now: datetime) -> Mapping[datetime, Sequence[str]]:
    """Which feeds lack which session's closing price: instant of the close to feed ids.

    A feed that had no answer is asked again after CLOSES_RETRY_AFTER.
    """
    due = Q(closes_checked_at=None) | Q(closes_checked_at__lt=now - CLOSES_RETRY_AFTER)
    days = list_days_around(since=now - AGE_MAX, until=now)
    missing: dict[datetime, list[str]] = {}
    for row in ReferencePrice.objects.filter(due).select_related("instrument").order_by("id"):
        for closed_at in _missing_closes_of(row, days, now):
            missing.setdefault(closed_at, []).append(row.instrument.price_feed_id)
    return missing


@transaction.atomic
def record_closes(
    *,
    feed_ids: Sequence[str],
    updates: Iterable[PriceUpdate],
    closed_at: datetime,
    now: datetime,
) -> int:
    """Store closing prices of the session that closed at `closed_at`; how many.

    Only a price published within CLOSE_WINDOW after the close is one. All asked
    `feed_ids` count as asked, whether they had an answer or not.
    """
    rows = {row.instrument.price_feed_id: row for row in _lock_prices().values()}
    days = list_days_around(since=now - AGE_MAX, until=now)
    stored = 0
    for update in updates:
        row = rows.get(update.feed_id)
        if row is None or not _is_close(update, closed_at):
            continue
        if closed_at == _session_of(row.published_at, days).previous_regular_close_at:
            row.previous_close_micros = update.price_micros
        if row.regular_close_at is None or row.regular_close_at < closed_at:
            row.regular_close_micros = update.price_micros
            row.regular_close_at = closed_at
        stored += 1
    asked = [rows[feed_id] for feed_id in feed_ids if feed_id in rows]
    for row in asked:
        row.closes_checked_at = now
    _save(asked)
    return stored


@transaction.atomic
def record_halts(*, halts: Iterable[Halt], now: datetime) -> int:
    """Set and lift halts as the feed's complete list says; how many are in force."""
    reasons = {halt.ticker: halt.reason for halt in halts}
    rows = _lock_prices().values()
    for row in rows:
        reason = reasons.get(row.instrument.ticker, "")
        row.is_halted, row.halt_reason = bool(reason), reason[:80]
        row.halts_checked_at = now
    _save(rows)
    return sum(row.is_halted for row in rows)


def prune_ticks(*, now: datetime) -> int:
    """Delete history older than TICKS_KEPT, at most TICKS_PRUNED_MAX rows; how many."""
    old = ReferenceTick.objects.filter(received_at__lt=now - TICKS_KEPT)
    deleted, _ = ReferenceTick.objects.filter(id__in=old.values("id")[:TICKS_PRUNED_MAX]).delete()
    return deleted


def _lock_prices() -> dict[int, ReferencePrice]:
    """All reference prices by instrument, locked in id order: one writer at a time."""
    rows = ReferencePrice.objects.select_for_update(of=("self",)).select_related("instrument")
    return {row.instrument_id: row for row in rows.order_by("id")}


@dataclass(slots=True)
class _Board:
    """One round of prices against the locked rows; what changed is saved at its end."""

    instruments: Mapping[str, Instrument]
    rows: dict[int, ReferencePrice]
    days: Sequence[TradingDay]
    now: datetime
    recorded: Recorded = field(default_factory=Recorded)
    changed: list[ReferencePrice] = field(default_factory=list)
    ticks: list[ReferenceTick] = field(default_factory=list)

    def take(self, update: PriceUpdate) -> None:
        instrument = self.instruments.get(update.feed_id)
        row = self.rows.get(instrument.id) if instrument else None
        if instrument is None:
            self.recorded.unknown += 1
        elif row is not None and update.published_at <= row.published_at:
            self.recorded.not_newer += 1
        else:
            self._judge(update, row, instrument)

    def _judge(
        self, update: PriceUpdate, row: ReferencePrice | None, instrument: Instrument
    ) -> None:
        try:
            check_price(update=update, last=row, now=self.now)
        except PriceJumped as refusal:
            assert row is not None  # there is no jump without a last price
            row.suspect_price_micros = update.price_micros
            row.suspect_published_at = update.published_at
            self.changed.append(row)
            self.recorded.refused[instrument.ticker] = refusal.code
        except Refusal as refusal:
            self.recorded.refused[instrument.ticker] = refusal.code
        else:
            self._believe(update, row, instrument)

    def _believe(
        self, update: PriceUpdate, row: ReferencePrice | None, instrument: Instrument
    ) -> None:
        is_new_minute = row is None or _minute(update.published_at) != _minute(row.published_at)
        row = _apply(update, row or ReferencePrice(instrument=instrument), self.days, self.now)
        self.rows[instrument.id] = row
        self.changed.append(row)
        self.recorded.accepted += 1
        if is_new_minute:
            self.ticks.append(_tick(row))


def _apply(
    update: PriceUpdate, row: ReferencePrice, days: Sequence[TradingDay], now: datetime
) -> ReferencePrice:
    """The row with the new price in it; a day's first price turns the closes over."""
    view = _session_of(update.published_at, days)
    if row.trade_date != view.trade_date:
        row.previous_close_micros = _close_before(row, view)
        row.closes_checked_at = None
    row.price_per_share_micros = update.price_micros
    row.confidence_micros = update.confidence_micros
    row.published_at, row.received_at = update.published_at, now
    row.session, row.trade_date = view.session, view.trade_date
    row.suspect_price_micros = row.suspect_published_at = None
    if view.session == Session.REGULAR:
        row.regular_close_micros = update.price_micros
        row.regular_close_at = update.published_at
    return row


def _close_before(row: ReferencePrice, view: SessionView) -> int | None:
    """The last close that the row knows, if it is the one before the view's day."""
    known_at = row.regular_close_at
    if known_at is None or known_at < view.previous_regular_close_at - CLOSE_WINDOW:
        return None
    return row.regular_close_micros


def _missing_closes_of(
    row: ReferencePrice, days: Sequence[TradingDay], now: datetime
) -> list[datetime]:
    missing = []
    if row.previous_close_micros is None:
        missing.append(_session_of(row.published_at, days).previous_regular_close_at)
    current = session_among(days=days, now=now)
    is_behind = row.regular_close_at is None or row.regular_close_at < current.last_regular_close_at
    if not current.is_regular and is_behind:
        missing.append(current.last_regular_close_at)
    return sorted(set(missing))


def _session_of(published_at: datetime, days: Sequence[TradingDay]) -> SessionView:
    """The session that a price belongs to; one published at the close belongs before it."""
    return session_among(days=days, now=published_at - timedelta(microseconds=1))


def _is_close(update: PriceUpdate, closed_at: datetime) -> bool:
    return update.price_micros > 0 and closed_at <= update.published_at <= closed_at + CLOSE_WINDOW


def _is_corroborated(update: PriceUpdate, last: ReferencePrice) -> bool:
    suspect, suspected_at = last.suspect_price_micros, last.suspect_published_at
    if suspect is None or suspected_at is None or update.published_at <= suspected_at:
        return False
    return _is_near(update.price_micros, suspect, CORROBORATION_BASIS_POINTS)


def _is_near(price: int, other: int, basis_points: int) -> bool:
    return abs(price - other) * 10_000 <= other * basis_points


def _minute(instant: datetime) -> int:
    return int(instant.timestamp()) // TICK_SECONDS


def _tick(row: ReferencePrice) -> ReferenceTick:
    return ReferenceTick(
        instrument_id=row.instrument_id,
        price_per_share_micros=row.price_per_share_micros,
        confidence_micros=row.confidence_micros,
        published_at=row.published_at,
        received_at=row.received_at,
        session=row.session,
    )


_SAVED = [
    "price_per_share_micros", "confidence_micros", "published_at", "received_at", "session",
    "trade_date", "regular_close_micros", "regular_close_at", "previous_close_micros",
    "closes_checked_at", "suspect_price_micros", "suspect_published_at", "is_halted",
    "halt_reason", "halts_checked_at",
]  # fmt: skip


def _save(rows: Iterable[ReferencePrice]) -> None:
    """Write all rows in one statement; the locked ones and those that are new."""
    by_instrument = {row.instrument_id: row for row in rows}
    for row in by_instrument.values():
        row.pk = None  # the instrument is the key of the upsert
    ReferencePrice.objects.bulk_create(
        by_instrument.values(),
        update_conflicts=True,
        unique_fields=["instrument"],
        update_fields=_SAVED,
    )
