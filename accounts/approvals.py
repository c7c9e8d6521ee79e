"""Four eyes: one officer proposes, another confirms, what was read is what happens.

A proposal carries the SHA-256 of its body in canonical JSON. Who approves sends
the hash of what was on the screen; the effect recomputes it. The database
refuses a checker who is the maker, and any change of a body.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import Proposal, User
from kernel.refusals import Forbidden, NotFound, Refusal

State = Proposal.State
PERMISSION_DEFAULT = "accounts.check_proposal"


class AlreadyProposed(Refusal):
    """There is already an open proposal about this."""

    code = "already_proposed"
    http_status = 409


class ReasonMissing(Refusal):
    """Say why: a decision without a reason cannot be checked."""

    code = "reason_missing"


class SameOfficer(Refusal):
    """Another officer has to confirm what you proposed yourself."""

    code = "same_officer"
    http_status = 403


class ProposalDecided(Refusal):
    """This proposal has already been decided."""

    code = "proposal_decided"
    http_status = 409


class ProposalChanged(Refusal):
    """What you confirm is not what was proposed. Read it again."""

    code = "proposal_changed"
    http_status = 409


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an app says about its proposals: who may decide, and how one takes effect.

    `effect(proposal, now)` runs in the transaction of `confirm`; without one the
    proposal is confirmed by the app's own operation. `words(proposals)` says whom
    or what each is about, by its id, for lists.
    """

    name: str
    permission: str = PERMISSION_DEFAULT
    effect: Callable[[Proposal, datetime], object] | None = None
    names: Callable[[Sequence[Proposal]], dict[UUID, str]] | None = None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Apps above call this once, at import of their operations."""
    _kinds[kind.name] = kind


def kind_named(name: str) -> Kind:
    return _kinds.get(name) or Kind(name=name)


def subject_names(proposals: Sequence[Proposal]) -> dict[UUID, str]:
    """Whom or what each proposal is about, in a fixed number of queries for each kind."""
    found: dict[UUID, str] = {}
    for name in {each.kind for each in proposals}:
        kind, same = kind_named(name), [each for each in proposals if each.kind == name]
        if kind.names is not None:
            found |= kind.names(same)
        for each in same:
            found.setdefault(each.id, str(each.body.get("asset", each.subject)))
    return found


def hash_body(body: Any) -> str:
    """SHA-256 in hex of the body's canonical JSON (sorted keys, no spaces)."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def propose(
    *, kind: str, subject: str, body: dict[str, Any], reason: str, maker: User, now: datetime
) -> Proposal:
    """Write down what `maker` wants; nothing happens until another officer confirms.

    :raises ReasonMissing: `reason` is blank.
    :raises Forbidden: `maker` lacks the permission of this kind.
    :raises AlreadyProposed: an open proposal of this kind and subject exists.
    """
    if not reason.strip():
        raise ReasonMissing
    _require_permission(maker, kind)
    try:
        with transaction.atomic():
            return Proposal.objects.create(
                kind=kind, subject=subject, body=body, body_hash=hash_body(body),
                reason=reason.strip(), maker=maker, proposed_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        if "one_open_proposal_per_subject" not in str(error):
            raise
        raise AlreadyProposed from None


def approve(
    *, proposal_id: UUID, checker: User, body_hash: str, now: datetime, note: str = ""
) -> Proposal:
    """Confirm as the second officer; the caller carries the effect out, then `mark_executed`.

    :raises NotFound, Forbidden, SameOfficer, ProposalDecided: as they say.
    :raises ProposalChanged: `body_hash` is not the hash of the body.
    """
    return _decide(
        _get(proposal_id), checker, body_hash=body_hash, target=State.APPROVED, note=note, now=now
    )


def reject(
    *, proposal_id: UUID, checker: User, body_hash: str, reason: str, now: datetime
) -> Proposal:
    """Turn the proposal down, as another officer. Raises as `approve`, and ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing
    note = reason.strip()
    return _decide(
        _get(proposal_id), checker, body_hash=body_hash, target=State.REJECTED, note=note, now=now
    )


def expire(*, proposal_id: UUID, reason: str, now: datetime) -> None:
    """Close a proposal that nobody decided in time; it can no longer be confirmed.

    :raises ProposalDecided: somebody was first.
    """
    moved = Proposal.objects.filter(id=proposal_id, state=State.PROPOSED).update(
        state=State.EXPIRED, decision_reason=reason, decided_at=now
    )
    if moved == 0:
        raise ProposalDecided


def mark_executed(*, proposal_id: UUID, now: datetime) -> Proposal:
    """The effect has happened; in the transaction of the effect, exactly once.

    :raises ProposalChanged: the stored body no longer has its hash.
    :raises ProposalDecided: not approved, or executed before.
    """
    proposal = _get(proposal_id)
    if hash_body(proposal.body) != proposal.body_hash:
        raise ProposalChanged
    moved = Proposal.objects.filter(id=proposal_id, state=State.APPROVED).update(
        state=State.EXECUTED, executed_at=now
    )
    if moved == 0:
        raise ProposalDecided("This proposal is not approved, or its effect has happened.")
    return _get(proposal_id)


@transaction.atomic
def confirm(
    *, proposal_id: UUID, checker: User, body_hash: str, now: datetime, note: str = ""
) -> Proposal:
    """Approve and carry out the effect that the kind registered, in one transaction.

    :raises Forbidden: the kind has no effect of its own; use its own operation.
    """
    proposal = _get(proposal_id)
    effect = kind_named(proposal.kind).effect
    if effect is None:
        raise Forbidden("Confirm this where it was proposed.")
    proposal = approve(
        proposal_id=proposal_id, checker=checker, body_hash=body_hash, now=now, note=note
    )
    effect(proposal, now)
    return mark_executed(proposal_id=proposal_id, now=now)


def _get(proposal_id: UUID) -> Proposal:
    try:
        return Proposal.objects.get(id=proposal_id)
    except Proposal.DoesNotExist:
        raise NotFound from None


def _decide(
    proposal: Proposal, checker: User, *, body_hash: str, target: State, note: str, now: datetime
) -> Proposal:
    _require_permission(checker, proposal.kind)
    if proposal.maker_id == checker.pk:
        raise SameOfficer
    if body_hash != proposal.body_hash or hash_body(proposal.body) != proposal.body_hash:
        raise ProposalChanged
    moved = Proposal.objects.filter(id=proposal.id, state=State.PROPOSED).update(
        state=target, checker=checker, decision_reason=note, decided_at=now
    )
    if moved == 0:
        raise ProposalDecided
    return _get(proposal.id)


def _require_permission(officer: User, kind: str) -> None:
    if not (officer.is_active and officer.is_staff):
        raise Forbidden("Only staff may propose or confirm.")
    if not officer.has_perm(kind_named(kind).permission):
        raise Forbidden(f"You lack the permission {kind_named(kind).permission}.")
