"""Whom we may not serve, whatever the provider says.

Asked at submission and again before every approval. These are limits of where
the product is offered, not judgements of a person; a person may still be asked
to look (operations.kyc.request_review).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import KycCase, KycDocument
from kernel.refusals import NotFound
from reference.queries import get_country_rule
from reference.states import CountryStatus

# Citizens may live where we serve, but sanctions reach them: an officer looks.
NATIONALITIES_REVIEWED = frozenset({"IR", "KP", "SY", "CU"})
US = "US"
# A passport makes a citizen, a green card a resident; a driving licence says neither.
STATUS_DOCUMENTS = [KycDocument.Kind.PASSPORT, KycDocument.Kind.RESIDENCE_PERMIT]
US_PERSON_MESSAGE = (
    "We cannot open an account for you, because you are a US person: {why}. These tokens are not"
    " registered with the US Securities and Exchange Commission and may not be offered to US"
    " persons, wherever they live. If this is wrong, ask for a review and a person will look."
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`refused` with a message for the investor, `review` for staff, or neither."""

    is_refused: bool = False
    needs_review: bool = False
    reason_code: str = ""
    message: str = ""


def judge(case: KycCase, *, document_countries: Iterable[str] = ()) -> Verdict:
    """Our rules about a case as it stands.

    :param document_countries: alpha-2, as the provider read them off passports and permits.
    """
    why = _us_person(case, set(document_countries))
    if why:
        message = US_PERSON_MESSAGE.format(why=why)
        return Verdict(is_refused=True, reason_code="us_person", message=message)
    why = _not_served(case.residence_country)
    if why:
        return Verdict(is_refused=True, reason_code="country_not_served", message=why)
    return _needs_review(case)


def _us_person(case: KycCase, document_countries: set[str]) -> str:
    declared = case.documents.filter(kind__in=STATUS_DOCUMENTS, issuing_country=US)
    if case.nationality == US:
        return "you are a US citizen"
    if declared.exists() or US in document_countries:
        return "your identity document was issued by the United States"
    if case.residence_country == US:
        return "you live in the United States"
    if case.is_us_person:
        return "you declared that you are one"
    return ""


def _not_served(country: str) -> str:
    """Why nobody who lives there is served; "" when they are. Without a rule, nobody is."""
    try:
        rule = get_country_rule(country)
    except NotFound:
        return "We do not serve people who live in your country."
    if rule.status == CountryStatus.ALLOWED:
        return ""
    return f"We do not serve people who live in {rule.name}. {rule.reason}".strip()


def _needs_review(case: KycCase) -> Verdict:
    if case.nationality in NATIONALITIES_REVIEWED:
        return Verdict(needs_review=True, reason_code="nationality_under_sanctions")
    if case.is_pep:
        return Verdict(needs_review=True, reason_code="politically_exposed")
    return Verdict()
