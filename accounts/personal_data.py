"""The one door to personal data: sealing a form, and opening it on the record.

Every opening writes who looked, when and for what, in the same transaction as
the reading; whoever reads without a right gets nothing and leaves no plain text
behind.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

from accounts import documents
from accounts.encryption import open_sealed, seal
from accounts.models import KycCase, KycDocument, PersonalDataAccess, User
from kernel.refusals import Forbidden, NotFound

PERMISSION = "accounts.reveal_personal_data"


@dataclass(frozen=True, kw_only=True)
class TaxResidence:
    country: str  # ISO 3166 alpha-2
    tax_number: str


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """What is sealed. Countries and declarations are columns of the case."""

    given_names: str
    family_names: str
    birth_date: date
    street: str
    postal_code: str
    city: str
    tax_residences: list[TaxResidence]

    @property
    def full_name(self) -> str:
        return f"{self.given_names} {self.family_names}"


def seal_form(data: PersonalData, *, case_id: object) -> bytes:
    content = asdict(data) | {"birth_date": data.birth_date.isoformat()}
    return seal(json.dumps(content).encode(), place=_place(case_id))


def reveal(*, case_id: object, reader: User, purpose: str, now: datetime) -> PersonalData:
    """Open a case's form for a person.

    :raises NotFound: no such case, or nothing filled in yet.
    :raises Forbidden: neither the investor's own login nor staff with the permission.
    """
    case = _filled_case(case_id)
    is_own = case.investor.user_id is not None and case.investor.user_id == reader.pk
    if not is_own and not (reader.is_staff and reader.has_perm(PERMISSION)):
        raise Forbidden("You may not read personal data.")
    return _open(case, reader=reader, purpose=purpose, now=now)


def reveal_to_system(*, case_id: object, purpose: str, now: datetime) -> PersonalData:
    """Open a case's form for a rule or the provider; recorded without a reader.

    :raises NotFound: no such case, or nothing filled in yet.
    """
    return _open(_filled_case(case_id), reader=None, purpose=purpose, now=now)


def reveal_document(*, document_id: UUID, reader: User, now: datetime) -> bytes:
    """The picture of a document, a JPEG, for staff.

    :raises NotFound: no such document.
    :raises Forbidden: no staff with the permission.
    """
    document = KycDocument.objects.select_related("case").filter(id=document_id).first()
    if document is None:
        raise NotFound
    if not (reader.is_staff and reader.has_perm(PERMISSION)):
        raise Forbidden("You may not read personal data.")
    PersonalDataAccess.objects.create(
        case=document.case, reader=reader, purpose=f"document: {document.get_kind_display()}",
        created_at=now,
    )  # fmt: skip
    return documents.load(document_id)


def _filled_case(case_id: object) -> KycCase:
    case = KycCase.objects.select_related("investor").filter(id=str(case_id)).first()
    if case is None or case.form_sealed is None:
        raise NotFound
    return case


def _open(case: KycCase, *, reader: User | None, purpose: str, now: datetime) -> PersonalData:
    PersonalDataAccess.objects.create(case=case, reader=reader, purpose=purpose, created_at=now)
    assert case.form_sealed is not None
    content = json.loads(open_sealed(case.form_sealed, place=_place(case.id)))
    content["birth_date"] = date.fromisoformat(content["birth_date"])
    content["tax_residences"] = [TaxResidence(**row) for row in content["tax_residences"]]
    return PersonalData(**content)


def _place(case_id: object) -> str:
    return f"kyc_case:{case_id}:form"
