"""Deposits in quarantine: two officers credit one, or note that it was sent back.

The one rule: what two officers confirmed is what happens, once. The proposal's body
names the deposit, the amount, and for a return the transaction that took it out of
our wallet, which has to be final on the chain before anything is proposed. Nothing
is booked for a return, because nothing was booked for the deposit.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from accounts import approvals
from accounts.models import Proposal, User
from custody.gateways.chain import SolanaChain
from custody.models import Deposit
from custody.operations.deposits import credit
from custody.states import DEPOSIT_MOVES, DepositState, advance
from kernel.money import MalformedAmount
from kernel.refusals import NotFound, Refusal

PROPOSAL_KIND = "quarantined_deposit"  # one kind for both, so that they exclude each other
CREDIT, RETURN = "credit", "send_back"


class NotInQuarantine(Refusal):
    """This deposit is not in quarantine (any more)."""

    code = "not_in_quarantine"
    http_status = 409


class ReturnNotFinal(Refusal):
    """No final transaction of that signature took this amount out of the deposit's wallet."""

    code = "return_not_final"


def propose_credit(
    *, deposit_id: UUID, units: int, maker: User, reason: str, now: datetime
) -> Proposal:
    """Ask a second officer to credit `units` of it to whom its address belongs.

    :param units: what the officer found to have arrived, in the asset's base units.
    :raises NotFound, NotInQuarantine, MalformedAmount: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as there.
    """
    row = _get(deposit_id)
    if units <= 0:
        raise MalformedAmount("Credit more than nothing.")
    what = {"decision": CREDIT, "units": str(units)}
    return _propose(row, what, maker=maker, reason=reason, now=now)


def propose_return(
    *,
    deposit_id: UUID,
    return_signature: str,
    maker: User,
    reason: str,
    chain: SolanaChain,
    now: datetime,
) -> Proposal:
    """Ask a second officer to confirm that it was sent back by that transaction.

    :raises ReturnNotFinal: the chain knows no such final transaction.
    :raises GatewayUnavailable: the chain does not answer.
    :raises NotFound, NotInQuarantine: and those of approvals, as `propose_credit`.
    """
    row = _get(deposit_id)
    signature = return_signature.strip()
    asset = row.address.asset
    change = chain.change_of(signature, row.address.token_account, asset.mint_address)
    if change is None or change >= 0 or -change < row.units:
        raise ReturnNotFinal
    if Deposit.objects.filter(return_signature=signature).exists():
        raise ReturnNotFinal("That transaction has returned another deposit.")
    what = {"decision": RETURN, "return_signature": signature}
    return _propose(row, what, maker=maker, reason=reason, now=now)


def _propose(
    row: Deposit, what: dict[str, Any], *, maker: User, reason: str, now: datetime
) -> Proposal:
    address = row.address
    body = {
        "deposit": str(row.id),
        "signature": row.signature,
        "asset": address.asset.code,
        "seen_units": str(row.units),
        "for": f"investor {address.investor_id}" if address.investor_id else "the treasury",
        **what,
    }
    return approvals.propose(
        kind=PROPOSAL_KIND,
        subject=f"deposit:{row.id}",
        body=body,
        reason=reason,
        maker=maker,
        now=now,
    )


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """What a confirmed proposal does; in the confirming transaction."""
    row = _get(UUID(proposal.body["deposit"]), lock=True)
    if str(row.units) != proposal.body["seen_units"]:
        raise approvals.ProposalChanged
    if proposal.body["decision"] == CREDIT:
        _credit(row, int(proposal.body["units"]), now)
    else:
        _send_back(row, proposal.body["return_signature"], now)


def _credit(row: Deposit, units: int, now: datetime) -> None:
    if units != row.units:
        Deposit.objects.filter(id=row.id).update(units=units)
        row.units = units
    if not credit(row, row.slot, now):
        raise NotInQuarantine


def _send_back(row: Deposit, return_signature: str, now: datetime) -> None:
    state = advance(DEPOSIT_MOVES, DepositState(row.state), DepositState.RETURNED)
    Deposit.objects.filter(id=row.id).update(
        state=state, return_signature=return_signature, returned_at=now
    )


def _get(deposit_id: UUID, *, lock: bool = False) -> Deposit:
    rows = Deposit.objects.select_related("address__asset")
    if lock:
        rows = rows.select_for_update(of=("self",))
    row = rows.filter(id=deposit_id).first()
    if row is None:
        raise NotFound
    if row.state != DepositState.QUARANTINED:
        raise NotInQuarantine
    return row


approvals.register(approvals.Kind(name=PROPOSAL_KIND, effect=_take_effect))
