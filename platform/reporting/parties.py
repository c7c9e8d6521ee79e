"""Investors as a transaction report names them, and why one cannot be named.

Names and birth dates come decrypted through accounts' one recorded door, only
for investors with something to report.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Investor, KycCase
from accounts.personal_data import PersonalData, reveal_to_system
from kernel.refusals import NotFound
from reporting import rts22
from reporting.natural_persons import (
    NaturalPerson,
    NoPermittedIdentifier,
    designate,
    report_names,
)

PURPOSE = "rts22_report"
# Where Annex II's identifier is the tax number, which is what the KYC form asks for.
TAX_NUMBER_COUNTRIES = frozenset({"ES", "IT", "PL", "PT"})


@dataclass(frozen=True, slots=True)
class Unnamed:
    """This investor cannot be named in a report; the code and the sentence say why."""

    code: str
    reason: str


NOT_VERIFIED = Unnamed("party_not_identified", "A party has no identity on file.")
NO_LEI = Unnamed("party_lei_missing", "A party is a firm without an LEI on file.")
NO_IDENTIFIER = Unnamed(
    "party_identifier_missing", "A party's country asks for a number that is not on file."
)


def name_parties(
    *, investor_ids: Iterable[int], firm_lei: str, now: datetime
) -> dict[int, rts22.Party | Unnamed]:
    """Every investor asked for, as a party or with the reason why not."""
    investors = Investor.objects.in_bulk(set(investor_ids))
    cases = {
        case.investor_id: case for case in KycCase.objects.filter(investor_id__in=investors.keys())
    }
    return {
        investor_id: _name(investor, cases.get(investor_id), firm_lei, now)
        for investor_id, investor in investors.items()
    }


def _name(
    investor: Investor, case: KycCase | None, firm_lei: str, now: datetime
) -> rts22.Party | Unnamed:
    if investor.is_house:
        return rts22.Firm(firm_lei)
    if investor.kind == Investor.Kind.FIRM:
        return NO_LEI
    if case is None:
        return NOT_VERIFIED
    try:
        data = reveal_to_system(case_id=case.id, purpose=PURPOSE, now=now)
        return _person(data, case.nationality)
    except NotFound:
        return NOT_VERIFIED
    except NoPermittedIdentifier:
        return NO_IDENTIFIER


def _person(data: PersonalData, nationality: str) -> rts22.Person:
    person = NaturalPerson(
        first_names=data.given_names,
        surname=data.family_names,
        birth_date=data.birth_date,
        nationalities=(nationality,) if nationality else (),
        national_ids={
            residence.country: residence.tax_number
            for residence in data.tax_residences
            if residence.country in TAX_NUMBER_COUNTRIES
        },
    )
    designation = designate(person)
    first_names, surname = report_names(person)
    return rts22.Person(designation, first_names, surname, data.birth_date.isoformat())
