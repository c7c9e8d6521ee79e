"""Which firm reports: from FIRM_LEI, FIRM_COUNTRY and VENUE_MIC.

In development, where none is set, a labelled test firm stands in; what it
reports can be looked at and validated but never released.
"""

from dataclasses import dataclass

from django.conf import settings

from kernel.refusals import Refusal
from reporting.rts22 import ReportingFirm, is_valid_lei

# Unique per set of code and over time (Article 8(3)): change them with the algorithm.
DECISION_ALGORITHM = "BOURSEMAKER1"
EXECUTION_ALGORITHM = "BOURSEMATCH1"
TEST_FIRM = ReportingFirm(
    lei="TEST00BOURSEDEMO0057",
    country="DE",
    venue_mic="TEST",
    decision_algorithm=DECISION_ALGORITHM,
    execution_algorithm=EXECUTION_ALGORITHM,
)


class ReportingFirmUnknown(Refusal):
    """FIRM_LEI, FIRM_COUNTRY and VENUE_MIC must say who reports."""

    code = "reporting_firm_unknown"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Firm:
    """The reporting firm, and whether it is only the stand-in for a demo."""

    firm: ReportingFirm
    is_test: bool


def reporting_firm() -> Firm:
    """The firm that the settings name.

    :raises ReportingFirmUnknown: a setting is missing or malformed.
    """
    environment = settings.ENV
    if settings.BOURSE_ENV == "development" and not environment.firm_lei:
        return Firm(TEST_FIRM, is_test=True)
    country, mic = environment.firm_country, environment.venue_mic
    if not is_valid_lei(environment.firm_lei):
        raise ReportingFirmUnknown("FIRM_LEI is not a legal entity identifier.")
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        raise ReportingFirmUnknown("FIRM_COUNTRY is not an ISO 3166 alpha-2 code.")
    if not (len(mic) == 4 and mic.isascii() and mic.isalnum() and mic.isupper()):
        raise ReportingFirmUnknown("VENUE_MIC is not a market identifier code.")
    firm = ReportingFirm(
        lei=environment.firm_lei,
        country=country,
        venue_mic=mic,
        decision_algorithm=DECISION_ALGORITHM,
        execution_algorithm=EXECUTION_ALGORITHM,
    )
    return Firm(firm, is_test=False)
