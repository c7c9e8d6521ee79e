"""The demo's cast: staff in pairs, one investor, the traders of the house."""

import io
import os
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from PIL import Image, ImageDraw

from accounts import api_keys
from accounts.models import Investor, KycCase, User
from accounts.operations.investors import create_house_investor, open_case
from accounts.operations.kyc import Form, add_document, save_form, submit
from accounts.personal_data import PersonalData, TaxResidence
from accounts.states import KycStatus
from bourse.demo import Say
from bourse.supervisor import addresses

DOMAIN = "bourse.example"


@dataclass(frozen=True)
class Login:
    """One person of the cast; `group` makes staff of them."""

    role: str
    email: str
    name: str
    group: str = ""


CAST = (
    Login("investor", f"ida@{DOMAIN}", "Ida Investor"),
    Login("compliance officer", f"carla@{DOMAIN}", "Carla Compliance", "Compliance officers"),
    Login("second compliance officer", f"conrad@{DOMAIN}", "Conrad Check", "Compliance officers"),
    Login("custody officer", f"vera@{DOMAIN}", "Vera Vault", "Custody officers"),
    Login("second custody officer", f"victor@{DOMAIN}", "Victor Vault", "Custody officers"),
    Login("market operator", f"olga@{DOMAIN}", "Olga Operator", "Market operators"),
    Login("second market operator", f"oscar@{DOMAIN}", "Oscar Operator", "Market operators"),
)
# The traders of the house: who, and the file in var/keys that holds their API key.
TRADERS = {"market-maker": "Bourse Market Making", "taker": "Bourse Simulated Flow"}


def load_people(*, say: Say, now: datetime) -> None:
    """Logins in the groups that accounts keeps, and the house's traders with their keys."""
    passwords = _keep_passwords()
    for login in CAST:
        _load_login(login, passwords[login.email])
    for name, display_name in TRADERS.items():
        _load_trader(name, display_name, now)
    say(f"{len(CAST)} logins, {len(TRADERS)} traders of the house")


def load_investor(*, say: Say, now: datetime) -> None:
    """Ida hands her KYC case in; the provider decides, and its webhook opens the account."""
    user = User.objects.get(email=CAST[0].email)
    case = open_case(user=user, now=now)
    if case.status != KycStatus.DRAFT:
        return
    investor_id = case.investor_id
    save_form(investor_id=investor_id, form=_form(), now=now)
    if not case.documents.exists():
        add_document(
            investor_id=investor_id,
            kind="passport",
            issuing_country="DE",
            content=_specimen(),
            now=now,
        )
    submit(investor_id=investor_id, now=now)
    say("the demo investor handed in her KYC case")


def is_investor_approved() -> bool:
    return KycCase.objects.filter(
        investor__user__email=CAST[0].email, status=KycStatus.APPROVED
    ).exists()


def get_investor() -> Investor:
    return Investor.objects.get(user__email=CAST[0].email)


def get_trader(name: str) -> Investor:
    return Investor.objects.get(is_house=True, display_name=TRADERS[name])


def get_officer(role: str) -> User:
    return User.objects.get(email=next(login.email for login in CAST if login.role == role))


@transaction.atomic
def _load_login(login: Login, password: str) -> None:
    user = User.objects.filter(email=login.email).first()
    if user is None:
        user = User.objects.create_user(
            login.email, password, full_name=login.name, is_staff=bool(login.group)
        )
    EmailAddress.objects.get_or_create(
        user=user, email=login.email, defaults={"verified": True, "primary": True}
    )
    if login.group:
        user.groups.add(Group.objects.get(name=login.group))


def _load_trader(name: str, display_name: str, now: datetime) -> None:
    investor = Investor.objects.filter(is_house=True, display_name=display_name).first()
    if investor is None:
        investor = create_house_investor(display_name=display_name, now=now)
    file = Path(settings.VAR_DIR) / "keys" / f"{name}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = api_keys.create(
        investor_id=investor.pk, kind="native", scopes=["read", "trade"], label=name, now=now
    )
    addresses.write_private(file, {"key": made.key, "secret": made.secret})


def _keep_passwords() -> dict[str, str]:
    """The cast's passwords: last time's, else new ones; kept where the supervisor reads them."""
    file = Path(settings.VAR_DIR) / "secrets.json"
    content: dict[str, Any] = addresses.read_secrets(file)
    known = {login["email"]: login["password"] for login in content.get("logins", [])}
    content["logins"] = [
        {
            "role": login.role,
            "email": login.email,
            "password": known.get(login.email) or secrets.token_urlsafe(12),
        }
        for login in CAST
    ]
    addresses.write_private(file, content)
    return {login["email"]: login["password"] for login in content["logins"]}


def _form() -> Form:
    return Form(
        personal=PersonalData(
            given_names="Ida",
            family_names="Investor",
            birth_date=date(1990, 4, 1),
            street="Musterstraße 1",
            postal_code="10115",
            city="Berlin",
            tax_residences=[TaxResidence(country="DE", tax_number="36574261809")],
        ),
        nationality="DE",
        residence_country="DE",
        is_us_person=False,
        is_pep=False,
    )


def _specimen() -> bytes:
    """A picture that nobody could take for a document; each is unique, as documents are."""
    picture = Image.new("RGB", (800, 560), "white")
    drawn = ImageDraw.Draw(picture)
    drawn.rectangle((20, 20, 780, 540), outline="black", width=4)
    drawn.text((60, 60), "SPECIMEN, NOT A DOCUMENT", fill="black")
    drawn.text((60, 100), os.urandom(8).hex(), fill="gray")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
