"""Who is staff and in which groups: one administrator proposes, another confirms.

What somebody may do at the desk hangs on their groups, so granting one is an act
of two. The proposal, its two officers and its effect are in the sealed audit trail.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group

from accounts import approvals
from accounts.models import Proposal, User
from kernel.refusals import Forbidden, NotFound, Refusal

KIND = "staff_access"
PERMISSION = "accounts.change_user"


class UnknownGroup(Refusal):
    """There is no such group of staff."""

    code = "unknown_group"


class NothingToChange(Refusal):
    """The login has this access already."""

    code = "nothing_to_change"


def propose_access(
    *, user_id: int, is_staff: bool, groups: Collection[str], reason: str, officer: User,
    now: datetime,
) -> Proposal:  # fmt: skip
    """Propose what a login may do at the desk; another administrator confirms.

    :raises NotFound, UnknownGroup, NothingToChange: as they say; and as approvals.propose.
    """
    user = User.objects.filter(id=user_id).first()
    if user is None:
        raise NotFound
    names = sorted(set(groups))
    if Group.objects.filter(name__in=names).count() != len(names):
        raise UnknownGroup
    wanted = {"is_staff": is_staff, "groups": names}
    if wanted == _access_of(user):
        raise NothingToChange
    body = {"user": user.pk, "login": user.email, "from": _access_of(user), "to": wanted}
    return approvals.propose(
        kind=KIND, subject=f"user:{user.pk}", body=body, reason=reason, maker=officer, now=now
    )


def get_open_proposal(*, user_id: int) -> Proposal | None:
    return Proposal.objects.filter(
        kind=KIND, subject=f"user:{user_id}", state=Proposal.State.PROPOSED
    ).first()


def _access_of(user: User) -> dict[str, Any]:
    names = user.groups.order_by("name").values_list("name", flat=True)
    return {"is_staff": user.is_staff, "groups": list(names)}


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """Inside the transaction that confirms `proposal`."""
    user = User.objects.select_for_update().get(id=proposal.body["user"])
    if user.pk in {proposal.maker_id, proposal.checker_id}:
        raise Forbidden("Nobody grants access to themselves.")
    if _access_of(user) != proposal.body["from"] or user.email != proposal.body["login"]:
        raise approvals.ProposalChanged
    wanted = proposal.body["to"]
    if wanted["is_staff"] and not user.is_staff:
        _forget_ways_in(user)
    user.is_staff = wanted["is_staff"]
    user.save(update_fields=["is_staff", "password"])
    user.groups.set(Group.objects.filter(name__in=wanted["groups"]))


def _forget_ways_in(user: User) -> None:
    """All but the address: a new officer sets a password by e-mail.

    Whoever made the login may know its password, or have given it a passkey or
    an address of their own.
    """
    user.set_unusable_password()
    Authenticator.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email).delete()


def _names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    return {each.id: str(each.body["login"]) for each in proposals}


approvals.register(
    approvals.Kind(name=KIND, permission=PERMISSION, effect=_take_effect, names=_names)
)
