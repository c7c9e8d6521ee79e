"""One comparison as plain values: both sides, what is under way, and whether it adds up."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from custody.models.reconciliation import Comparison

# Why a figure is unavailable although both sides could be read.
KEPT_MOVING = "It moved each time it was read."


class Key(NamedTuple):
    """What is compared, of which asset."""

    asset_id: int
    what: Comparison


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high` units more than the ledger says may rightly be there."""

    low: int = 0
    high: int = 0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def shifted(self, units: int) -> "Range":
        return Range(self.low + units, self.high + units)

    def hull(self, other: "Range") -> "Range":
        return Range(min(self.low, other.low), max(self.high, other.high))


NOTHING = Range()


def exactly(units: int) -> Range:
    return Range(units, units)


def at_most(units: int) -> Range:
    """So many units come (or go, when negative), and nobody knows yet whether they have."""
    return Range(min(units, 0), max(units, 0))


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger's side of a comparison at one reading."""

    units: int
    in_flight: Range = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Both sides. `party_units` is None when the party could not be read; never 0 then."""

    key: Key
    ledger_units: int
    party_units: int | None
    in_flight: Range
    note: str = ""

    @property
    def adds_up(self) -> bool:
        if self.party_units is None:
            return False
        beyond = self.party_units - self.ledger_units
        return self.in_flight.low <= beyond <= self.in_flight.high

    @property
    def differs(self) -> bool:
        """The party has said something, and it does not add up."""
        return self.party_units is not None and not self.adds_up

    @property
    def is_empty(self) -> bool:
        """Nothing on either side, and nothing under way."""
        return not (self.ledger_units or self.party_units or self.in_flight != NOTHING)

    def unread(self, note: str) -> "Figure":
        return replace(self, party_units=None, note=note)
