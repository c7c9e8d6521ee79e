"""The investor's side of a KYC case: form, documents, submission, asking for a person.

Only a draft or a case that needs something again can be edited. Own rules are
asked at submission, before anything goes to the provider: whoever we may not
serve hears why at once, and their documents go nowhere.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import pycountry
from django.db import IntegrityError, transaction

from accounts import documents, eligibility, queries
from accounts.cases import CaseMoved, move, note
from accounts.declared import (
    MalformedDetails,
    check_address,
    check_birth_date,
    check_city,
    check_name,
    check_postal_code,
)
from accounts.models import Investor, KycCase, KycDocument
from accounts.personal_data import PersonalData, seal_form
from accounts.rules import Verdict, judge
from accounts.states import EDITABLE, KycStatus
from kernel.ids import uuid7
from kernel.refusals import NotFound, Refusal

TAX_RESIDENCES_MAX = 5
DOCUMENTS_MAX = 10


class CaseClosed(Refusal):
    """Your details are being checked; they cannot be changed now."""

    code = "case_closed"
    http_status = 409


class UnknownCountry(Refusal):
    """A country is written as its two letters, like DE."""

    code = "unknown_country"


class Incomplete(Refusal):
    """Something is still missing."""

    code = "kyc_incomplete"


class DocumentTwice(Refusal):
    """You have already uploaded this picture."""

    code = "document_twice"
    http_status = 409


class TooManyDocuments(Refusal):
    """Remove a document before you upload another."""

    code = "too_many_documents"


class NothingToReview(Refusal):
    """Only a refusal can be looked at again."""

    code = "nothing_to_review"
    http_status = 409


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the investor declares. Countries are ISO 3166 alpha-2 in capitals."""

    personal: PersonalData
    nationality: str
    residence_country: str
    is_us_person: bool
    is_pep: bool


@transaction.atomic
def save_form(*, investor_id: int, form: Form, now: datetime) -> KycCase:
    """Keep the declared details, sealed.

    :raises NotFound, CaseClosed, Underage, MalformedDetails, UnknownCountry: as they say.
    """
    case = _editable_case(investor_id)
    _check_person(form, now.date())
    _check_countries(form)
    KycCase.objects.filter(id=case.id).update(
        form_sealed=seal_form(form.personal, case_id=case.id), nationality=form.nationality,
        residence_country=form.residence_country, is_us_person=form.is_us_person,
        is_pep=form.is_pep,
    )  # fmt: skip
    Investor.objects.filter(id=investor_id).update(residence_country=form.residence_country)
    note(case, kind="form_saved", now=now)
    eligibility.refresh(investor_id=investor_id, now=now)
    case.refresh_from_db()
    return case


@transaction.atomic
def add_document(
    *, investor_id: int, kind: str, issuing_country: str, content: bytes, now: datetime
) -> KycDocument:
    """Keep a picture of a document, drawn anew and sealed.

    :raises NotFound, CaseClosed, TooManyDocuments, DocumentTwice, UnknownCountry: as they say.
    :raises documents.DocumentTooLarge, documents.DocumentNotAPicture,
        documents.DocumentUnreadable: of the file.
    """
    case = _editable_case(investor_id)
    _check_country(issuing_country)
    if case.documents.count() >= DOCUMENTS_MAX:
        raise TooManyDocuments
    picture = documents.clean(content)
    document = KycDocument(
        id=uuid7(), case=case, kind=KycDocument.Kind(kind), issuing_country=issuing_country,
        content_type=picture.content_type, size_bytes=len(picture.content),
        sha256=picture.sha256, uploaded_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            document.save(force_insert=True)
    except IntegrityError as error:
        if "document_once_per_case" not in str(error):
            raise
        raise DocumentTwice from None
    # Last, so that a refused row leaves no file; a file without its row opens for nobody.
    documents.store(document.id, picture)
    note(case, kind="document_added", text=document.get_kind_display(), now=now)
    return document


@transaction.atomic
def remove_document(*, investor_id: int, document_id: UUID, now: datetime) -> None:
    """Take back a document that was not sent yet.

    :raises NotFound, CaseClosed: as they say.
    """
    case = _editable_case(investor_id)
    deleted, _ = KycDocument.objects.filter(
        id=document_id, case=case, sent_at__isnull=True
    ).delete()
    if deleted == 0:
        raise NotFound
    note(case, kind="document_removed", now=now)
    transaction.on_commit(lambda: documents.remove(document_id))


@transaction.atomic
def submit(*, investor_id: int, now: datetime) -> KycCase:
    """Hand the case in. It ends as `submitted`, or `rejected` by our own rules with the reason.

    :raises NotFound, CaseClosed: as they say.
    :raises Incomplete: `details["missing"]` holds the codes of queries.list_missing.
    """
    case = _editable_case(investor_id)
    missing = queries.list_missing(case)
    if missing:
        raise Incomplete(missing[0].message, missing=[item.code for item in missing])
    verdict = judge(case)
    if verdict.is_refused:
        return _refuse(case, verdict, now)
    return move(case, KycStatus.SUBMITTED, now=now, submitted_at=now)


@transaction.atomic
def request_review(*, investor_id: int, text: str, now: datetime) -> KycCase:
    """Ask a person to look at a refusal again: every refusal can be challenged.

    :raises NotFound, NothingToReview: as they say.
    """
    case = _own_case(investor_id)
    if case.status != KycStatus.REJECTED:
        raise NothingToReview
    return move(
        case, KycStatus.MANUAL_REVIEW, now=now, reason_code="review_requested",
        investor_message="A compliance officer will look at your case.", text=text[:2000],
    )  # fmt: skip


def _refuse(case: KycCase, verdict: Verdict, now: datetime) -> KycCase:
    return move(
        case, KycStatus.REJECTED, now=now, reason_code=verdict.reason_code,
        investor_message=verdict.message, submitted_at=now,
    )  # fmt: skip


def _own_case(investor_id: int) -> KycCase:
    """Locked, so that form, documents and submission of one case never overlap."""
    case = KycCase.objects.select_for_update(no_key=True).filter(investor_id=investor_id).first()
    if case is None:
        raise NotFound
    return case


def _editable_case(investor_id: int) -> KycCase:
    case = _own_case(investor_id)
    if case.status not in EDITABLE:
        raise CaseClosed
    return case


def _check_person(form: Form, today: date) -> None:
    personal = form.personal
    check_name("given_names", personal.given_names)
    check_name("family_names", personal.family_names)
    check_birth_date(personal.birth_date, today)
    check_address("street", personal.street)
    check_postal_code(form.residence_country, personal.postal_code)
    check_city(personal.city)
    if not 1 <= len(personal.tax_residences) <= TAX_RESIDENCES_MAX:
        raise MalformedDetails("Name between one and five countries where you pay tax.")


def _check_countries(form: Form) -> None:
    for country in (form.nationality, form.residence_country):
        _check_country(country)
    for residence in form.personal.tax_residences:
        _check_country(residence.country)


def _check_country(country: str) -> None:
    # pycountry itself would take small letters.
    if (
        len(country) != 2
        or not country.isupper()
        or pycountry.countries.get(alpha_2=country) is None
    ):
        raise UnknownCountry


__all__ = ["CaseMoved", "Form", "add_document", "remove_document", "request_review", "save_form",
           "submit"]  # fmt: skip
