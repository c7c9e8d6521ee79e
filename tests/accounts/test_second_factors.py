"""A second factor counts for staff as for everybody, and its secret lies sealed."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client
from django.urls import reverse

from accounts.models import User

SECRET, PASSWORD = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "a long enough password"


def officer_with_an_app() -> User:
    user = User.objects.create_user("vera@example.com", PASSWORD, is_staff=True)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    TOTP.activate(user, SECRET)
    return user


def code_now() -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(SECRET, counter)))


def test_an_apps_key_and_the_recovery_codes_lie_sealed(db: None) -> None:
    user = officer_with_an_app()
    codes = RecoveryCodes.activate(user)

    stored = {row.type: row.data for row in Authenticator.objects.filter(user=user)}

    assert SECRET not in str(stored["totp"])
    assert len(stored["recovery_codes"]["seed"]) > 40
    assert codes.validate_code(codes.get_unused_codes()[0])


def test_an_officer_with_an_app_is_asked_for_it_on_the_way_to_the_desk(db: None) -> None:
    officer_with_an_app()
    client = Client()
    door = client.get(reverse("admin:index"), follow=True).redirect_chain[-1][0]
    assert door.startswith("/account/login/")

    answer = client.post(door, {"login": "vera@example.com", "password": PASSWORD})

    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("admin:index")).status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert client.get(reverse("admin:index")).status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert client.get(reverse("admin:index")).status_code == 200


def test_an_old_session_alone_adds_no_address_to_sign_in_with(db: None) -> None:
    user = User.objects.create_user("alice@example.com", PASSWORD)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    posted = client.post(reverse("account_email"), {"email": "x@evil.example", "action_add": "yes"})

    assert posted.status_code == 302
    assert posted["Location"].startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email="x@evil.example").exists()
