"""Who: users, investors and their KYC cases, screening, approvals, keys."""

from accounts.models.api_keys import ApiKey
from accounts.models.approvals import Proposal
from accounts.models.disclosures import Consent, Disclosure
from accounts.models.investors import EligibilitySnapshot, Investor, Restriction
from accounts.models.kyc import (
    CaseEvent,
    KycCase,
    KycDocument,
    PersonalDataAccess,
    ProviderEvent,
)
from accounts.models.outbox import Outbox
from accounts.models.partners import Partner
from accounts.models.screening import SanctionsEntry, SanctionsList, ScreeningHit
from accounts.models.users import User

__all__ = [
    "ApiKey",
    "CaseEvent",
    "Consent",
    "Disclosure",
    "EligibilitySnapshot",
    "Investor",
    "KycCase",
    "KycDocument",
    "Outbox",
    "Partner",
    "PersonalDataAccess",
    "Proposal",
    "ProviderEvent",
    "Restriction",
    "SanctionsEntry",
    "SanctionsList",
    "ScreeningHit",
    "User",
]
