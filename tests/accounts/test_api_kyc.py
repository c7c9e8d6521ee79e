from typing import Any

import pytest
from django.test import Client

from accounts.models import Consent, Disclosure, KycCase
from accounts.operations import disclosures
from tests.accounts.stories import NOW, hand_in, make_case, make_user

pytestmark = pytest.mark.usefixtures("germany")


@pytest.fixture
def case() -> KycCase:
    return make_case()


@pytest.fixture
def client(case: KycCase) -> Client:
    signed_in = Client()
    assert case.investor.user is not None
    signed_in.force_login(case.investor.user, backend="django.contrib.auth.backends.ModelBackend")
    return signed_in


@pytest.fixture
def risks() -> Disclosure:
    return disclosures.publish(subject="AAPLx", title="AAPLx", body="Risks.", now=NOW)


def accept(client: Client, sha256: str, subject: str = "AAPLx") -> Any:
    body = {"sha256": sha256}
    return client.post(
        f"/api/v1/disclosures/{subject}/consent/", body, content_type="application/json"
    )


def test_a_draft_says_what_is_missing(client: Client, case: KycCase) -> None:
    case.documents.all().delete()

    answer = client.get("/api/v1/kyc/").json()

    assert answer["status"] == "draft"
    assert [each["code"] for each in answer["missing"]] == ["identity_document"]


def test_a_case_that_was_handed_in_misses_nothing(client: Client, case: KycCase) -> None:
    hand_in(case)

    answer = client.get("/api/v1/kyc/").json()
    assert (answer["status"], answer["missing"]) == ("submitted", [])


def test_strangers_learn_nothing(case: KycCase) -> None:
    assert Client().get("/api/v1/kyc/").status_code in {401, 403}


def test_a_login_without_a_case_is_no_investor() -> None:
    signed_in = Client()
    signed_in.force_login(make_user("new"), backend="django.contrib.auth.backends.ModelBackend")

    answer = signed_in.get("/api/v1/kyc/")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_an_investor")


def test_everybody_reads_disclosures(risks: Disclosure) -> None:
    [shown] = Client().get("/api/v1/disclosures/").json()

    assert (shown["subject"], shown["sha256"], shown["is_accepted"]) == (
        "AAPLx", risks.sha256, False,
    )  # fmt: skip


def test_what_was_read_is_accepted(client: Client, risks: Disclosure) -> None:
    answer = accept(client, risks.sha256)

    assert (answer.status_code, answer.json()["version"]) == (201, 1)
    assert Consent.objects.get().disclosure == risks
    assert client.get("/api/v1/disclosures/").json()[0]["is_accepted"]


def test_another_text_than_the_current_one_is_refused(client: Client, risks: Disclosure) -> None:
    disclosures.publish(subject="AAPLx", title="AAPLx", body="More risks.", now=NOW)

    answer = accept(client, risks.sha256)

    assert (answer.status_code, answer.json()["code"]) == (409, "disclosure_outdated")
    assert not Consent.objects.exists()


def test_an_unknown_subject_is_not_found(client: Client) -> None:
    assert accept(client, "0" * 64, subject="NOPEx").status_code == 404
