"""Partners: who brought an investor; staff alone know it."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Investor, Partner, User
from accounts.operations import partners
from accounts.staff_groups import sync_groups
from kernel.refusals import Forbidden, NotFound
from tests.accounts.stories import NOW, make_case, make_officer

pytestmark = pytest.mark.usefixtures("germany")


@pytest.fixture
def officer() -> User:
    sync_groups(using="default")
    made = make_officer("olga")
    made.user_permissions.clear()
    made.groups.add(Group.objects.get(name="Compliance officers"))
    return User.objects.get(pk=made.pk)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_partner_is_made_once_with_a_plain_code(officer: User) -> None:
    partners.create_partner(code="acme", name="Acme", officer=officer, now=NOW)

    with pytest.raises(partners.PartnerExists):
        partners.create_partner(code="acme", name="Another", officer=officer, now=NOW)
    for code, name in (("Acme!", "x"), ("", "x"), ("fine", " ")):
        with pytest.raises(partners.PartnerMalformed):
            partners.create_partner(code=code, name=name, officer=officer, now=NOW)
    with pytest.raises(Forbidden):
        partners.create_partner(
            code="other", name="Other", officer=User.objects.create_user("x@example.com"), now=NOW
        )


def test_a_closed_partner_keeps_its_investors_and_gets_no_new_ones(officer: User) -> None:
    partner = partners.create_partner(code="acme", name="Acme", officer=officer, now=NOW)
    old, new = make_case("old").investor, make_case("new").investor
    partners.set_partner(investor_id=old.pk, partner_id=partner.pk, officer=officer)

    partners.set_active(partner_id=partner.pk, is_active=False, officer=officer)

    with pytest.raises(partners.PartnerInactive):
        partners.set_partner(investor_id=new.pk, partner_id=partner.pk, officer=officer)
    with pytest.raises(NotFound):
        partners.set_partner(investor_id=new.pk, partner_id=10**9, officer=officer)
    assert Investor.objects.get(pk=old.pk).partner == partner


def test_the_trail_knows_who_moved_an_investor_to_a_partner(officer: User) -> None:
    partner = partners.create_partner(code="acme", name="Acme", officer=officer, now=NOW)
    investor = make_case("alice").investor
    address = reverse("admin:accounts_investor_change", args=[investor.pk])

    answer = client_of(officer).post(address, {"act": "partner", "partner": partner.pk})

    assert answer.status_code == 302
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event.partner_id, (context.metadata->>'user')::bigint"
            "  FROM accounts_investorevent AS event"
            "  JOIN pghistory_context AS context ON context.id = event.pgh_context_id"
            " WHERE event.pgh_obj_id = %s ORDER BY pgh_id DESC LIMIT 1",
            [investor.pk],
        )
        assert cursor.fetchone() == (partner.pk, officer.pk)
    page = client_of(officer).get(address).content.decode()
    assert "Acme (acme)" in page
    client_of(officer).post(address, {"act": "partner", "partner": ""})
    assert Investor.objects.get(pk=investor.pk).partner is None


def test_who_may_only_look_neither_makes_partners_nor_sets_them(officer: User) -> None:
    custodian = make_officer("carl")
    custodian.user_permissions.clear()
    custodian.groups.add(Group.objects.get(name="Custody officers"))
    custodian = User.objects.get(pk=custodian.pk)
    investor = make_case("alice").investor
    partner = partners.create_partner(code="acme", name="Acme", officer=officer, now=NOW)

    assert client_of(custodian).get(reverse("admin:accounts_partner_new")).status_code == 403
    page = reverse("admin:accounts_investor_change", args=[investor.pk])
    client_of(custodian).post(page, {"act": "partner", "partner": partner.pk})
    assert Investor.objects.get(pk=investor.pk).partner is None
    assert "Set the partner" not in client_of(custodian).get(page).content.decode()


def test_a_partner_is_made_and_closed_at_the_desk(officer: User) -> None:
    desk = client_of(officer)
    desk.post(reverse("admin:accounts_partner_new"), {"code": "acme", "name": "Acme Brokers"})
    partner = Partner.objects.get(code="acme")
    file = reverse("admin:accounts_partner_change", args=[partner.pk])

    assert "Acme Brokers" in desk.get(reverse("admin:accounts_partner_changelist")).content.decode()
    desk.post(file, {"act": "close"})

    partner.refresh_from_db()
    assert not partner.is_active
    assert "closed for new investors" in desk.get(file).content.decode()
