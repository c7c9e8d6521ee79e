"""Which worker runs which test.

The journeys share one whole Bourse, so one worker runs all of them; it begins
with them, since nothing takes longer. Every other test goes where there is room.
(xdist's own `loadgroup` writes group names to where pytest 9.2 no longer reads them.)
"""

from xdist.scheduler import LoadScopeScheduling

JOURNEYS = "tests/journeys/"


class OneHouse(LoadScopeScheduling):
    """A scope is handed to one worker; the scope with the most tests goes first."""

    def _split_scope(self, nodeid: str) -> str:
        return JOURNEYS if nodeid.startswith(JOURNEYS) else nodeid
