"""Verbs of reconciliation for tests: look at both sides, break one, see what is halted."""

from datetime import datetime, timedelta
from typing import Any

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from custody.models import Asset, ReconciliationCase, ReconciliationFigure, ReconciliationRun
from custody.models.reconciliation import Comparison
from custody.reconciliation.parties import Sources
from custody.reconciliation.run import reconcile
from tests.custody_stories import House

Kind = ReconciliationRun.Kind
SECOND_LOOK = timedelta(seconds=20)


def sources(house: House, **parties: Any) -> Sources:
    return Sources(
        chain=parties.get("chain", house.chain),
        custodian=parties.get("custodian", house.custodian),
        keys=house.keys,
    )


def look(house: House, *, at: datetime | None = None, **parties: Any) -> dict[str, str]:
    """One run, as of now or `at`; the verdict of each comparison, by asset and what."""
    both = sources(house, **parties)
    return verdicts(reconcile(kind=Kind.INTERVAL, sources=both, now=at or house.now))


def look_twice(house: House) -> dict[str, str]:
    """Suspected, then a case: the verdicts of the second run."""
    now = house.now
    look(house, at=now)
    return look(house, at=now + SECOND_LOOK)


def verdicts(run: ReconciliationRun) -> dict[str, str]:
    figures = run.figures.select_related("asset")
    return {f"{each.asset.code} {each.what}": str(each.verdict) for each in figures}


def off(found: dict[str, str]) -> dict[str, str]:
    """What does not match."""
    return {name: verdict for name, verdict in found.items() if verdict != "matches"}


def open_cases() -> list[str]:
    rows = ReconciliationCase.objects.filter(state="open").select_related("asset")
    return sorted(f"{case.asset.code} {case.what}" for case in rows)


def opened_case(
    asset: Asset, now: datetime, *, ledger: int, party: int, what: Comparison = Comparison.SUPPLY
) -> ReconciliationCase:
    """A case as a run writes it, without any party."""
    run = ReconciliationRun.objects.create(kind=Kind.INTERVAL, as_of=now)
    both = {"ledger_units": ledger, "party_units": party, "in_flight_low": 0, "in_flight_high": 0}
    names = {"run": run, "asset": asset, "what": what}
    ReconciliationFigure.objects.create(verdict="break", **names, **both)
    return ReconciliationCase.objects.create(
        difference_units=party - ledger, opened_at=now, **names, **both
    )


def matching_run(case: ReconciliationCase, now: datetime) -> ReconciliationRun:
    """A run that finds both sides of the case the same."""
    run = ReconciliationRun.objects.create(kind=Kind.INTERVAL, as_of=now)
    ReconciliationFigure.objects.create(
        run=run, asset=case.asset, what=case.what, ledger_units=5, party_units=5, verdict="matches"
    )
    return run


def send(house: House, instructions: list[Instruction], *signers: Keypair) -> None:
    """To the chain, behind the books' back; returns once it is final."""
    recent = house.chain.latest_blockhash()
    message = MessageV0.try_compile(signers[0].pubkey(), instructions, [], recent.blockhash)
    signed = VersionedTransaction(message, list(signers))
    house.chain.send(bytes(signed))
    signature = str(signed.signatures[0])

    def is_final() -> bool:
        status = house.chain.statuses([signature])[1][0]
        assert status is None or not status.error, status
        return status is not None and status.commitment == "finalized"

    house.sweep_until(is_final)
