import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import (
    Disclosure,
    KycCase,
    PersonalDataAccess,
    Proposal,
    Restriction,
    ScreeningHit,
    User,
)
from accounts.models.investors import Investor
from accounts.operations import restrictions
from accounts.staff_groups import sync_groups
from accounts.states import KycStatus
from tests.accounts.stories import NOW, load_lists, make_case, make_officer, put_at, reload

pytestmark = pytest.mark.usefixtures("germany")

LISTS = [
    "kyccase", "proposal", "investor", "restriction", "user", "apikey", "sanctionslist",
    "sanctionsentry", "eligibilitysnapshot", "providerevent", "personaldataaccess", "outbox",
    "disclosure",
]  # fmt: skip


def officer_in(group: str, name: str) -> User:
    officer = make_officer(name)
    officer.user_permissions.clear()
    sync_groups(using="default")
    officer.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=officer.pk)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def olga() -> User:
    return officer_in("Compliance officers", "olga")


@pytest.fixture
def omar() -> User:
    return officer_in("Compliance officers", "omar")


@pytest.fixture
def flagged() -> KycCase:
    load_lists(("MUSTERMANN, Erika", ["1950"]))
    case = put_at(make_case(), KycStatus.SCREENING_HIT)
    KycCase.objects.filter(id=case.id).update(submitted_at=NOW)
    ScreeningHit.objects.create(
        case=case, source="un", reference="QDi.0", list_date=NOW.date(), score=97,
        primary_name="MUSTERMANN, Erika", matched_name="MUSTERMANN, Erika",
        birth_date="differs", listed_birth_dates=["1950"], found_at=NOW,
    )  # fmt: skip
    return case


def page_of(case: KycCase) -> str:
    return reverse("admin:accounts_kyccase_change", args=[case.id])


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens(flagged: KycCase, admin_client: Client, name: str) -> None:
    answer = admin_client.get(reverse(f"admin:accounts_{name}_changelist"))

    assert answer.status_code == 200


@pytest.fixture
def admin_client() -> Client:
    return client_of(User.objects.create_superuser("root@bourse.example", "correct horse battery"))


def test_the_queue_shows_flagged_cases_first_with_score(flagged: KycCase, olga: User) -> None:
    make_case("zoe")

    page = client_of(olga).get(reverse("admin:accounts_kyccase_changelist")).content.decode()

    assert page.index("erika@example.org") < page.index("zoe@example.org")
    assert "1 (best 97)" in page


def test_the_queue_filters_what_officers_decide(flagged: KycCase, olga: User) -> None:
    make_case("zoe")
    url = reverse("admin:accounts_kyccase_changelist")

    page = client_of(olga).get(url, {"queue": "flagged"}).content.decode()

    assert "erika@example.org" in page
    assert "zoe@example.org" not in page


def test_a_case_reads_like_a_file(flagged: KycCase, olga: User) -> None:
    page = client_of(olga).get(page_of(flagged)).content.decode()

    for part in ("Summary", "Screening hits", "97", "UN consolidated of 2 Mar 2026", "Timeline"):
        assert part in page
    assert "Heidestra" not in page


def test_two_officers_decide_in_the_admin(flagged: KycCase, olga: User, omar: User) -> None:
    url = page_of(flagged)
    client_of(olga).post(
        url, {"act": "propose", "decision": "approve", "reason": "Born 35 years later."}
    )
    proposal = Proposal.objects.get()
    confirm = {"act": "confirm", "proposal": proposal.id, "body_hash": proposal.body_hash}

    own = client_of(olga).post(url, confirm, follow=True).content.decode()
    assert "same_officer" in own
    assert reload(flagged).status == KycStatus.SCREENING_HIT

    client_of(omar).post(url, confirm)
    assert reload(flagged).status == KycStatus.APPROVED


def test_the_second_officer_can_turn_a_proposal_down(
    flagged: KycCase, olga: User, omar: User
) -> None:
    url = page_of(flagged)
    client_of(olga).post(url, {"act": "propose", "decision": "reject", "reason": "Same person."})
    proposal = Proposal.objects.get()

    client_of(omar).post(
        url,
        {
            "act": "turn_down", "proposal": proposal.id, "body_hash": proposal.body_hash,
            "reason": "Look at the birth date.",
        },
    )  # fmt: skip

    proposal.refresh_from_db()
    assert (proposal.state, proposal.checker) == ("rejected", omar)
    assert reload(flagged).status == KycStatus.SCREENING_HIT


def test_the_audit_trail_names_the_officer(flagged: KycCase, olga: User) -> None:
    client_of(olga).post(
        page_of(flagged), {"act": "propose", "decision": "reject", "reason": "Same person."}
    )

    event = Proposal.pgh_event_model.objects.get()  # type: ignore[attr-defined]
    assert event.pgh_context.metadata["user"] == olga.pk


def test_personal_data_is_shown_on_request_and_recorded(flagged: KycCase, olga: User) -> None:
    answer = client_of(olga).post(page_of(flagged), {"act": "reveal"})

    assert "Heidestraße 17" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert PersonalDataAccess.objects.filter(reader=olga, purpose="case review").exists()


def test_a_document_is_shown_to_officers_and_recorded(flagged: KycCase, olga: User) -> None:
    url = reverse("admin:accounts_kycdocument_picture", args=[flagged.documents.get().id])

    answer = client_of(olga).get(url)

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert PersonalDataAccess.objects.filter(reader=olga, purpose="document: Passport").exists()


def test_a_custody_officer_sees_no_case_and_no_document(flagged: KycCase) -> None:
    client = client_of(officer_in("Custody officers", "cora"))
    picture = reverse("admin:accounts_kycdocument_picture", args=[flagged.documents.get().id])

    assert client.get(page_of(flagged)).status_code == 403
    assert client.get(picture).status_code == 403
    assert client.post(page_of(flagged), {"act": "reveal"}).status_code == 403


def test_an_investor_is_sent_to_the_staff_login(flagged: KycCase) -> None:
    user = flagged.investor.user
    assert user is not None

    answer = client_of(user).get(page_of(flagged))

    assert answer.status_code == 302
    assert "/admin/login" in answer["Location"]


@pytest.mark.parametrize("act", ["", "delete", "_act"])
def test_an_unknown_act_does_nothing(flagged: KycCase, olga: User, act: str) -> None:
    assert client_of(olga).post(page_of(flagged), {"act": act}).status_code == 404


def test_a_malformed_decision_is_a_bad_request(flagged: KycCase, olga: User) -> None:
    posted = {"act": "propose", "decision": "promote", "reason": "x"}

    assert client_of(olga).post(page_of(flagged), posted).status_code == 400


def test_cases_cannot_be_added_or_deleted(flagged: KycCase, admin_client: Client) -> None:
    delete = reverse("admin:accounts_kyccase_delete", args=[flagged.id])

    assert admin_client.get(reverse("admin:accounts_kyccase_add")).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_an_investor_is_restricted_by_one_and_freed_by_two(
    flagged: KycCase, olga: User, omar: User
) -> None:
    url = reverse("admin:accounts_investor_change", args=[flagged.investor_id])
    client_of(olga).post(
        url, {"act": "restrict", "kind": "freeze", "reason_code": "court_order", "note": "Az. 1"}
    )
    restriction = Restriction.objects.get()
    assert restriction.imposed_by == olga

    client_of(olga).post(
        url, {"act": "lift", "restriction": restriction.pk, "reason": "Order withdrawn."}
    )
    proposal = Proposal.objects.get(kind=restrictions.LIFT)
    page = reverse("admin:accounts_proposal_change", args=[proposal.id])
    assert "Order withdrawn." in client_of(omar).get(page).content.decode()
    client_of(omar).post(page, {"act": "confirm", "body_hash": proposal.body_hash})

    restriction.refresh_from_db()
    assert restriction.lifted_at is not None


def test_an_investors_file_opens_and_shows_no_secret(flagged: KycCase, olga: User) -> None:
    from accounts import api_keys

    made = api_keys.create(investor_id=flagged.investor_id, kind="native", scopes=["read"], now=NOW)
    url = reverse("admin:accounts_investor_change", args=[flagged.investor_id])

    page = client_of(olga).get(url).content.decode()

    assert made.key in page
    assert made.secret not in page
    key = Investor.objects.get(pk=flagged.investor_id).api_keys.get()
    key_page = client_of(olga).get(reverse("admin:accounts_apikey_change", args=[key.pk]))
    assert key_page.status_code == 200
    assert "secret" not in key_page.content.decode().lower()


def test_adding_a_disclosure_publishes_the_next_version(admin_client: Client) -> None:
    url = reverse("admin:accounts_disclosure_add")

    for body in ("Risks.", "More risks."):
        posted = {"subject": "AAPLx", "title": "AAPLx", "body": body}
        assert admin_client.post(url, posted).status_code == 302

    versions = Disclosure.objects.order_by("version").values_list("version", flat=True)
    assert list(versions) == [1, 2]


def test_staff_logins_are_made_with_an_email(admin_client: Client) -> None:
    posted = {
        "email": "nina@bourse.example", "full_name": "Nina", "usable_password": "true",
        "password1": "correct horse battery", "password2": "correct horse battery",
    }  # fmt: skip

    assert admin_client.post(reverse("admin:accounts_user_add"), posted).status_code == 302
    assert User.objects.get(email="nina@bourse.example").check_password("correct horse battery")
