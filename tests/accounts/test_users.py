import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


def sign_up(email: str) -> int:
    posted = {"email": email, "password1": "correct horse battery 9"}
    return Client().post("/account/signup/", posted).status_code


def test_signing_up_in_capitals_makes_the_same_login() -> None:
    assert sign_up("Erika@Example.ORG") == 302

    assert User.objects.get().email == "erika@example.org"


def test_a_second_sign_up_makes_no_second_login_and_tells_nobody() -> None:
    first = sign_up("erika@example.org")

    assert sign_up("ERIKA@example.org") == first
    assert User.objects.count() == 1


def test_the_database_knows_one_spelling_of_an_address() -> None:
    User.objects.create_user("Erika@Example.org")

    with pytest.raises(IntegrityError, match="user_email_is_lower_case"), transaction.atomic():
        User.objects.update(email="ERIKA@example.org")


def test_a_login_needs_an_address() -> None:
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("")


def test_a_superuser_is_staff() -> None:
    root = User.objects.create_superuser("root@bourse.example", "correct horse battery")

    assert (root.is_staff, root.is_superuser) == (True, True)
    assert User.objects.get_by_natural_key("ROOT@bourse.example") == root
