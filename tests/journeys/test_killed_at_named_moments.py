"""The most telling moments of `make torture`, one after the other, on the journeys' house."""

from tests.house import House
from tests.torture.plan import Run, Victim
from tests.torture.runs import Torture

SEED = 20_261_125
PLAN = [
    Run("engine.in_commit", Victim.POSTGRES),
    Run("ledger.after_write", Victim.ITSELF),
    Run("engine.before_commit", Victim.ITSELF),
    Run("web.after_push", Victim.ITSELF),
    Run("engine.after_commit", Victim.VALKEY),
    Run("engine.before_publish", Victim.FROZEN),
    Run("sealer.after_commit", Victim.ITSELF),
    Run("engine.after_write", Victim.POSTGRES),
]


async def test_nothing_acknowledged_is_gone_whoever_dies_at_a_named_moment(house: House) -> None:
    torture = Torture(house, SEED, PLAN, is_short=True)

    wrong = await torture.run()

    assert wrong == []
    assert sum(torture.covered.values()) == len(PLAN)
