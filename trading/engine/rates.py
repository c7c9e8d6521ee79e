"""Which maker and taker rate an investor pays in a listing, now.

The most specific schedule that is in force decides: of partner and listing, of
the partner, of the listing, of everybody; without one, the listing's own rates.
Within it counts the tier that the investor's 30-day volume has reached.

Pure: told of schedules and volumes through the inbox; what begins later begins
with the first batch at or after its moment. See docs/fees.md.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from trading.engine.market import Rules

# Rates found are kept until something changes; more than this, and they are found anew.
FOUND_MAX = 200_000

Key = tuple[int | None, int | None]  # partner, listing


class Tier(NamedTuple):
    """From this 30-day volume on."""

    volume_from: int
    maker_e6: int
    taker_e6: int


class Schedule(NamedTuple):
    """Rates for a partner's investors (None: everybody's) in a listing (None: in all)."""

    partner_id: int | None
    listing_id: int | None
    valid_from: float
    tiers: tuple[Tier, ...]  # from the lowest volume up; none: ends the one before
    name: str = ""


def in_force(schedules: Iterable[Schedule], now: float) -> dict[Key, Schedule]:
    """For each partner and listing the schedule that began last; those that ended are left out."""
    found: dict[Key, Schedule] = {}
    for each in sorted(schedules, key=lambda schedule: schedule.valid_from):
        if each.valid_from <= now:
            found[each.partner_id, each.listing_id] = each
    return {key: schedule for key, schedule in found.items() if schedule.tiers}


def most_specific(
    schedules: Mapping[Key, Schedule], partner_id: int | None, listing_id: int
) -> Schedule | None:
    keys: list[Key] = [(None, listing_id), (None, None)]
    if partner_id is not None:
        keys = [(partner_id, listing_id), (partner_id, None), *keys]
    return next((schedules[key] for key in keys if key in schedules), None)


def tier_of(tiers: tuple[Tier, ...], volume: int) -> Tier:
    """The tier that a volume has reached; the lowest begins at nothing."""
    reached = tiers[0]
    for tier in tiers:
        if tier.volume_from <= volume:
            reached = tier
    return reached


class Rates:
    """All that the engine knows of fees; replaced whole when a fact behind it changes."""

    def __init__(
        self,
        schedules: Iterable[Schedule] = (),
        volumes: Mapping[int, int] | None = None,
        now: float = 0.0,
    ) -> None:
        self._schedules = tuple(schedules)
        self._volumes = volumes or {}  # investors with none are left out
        self.advance(now)

    def advance(self, now: float) -> None:
        """Let schedules that begin by now begin. Time never goes back, so nothing undoes it."""
        self._in_force = in_force(self._schedules, now)
        later = (each.valid_from for each in self._schedules if each.valid_from > now)
        self.changes_at = min(later, default=float("inf"))
        self._found: dict[tuple[int, int | None, int], tuple[int, int]] = {}

    def of(self, investor_id: int, partner_id: int | None, rules: Rules) -> tuple[int, int]:
        """(maker, taker) in millionths."""
        if not self._in_force:
            return rules.maker_fee_e6, rules.taker_fee_e6
        key = (investor_id, partner_id, rules.id)
        rates = self._found.get(key)
        if rates is None:
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            # The listing's own rates are not kept: they change without a word to this place.
            schedule = most_specific(self._in_force, partner_id, rules.id)
            if schedule is None:
                return rules.maker_fee_e6, rules.taker_fee_e6
            tier = tier_of(schedule.tiers, self._volumes.get(investor_id, 0))
            rates = self._found[key] = (tier.maker_e6, tier.taker_e6)
        return rates
