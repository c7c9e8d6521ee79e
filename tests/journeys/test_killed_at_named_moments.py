"""The most telling moments of `make torture`, one after the other, on the journeys' house."""

from tests.house import House
from tests.torture.plan import Run, Victim
from tests.torture.runs import Torture

SEED = 20_261_125
# First what only happens while the short load's few deposits are on their way.
PLAN = [
    Run("worker.after_step", Victim.ITSELF),
    Run("ledger.after_write", Victim.POSTGRES),
    Run("engine.before_commit", Victim.ITSELF),
    Run("engine.in_commit", Victim.POSTGRES),
    Run("engine.after_commit", Victim.ITSELF),
    Run("sealer.before_commit", Victim.ITSELF),
]


async def test_nothing_acknowledged_is_gone_whoever_dies_at_a_named_moment(house: House) -> None:
    torture = Torture(house, SEED, PLAN, is_short=True)

    wrong = await torture.run()

    assert wrong == []
    assert sum(torture.covered.values()) == len(PLAN)
