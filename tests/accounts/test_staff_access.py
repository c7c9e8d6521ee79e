"""Granting staff access takes two; keys take a password that was just given."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts import approvals
from accounts.models import ApiKey, Investor, Proposal, User
from accounts.operations import staff_access
from accounts.staff_groups import sync_groups
from kernel.refusals import Forbidden
from tests.accounts.stories import NOW

PASSWORD = "a long enough password"
GROUP = "Custody officers"


@pytest.fixture
def admins(db: None) -> tuple[User, User]:
    sync_groups(using="default")
    return (
        User.objects.create_superuser("ada@bourse.example", PASSWORD),
        User.objects.create_superuser("abe@bourse.example", PASSWORD),
    )


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def propose(maker: User, user: User, *groups: str, is_staff: bool = True) -> Proposal:
    return staff_access.propose_access(
        user_id=user.pk, is_staff=is_staff, groups=groups, reason="joins custody",
        officer=maker, now=NOW,
    )  # fmt: skip


def confirm(checker: User, proposal: Proposal) -> Proposal:
    return approvals.confirm(
        proposal_id=proposal.id, checker=checker, body_hash=proposal.body_hash, now=NOW
    )


def test_access_takes_effect_when_a_second_administrator_confirms(
    admins: tuple[User, User],
) -> None:
    ada, abe = admins
    nina = User.objects.create_user("nina@bourse.example", PASSWORD)

    answer = client_of(ada).post(
        f"/admin/accounts/user/{nina.pk}/access/",
        {"is_staff": "on", "groups": [Group.objects.get(name=GROUP).pk], "reason": "joins"},
    )

    assert answer.status_code == 302, answer.content.decode()
    proposal = Proposal.objects.get(kind="staff_access")
    nina.refresh_from_db()
    assert (nina.is_staff, nina.groups.count()) == (False, 0)
    with pytest.raises(approvals.SameOfficer):
        confirm(ada, proposal)

    confirm(abe, proposal)

    nina.refresh_from_db()
    assert nina.is_staff
    assert [group.name for group in nina.groups.all()] == [GROUP]
    assert not nina.has_usable_password()  # whoever made the login knew the old one


def test_nobody_confirms_their_own_access_or_acts_on_an_old_picture(
    admins: tuple[User, User],
) -> None:
    ada, abe = admins
    with pytest.raises(Forbidden):
        confirm(abe, propose(ada, abe, GROUP))

    nina = User.objects.create_user("nina@bourse.example", PASSWORD)
    proposal = propose(ada, nina, GROUP)
    nina.groups.add(Group.objects.get(name="Market operators"))
    with pytest.raises(approvals.ProposalChanged):
        confirm(abe, proposal)
    assert not User.objects.get(pk=nina.pk).is_staff


def test_no_way_in_that_was_there_before_leads_to_a_new_officer(
    admins: tuple[User, User],
) -> None:
    ada, abe = admins
    nina = User.objects.create_user("nina@bourse.example", PASSWORD)
    for email in ("nina@bourse.example", "ada@elsewhere.example"):
        EmailAddress.objects.create(user=nina, email=email, verified=True)
    Authenticator.objects.create(user=nina, type=Authenticator.Type.WEBAUTHN, data={})
    proposal = propose(ada, nina, GROUP)
    User.objects.filter(pk=nina.pk).update(email="ada@elsewhere.example")
    with pytest.raises(approvals.ProposalChanged):
        confirm(abe, proposal)
    User.objects.filter(pk=nina.pk).update(email="nina@bourse.example")

    confirm(abe, proposal)

    assert not Authenticator.objects.filter(user=nina).exists()
    assert [each.email for each in EmailAddress.objects.filter(user=nina)] == [nina.email]


def test_one_administrator_gets_no_way_into_the_login_of_an_officer(
    admins: tuple[User, User],
) -> None:
    ada, abe = admins
    session = UserSession.objects.create(
        user=abe, session_key="a-key-to-copy", ip="192.0.2.1", user_agent="", created_at=NOW
    )
    device = Authenticator.objects.create(user=abe, type=Authenticator.Type.TOTP, data={"a": 1})
    User.objects.filter(pk=abe.pk).update(is_active=False)
    client = client_of(ada)

    for name in ("account_emailaddress", "mfa_authenticator", "usersessions_usersession"):
        assert client.get(reverse(f"admin:{name}_add")).status_code == 403
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    page = client.get(reverse("admin:usersessions_usersession_change", args=[session.pk]))
    assert "a-key-to-copy" not in page.content.decode()
    delete = reverse("admin:mfa_authenticator_delete", args=[device.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(
        reverse("admin:accounts_user_change", args=[abe.pk]), {"full_name": "A", "is_active": "on"}
    )
    abe.refresh_from_db()
    assert (abe.full_name, abe.is_active) == ("A", False)


def test_what_cannot_be_is_refused(admins: tuple[User, User]) -> None:
    ada, _ = admins
    nina = User.objects.create_user("nina@bourse.example", PASSWORD)
    for nobody in ("999999", "x"):
        assert client_of(ada).get(f"/admin/accounts/user/{nobody}/access/").status_code == 404
    with pytest.raises(staff_access.UnknownGroup):
        propose(ada, nina, "Kings")
    with pytest.raises(staff_access.NothingToChange):
        propose(ada, nina, is_staff=False)
    with pytest.raises(Forbidden):
        propose(nina, ada, GROUP)


def test_the_change_page_grants_nothing_and_gives_an_officer_no_password(
    admins: tuple[User, User],
) -> None:
    ada, abe = admins
    client = client_of(ada)
    nina = User.objects.create_user("nina@bourse.example", PASSWORD)

    page = reverse("admin:accounts_user_change", args=[nina.pk])
    client.post(
        page,
        {"email": nina.email, "full_name": "Nina", "is_active": "on", "is_staff": "on",
         "groups": [Group.objects.get(name=GROUP).pk]},
    )  # fmt: skip
    nina.refresh_from_db()
    assert (nina.full_name, nina.is_staff, nina.groups.count()) == ("Nina", False, 0)

    before = abe.password
    client.post(
        f"/admin/accounts/user/{abe.pk}/password/",
        {"password1": "another long password", "password2": "another long password"},
    )
    abe.refresh_from_db()
    assert abe.password == before
    assert client.get(reverse("admin:auth_group_changelist")).status_code == 200
    assert client.get(reverse("admin:auth_group_add")).status_code == 403


def test_a_key_is_made_only_by_who_has_just_given_the_password(db: None) -> None:
    user = User.objects.create_user("erna@example.com", PASSWORD)
    investor = Investor.objects.create(user=user, display_name="Erna", created_at=NOW)
    client = client_of(user)  # a session that somebody found open
    address, form = reverse("new_key"), {"label": "bot", "kind": "native", "scopes": ["read"]}

    for answer in (client.get(address), client.post(address, form)):
        assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not ApiKey.objects.filter(investor=investor).exists()

    # What was asked for goes on by itself once the password is there.
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": address})
    assert client.get(address).status_code == 200
    assert ApiKey.objects.filter(investor=investor).count() == 1
