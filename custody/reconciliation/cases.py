"""Closing a case: one officer explains and proposes, another confirms.

The one rule: a case is closed only while its figures match, at the proposal and at
the confirmation. Matching alone never closes it: somebody has to say what it was.
The database demands the same (`custody_check_reconciliation_case`).
"""

from datetime import datetime
from uuid import UUID

from accounts import approvals
from accounts.models import Proposal, User
from custody.models import ReconciliationCase
from custody.models.reconciliation import Comparison
from custody.reconciliation.figures import Key
from custody.reconciliation.history import newest_figures
from kernel.refusals import NotFound, Refusal

PROPOSAL_KIND = "reconciliation_case"


class CaseClosed(Refusal):
    """This case has been closed."""

    code = "reconciliation_case_closed"
    http_status = 409


class StillDiffers(Refusal):
    """The newest figures do not match. A case is closed only when both sides agree again."""

    code = "still_differs"
    http_status = 409


def propose_close(*, case_id: UUID, maker: User, explanation: str, now: datetime) -> Proposal:
    """Ask a second officer to close it; minting and redeeming stay halted until then.

    :raises NotFound, CaseClosed, StillDiffers: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as there.
    """
    case = _get(case_id)
    _check_matches(case)
    body = {
        "case": str(case.id),
        "asset": case.asset.code,
        "what": case.get_what_display(),
        "ledger_units": str(case.ledger_units),
        "party_units": str(case.party_units),
        "explanation": explanation.strip(),
    }
    return approvals.propose(
        kind=PROPOSAL_KIND,
        subject=f"{PROPOSAL_KIND}:{case.id}",
        body=body,
        reason=explanation,
        maker=maker,
        now=now,
    )


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """What a confirmed proposal does; in the confirming transaction."""
    case = _get(UUID(proposal.body["case"]), lock=True)
    _check_matches(case)
    ReconciliationCase.objects.filter(id=case.id).update(
        state=ReconciliationCase.State.CLOSED,
        closed_at=now,
        explanation=proposal.body["explanation"],
        proposal=proposal,
    )


def _check_matches(case: ReconciliationCase) -> None:
    # The very newest: while the party is silent nobody knows.
    key = Key(case.asset_id, Comparison(case.what))
    newest = newest_figures([key], heard_of=False).get(key)
    if newest is None or newest.verdict != newest.Verdict.MATCHES:
        raise StillDiffers


def _get(case_id: UUID, *, lock: bool = False) -> ReconciliationCase:
    rows = ReconciliationCase.objects.select_related("asset")
    if lock:
        rows = rows.select_for_update(of=("self",))
    case = rows.filter(id=case_id).first()
    if case is None:
        raise NotFound
    if not case.is_open:
        raise CaseClosed
    return case


approvals.register(approvals.Kind(name=PROPOSAL_KIND, effect=_take_effect))
