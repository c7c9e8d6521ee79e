"""Stopping trading of an investor, a listing, a partner or all; letting it go on again.

One officer stops at once, with a reason; two let go. Engines learn of both through their
inbox: in that batch all live orders of the scope are pulled, and new ones are refused
until the switch is lifted. Cancels always go on.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import approvals
from accounts.models import Investor, Partner, Proposal, User
from kernel.refusals import Forbidden, NotFound, Refusal
from trading.engine.stops import StopScope
from trading.models import KillSwitch, Listing

LIFT = "lift_kill_switch"
SUBJECT = "kill_switch:"  # then the switch's id
PERMISSION = "trading.set_kill_switch"
MODELS = {
    StopScope.INVESTOR: Investor,
    StopScope.LISTING: Listing,
    StopScope.PARTNER: Partner,
}


class StoppedAlready(Refusal):
    """This is stopped already."""

    code = "stopped_already"
    http_status = 409


class NotStopped(Refusal):
    """This switch has been lifted."""

    code = "not_stopped"
    http_status = 409


def stop_trading(
    *,
    scope: StopScope,
    key: int = 0,
    reason: str,
    public_words: str = "",
    officer: User,
    now: datetime,
) -> KillSwitch:
    """Stop at once; it takes effect at the engine's next batch.

    :param key: the id of the investor, listing or partner; 0 of the venue.
    :param public_words: what investors read instead of the usual sentence.
    :raises Forbidden, NotFound, StoppedAlready: as they say.
    :raises approvals.ReasonMissing: no reason.
    """
    if not (officer.is_staff and officer.has_perm(PERMISSION)):
        raise Forbidden
    if not reason.strip():
        raise approvals.ReasonMissing
    model = MODELS.get(scope)
    if model is None:
        key = 0
    elif not model._default_manager.filter(pk=key).exists():
        raise NotFound
    try:
        with transaction.atomic():
            return KillSwitch.objects.create(
                scope=scope.value, key=key, reason=reason.strip(),
                public_words=public_words.strip(), set_by=officer, set_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        if "kill_switch_set_once" not in str(error):
            raise
        raise StoppedAlready from None


def propose_lift(*, switch_id: int, reason: str, officer: User, now: datetime) -> Proposal:
    """Propose to let trading go on; another officer confirms.

    :raises NotFound, NotStopped: as they say; and as approvals.propose.
    """
    switch = KillSwitch.objects.filter(id=switch_id).first()
    if switch is None:
        raise NotFound
    if switch.lifted_at is not None:
        raise NotStopped
    body = {
        "switch_id": switch.pk,
        "scope": switch.scope,
        "of": names_of([switch])[switch.pk],
        "set_for": switch.reason,
    }
    return approvals.propose(
        kind=LIFT,
        subject=f"{SUBJECT}{switch.pk}",
        body=body,
        reason=reason,
        maker=officer,
        now=now,
    )


def names_of(switches: Sequence[KillSwitch]) -> dict[int, str]:
    """Whom or what each switch stops, by the switch's id."""
    names: dict[tuple[str, int], str] = {(StopScope.VENUE.value, 0): "the whole venue"}
    for scope, model in MODELS.items():
        keys = {switch.key for switch in switches if switch.scope == scope}
        for key, row in model._default_manager.in_bulk(keys).items():
            names[scope.value, key] = str(row)
    return {
        switch.pk: names.get((switch.scope, switch.key), f"{switch.scope} {switch.key}")
        for switch in switches
    }


def list_stop_alerts() -> list[str]:
    """Sentences about what is stopped, for the staff's start page; investors are only counted."""
    switches = list(KillSwitch.objects.filter(lifted_at__isnull=True).order_by("set_at"))
    wide = [switch for switch in switches if switch.scope != StopScope.INVESTOR]
    names = names_of(wide)
    found = [f"Trading is stopped: {names[each.pk]}. {each.reason}" for each in wide]
    stopped = len(switches) - len(wide)
    if stopped:
        found.append(f"Trading of {stopped} investor{'s' * (stopped > 1)} is stopped.")
    return found


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """:raises NotStopped: lifted meanwhile."""
    lifted = KillSwitch.objects.filter(id=proposal.body["switch_id"], lifted_at__isnull=True)
    if lifted.update(lifted_at=now, lift_proposal=proposal) == 0:
        raise NotStopped


def _names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    return {each.id: f"{each.body['scope']}: {each.body['of']}" for each in proposals}


approvals.register(
    approvals.Kind(name=LIFT, permission=PERMISSION, effect=_take_effect, names=_names)
)
