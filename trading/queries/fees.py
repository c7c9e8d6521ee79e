"""What a reader pays: their 30-day volume, the tiers that are for them, the one they reached.

Decided by the functions that the engine uses (trading/engine/rates.py), from the same rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import Max

from accounts.models import Investor
from trading.engine.rates import Key, Schedule, Tier, in_force, most_specific, tier_of
from trading.models import FeeSchedule, InvestorVolume, VolumeDay
from trading.offering import ANYONE, Reader
from trading.queries.listings import ListingView


@dataclass(frozen=True, slots=True)
class Standing:
    """An investor's volume in the 30 days that ended with `counted_until` (None: none yet)."""

    volume_units: int
    counted_until: date | None


@dataclass(frozen=True, slots=True)
class FeeCard:
    """Listings with the same tiers for a reader, and which of them the reader reached."""

    symbols: tuple[str, ...]
    tokens: tuple[str, ...]  # what is traded there
    tiers: tuple[Tier, ...]
    reached: Tier

    @property
    def next(self) -> Tier | None:
        """The tier above, None at the top."""
        return next((tier for tier in self.tiers if tier > self.reached), None)


def get_standing(*, investor_id: int) -> Standing:
    """The volume by which tiers are judged now."""
    counted_until = VolumeDay.objects.aggregate(day=Max("day"))["day"]
    rows = InvestorVolume.objects.filter(investor_id=investor_id, day=counted_until)
    return Standing(rows.values_list("month_units", flat=True).first() or 0, counted_until)


def list_fee_cards(
    *, listings: Sequence[ListingView], reader: Reader, volume_units: int, now: datetime
) -> list[FeeCard]:
    """The tiers of each listing for this reader; listings with the same tiers share a card."""
    schedules = _schedules_for(reader, now)
    found: dict[tuple[Tier, ...], list[ListingView]] = {}
    for listing in listings:
        found.setdefault(_tiers(schedules, listing), []).append(listing)
    return [
        FeeCard(
            tuple(each.symbol for each in same),
            tuple(each.base for each in same),
            tiers,
            tier_of(tiers, volume_units),
        )
        for tiers, same in found.items()
    ]


def public_tiers(*, listings: Iterable[ListingView], now: datetime) -> dict[int, tuple[Tier, ...]]:
    """Everybody's tiers in each listing, by its id."""
    schedules = _schedules_for(ANYONE, now)
    return {listing.id: _tiers(schedules, listing) for listing in listings}


def with_own_rates(
    listings: Iterable[ListingView], *, reader: Reader, now: datetime
) -> list[ListingView]:
    """The listings with the rates that this reader pays now, in place of their own."""
    schedules = _schedules_for(reader, now)
    if not schedules.in_force:
        return list(listings)
    volume = 0
    if reader.investor_id is not None:
        volume = get_standing(investor_id=reader.investor_id).volume_units
    found = []
    for listing in listings:
        reached = tier_of(_tiers(schedules, listing), volume)
        found.append(replace(listing, maker_fee_e6=reached.maker_e6, taker_fee_e6=reached.taker_e6))
    return found


@dataclass(frozen=True, slots=True)
class _Schedules:
    """What is in force for one reader's partner."""

    in_force: Mapping[Key, Schedule]
    partner_id: int | None


def _schedules_for(reader: Reader, now: datetime) -> _Schedules:
    rows = FeeSchedule.objects.filter(valid_from__lte=now).prefetch_related("tiers")
    schedules = [
        Schedule(row.partner_id, row.listing_id, row.valid_from.timestamp(), _tiers_of(row))
        for row in rows
    ]
    partner_id = None
    if schedules and reader.investor_id is not None:
        investors = Investor.objects.filter(id=reader.investor_id)
        partner_id = investors.values_list("partner_id", flat=True).first()
    return _Schedules(in_force(schedules, now.timestamp()), partner_id)


def _tiers_of(row: FeeSchedule) -> tuple[Tier, ...]:
    return tuple(sorted(Tier(t.volume_from_units, t.maker_e6, t.taker_e6) for t in row.tiers.all()))


def _tiers(schedules: _Schedules, listing: ListingView) -> tuple[Tier, ...]:
    schedule = most_specific(schedules.in_force, schedules.partner_id, listing.id)
    if schedule is None:
        return (Tier(0, listing.maker_fee_e6, listing.taker_fee_e6),)
    return schedule.tiers
