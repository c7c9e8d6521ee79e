"""The cast and the verbs of the accounts' tests."""

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission
from PIL import Image

from accounts.models import Investor, KycCase, SanctionsEntry, SanctionsList, User
from accounts.operations import kyc
from accounts.operations.investors import open_case
from accounts.operations.kyc import Form
from accounts.personal_data import PersonalData, TaxResidence
from accounts.states import KycStatus
from reference.models import CountryRule

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PASSWORD = "correct horse battery"


def picture(
    *, colour: str = "white", size: tuple[int, int] = (600, 400), form: str = "PNG"
) -> bytes:
    """A file that is what it says."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def serve_germany() -> None:
    CountryRule.objects.update_or_create(
        country="DE", defaults={"name": "Germany", "status": "allowed", "reason": ""}
    )
    CountryRule.objects.update_or_create(
        country="CA",
        defaults={"name": "Canada", "status": "blocked", "reason": "No prospectus there."},
    )


def make_user(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", PASSWORD)


def make_officer(name: str, *permissions: str) -> User:
    officer = User.objects.create_user(f"{name}@bourse.example", PASSWORD, is_staff=True)
    codenames = permissions or ("decide_kyc", "restrict_investor", "check_proposal")
    officer.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=officer.pk)


def details(**changes: Any) -> Form:
    """Erika Mustermann of Berlin, or what a test makes of her."""
    personal: Mapping[str, Any] = {
        "given_names": "Erika", "family_names": "Mustermann", "birth_date": date(1985, 8, 12),
        "street": "Heidestraße 17", "postal_code": "10557", "city": "Berlin",
        "tax_residences": [TaxResidence(country="DE", tax_number="12345678901")],
    }  # fmt: skip
    declared: Mapping[str, Any] = {
        "nationality": "DE", "residence_country": "DE", "is_us_person": False, "is_pep": False,
    }  # fmt: skip
    own = {name: changes.get(name, value) for name, value in personal.items()}
    return Form(
        personal=PersonalData(**own),
        **{name: changes.get(name, value) for name, value in declared.items()},
    )


def fill_in(case: KycCase, *, passport_of: str = "DE", **changes: Any) -> KycCase:
    """Form and passport, not handed in."""
    kyc.save_form(investor_id=case.investor_id, form=details(**changes), now=NOW)
    kyc.add_document(
        investor_id=case.investor_id, kind="passport", issuing_country=passport_of,
        content=picture(), now=NOW,
    )  # fmt: skip
    return reload(case)


def make_case(name: str = "erika", **changes: Any) -> KycCase:
    """A filled-in draft of a new user."""
    return fill_in(open_case(user=make_user(name), now=NOW), **changes)


def hand_in(case: KycCase) -> KycCase:
    return kyc.submit(investor_id=case.investor_id, now=NOW)


def put_at(case: KycCase, status: KycStatus) -> KycCase:
    """Set the scene: a case that stands at `status`, without the walk there."""
    KycCase.objects.filter(id=case.id).update(status=status)
    Investor.objects.filter(id=case.investor_id).update(kyc_status=status)
    return reload(case)


def reload(case: KycCase) -> KycCase:
    return KycCase.objects.select_related("investor").get(id=case.id)


def load_lists(*persons: tuple[str, list[str]], at: datetime = NOW) -> SanctionsList:
    """A current UN list with these people: (name, birth dates)."""
    SanctionsList.objects.filter(is_current=True).update(is_current=False)
    loaded = SanctionsList.objects.create(
        source="un", list_date=at.date(), sha256=uuid4().hex * 2, entries_count=len(persons),
        loaded_at=at,
    )  # fmt: skip
    for number, (name, births) in enumerate(persons):
        SanctionsEntry.objects.create(
            sanctions_list=loaded, reference=f"QDi.{number}", kind="person", primary_name=name,
            names=[name], birth_dates=births, programme="Al-Qaida",
        )  # fmt: skip
    return loaded
