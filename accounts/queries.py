"""Reads of accounts: who is behind a login, what is missing, what is open."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import (
    Consent,
    Disclosure,
    EligibilitySnapshot,
    Investor,
    KycCase,
    KycDocument,
    Proposal,
    SanctionsList,
    User,
)
from accounts.states import EDITABLE, KycStatus
from kernel.refusals import NotFound, Refusal

Kind = KycDocument.Kind
# An identity document; a card counts with both its sides.
IDENTITY = (
    {Kind.PASSPORT},
    {Kind.ID_CARD_FRONT, Kind.ID_CARD_BACK},
    {Kind.DRIVING_LICENCE},
    {Kind.RESIDENCE_PERMIT},
)


class NotAnInvestor(Refusal):
    """This login is not an investor's."""

    code = "not_an_investor"
    http_status = 403


@dataclass(frozen=True, kw_only=True)
class Missing:
    """One thing that the investor still has to do; `code` is for programs."""

    code: str
    message: str


def get_investor_for(user: User | AnonymousUser) -> Investor | None:
    """The investor behind a login, or None for staff and visitors."""
    if not user.is_authenticated:
        return None
    return Investor.objects.filter(user_id=user.pk).first()


def require_investor_for(user: User | AnonymousUser) -> Investor:
    """The investor behind a login.

    :raises NotAnInvestor: a login of staff, or one that has not begun verification.
    """
    investor = get_investor_for(user)
    if investor is None:
        raise NotAnInvestor
    return investor


def get_investor(*, investor_id: int) -> Investor:
    """:raises NotFound: as it says."""
    try:
        return Investor.objects.get(id=investor_id)
    except Investor.DoesNotExist:
        raise NotFound from None


def get_case_of(*, investor_id: int) -> KycCase | None:
    return KycCase.objects.filter(investor_id=investor_id).first()


def list_missing(case: KycCase) -> list[Missing]:
    """What keeps a draft from being submitted, in the order of the form; else nothing."""
    if case.status not in EDITABLE:
        return []
    missing = []
    if case.form_sealed is None:
        missing.append(Missing(code="form", message="Fill in your personal details."))
    missing += _missing_documents(case)
    return missing


def _missing_documents(case: KycCase) -> list[Missing]:
    kinds = set(case.documents.values_list("kind", flat=True))
    if not any(wanted <= kinds for wanted in IDENTITY):
        if kinds & {Kind.ID_CARD_FRONT, Kind.ID_CARD_BACK}:
            return [Missing(code="id_card_side", message="Upload both sides of your ID card.")]
        return [
            Missing(
                code="identity_document",
                message="Upload a passport, an ID card, a driving licence or a residence permit.",
            )
        ]
    resubmitting = case.status == KycStatus.NEEDS_RESUBMISSION
    if resubmitting and not case.documents.filter(sent_at__isnull=True).exists():
        return [Missing(code="new_document", message="Upload a new document.")]
    return []


def get_eligibility(*, investor_id: int) -> EligibilitySnapshot | None:
    """The snapshot that counts now."""
    return EligibilitySnapshot.objects.filter(investor_id=investor_id).order_by("-version").first()


def list_current_disclosures() -> QuerySet[Disclosure]:
    """The newest version of each subject."""
    newest = Disclosure.objects.filter(subject=OuterRef("subject")).order_by("-version")
    return Disclosure.objects.filter(id=Subquery(newest.values("id")[:1])).order_by("subject")


def get_current_disclosure(*, subject: str) -> Disclosure:
    """:raises NotFound: nothing was published about `subject`."""
    try:
        return list_current_disclosures().get(subject=subject)
    except Disclosure.DoesNotExist:
        raise NotFound from None


def has_accepted(*, investor_id: int, disclosure_id: int) -> bool:
    return Consent.objects.filter(investor_id=investor_id, disclosure_id=disclosure_id).exists()


def list_current_sanctions_lists() -> QuerySet[SanctionsList]:
    return SanctionsList.objects.filter(is_current=True).order_by("source")


def list_waiting_proposals() -> QuerySet[Proposal]:
    """Proposals that wait for a second officer, oldest first."""
    return (
        Proposal.objects.filter(state=Proposal.State.PROPOSED)
        .select_related("maker")
        .order_by("proposed_at")
    )
