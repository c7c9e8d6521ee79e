"""The verification as a person walks it: save, resume, upload, send, be refused, object."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Investor, KycCase, User
from accounts.operations import disclosures
from tests.accounts.stories import picture
from tests.portal.conftest import NOON, House, client_of

DETAILS = {
    "given_names": "Erika", "family_names": "Mustermann", "birth_date": "1985-08-12",
    "nationality": "DE", "residence_country": "DE", "street": "Heidestraße 17",
    "postal_code": "10557", "city": "Berlin", "tax_country": "DE", "tax_number": "12345678901",
    "is_us_person": "no", "is_pep": "no",
}  # fmt: skip


def save(client: Client, **changes: str) -> Any:
    return client.post(reverse("verification_details"), DETAILS | changes, follow=True)


def upload(client: Client, content: bytes, **changes: str) -> Any:
    form = {"kind": "passport", "issuing_country": "DE", **changes}
    file = SimpleUploadedFile("pass.png", content, content_type="image/png")
    return client.post(reverse("verification_documents"), {**form, "file": file}, follow=True)


def text_of(client: Client) -> str:
    return client.get(reverse("verification")).content.decode()


def test_what_was_saved_is_there_again(charlie: User) -> None:
    client = client_of(charlie)
    save(client)

    page = client_of(charlie).get(reverse("verification_details")).content.decode()

    assert 'value="Erika"' in page
    assert 'value="1985-08-12"' in page
    assert '<option value="DE" selected>' in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"birth_date": "2015-01-01"}, "at least 18"),
        ({"birth_date": "yesterday"}, "valid date"),
        ({"given_names": ""}, "required"),
        ({"nationality": "XX"}, "valid choice"),
        ({"is_us_person": ""}, "required"),
        ({"given_names": "123"}, "as they stand in your document"),
    ],
)
def test_details_that_cannot_be_right_are_refused_with_words(
    changes: dict[str, str], words: str, charlie: User
) -> None:
    answer = save(client_of(charlie), **changes)

    assert words in answer.content.decode()
    assert 'role="alert"' in answer.content.decode()
    assert KycCase.objects.get(investor__user=charlie).form_sealed is None


def test_the_page_says_what_is_missing_and_then_sends(charlie: User) -> None:
    client = client_of(charlie)
    assert "What you need" in text_of(client)
    save(client)
    assert "Upload a passport" in text_of(client)
    uploaded = upload(client, picture())
    assert "Send for verification" in uploaded.content.decode()

    client.post(reverse("verification_submit"))

    assert "Your documents are being checked" in text_of(client)
    assert 'hx-trigger="every 3s"' in text_of(client)
    # What was sent is closed: both pages lead back to where the case stands.
    for name in ("verification_details", "verification_documents"):
        assert client.get(reverse(name)).headers["Location"] == reverse("verification")


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.7 not a picture", b"\x89PNG\r\n\x1a\n broken", picture(size=(20, 20))]
)
def test_a_file_that_is_not_what_it_says_is_refused_under_its_field(
    content: bytes, charlie: User
) -> None:
    client = client_of(charlie)
    save(client)

    answer = upload(client, content)

    assert 'role="alert"' in answer.content.decode()
    assert not KycCase.objects.get(investor__user=charlie).documents.exists()


def test_a_document_can_be_taken_back_by_its_owner_alone(charlie: User, bob: Investor) -> None:
    client = client_of(charlie)
    save(client)
    upload(client, picture())
    document = KycCase.objects.get(investor__user=charlie).documents.get()
    address = reverse("verification_document_remove", args=[document.id])

    assert client_of(bob).post(address).status_code == 404
    client.post(address)

    assert not KycCase.objects.get(investor__user=charlie).documents.exists()


def test_a_us_citizen_reads_why_not_and_can_object(charlie: User) -> None:
    client = client_of(charlie)
    save(client, nationality="US")
    upload(client, picture(), issuing_country="US")
    client.post(reverse("verification_submit"))

    page = text_of(client)
    assert "you are a US citizen" in page
    assert "Is this wrong?" in page
    client.post(reverse("verification_review"), {"text": "I am not."})

    assert KycCase.objects.get(investor__user=charlie).status == "manual_review"
    assert "A compliance officer will look at your case" in text_of(client)


def test_staff_do_not_become_investors_with_their_staff_login(olga: User) -> None:
    answer = client_of(olga).get(reverse("verification_details"))

    assert answer.status_code == 403
    assert "Staff cannot become investors" in answer.content.decode()


def accept(client: Client, sha256: str, **changes: str) -> Any:
    form = {"read": "on", "sha256": sha256, "next": "/trade/AAPLxUSDC/"} | changes
    return client.post(reverse("accept_disclosure", args=["AAPLx"]), form)


def test_a_disclosure_is_accepted_as_the_version_that_was_read(house: House, bob: Investor) -> None:
    client = client_of(bob)
    read = disclosures.publish(subject="AAPLx", title="AAPLx", body="Old.", now=NOON)
    gate = client.get(reverse("trade", args=["AAPLxUSDC"])).content.decode()
    assert "Read what AAPLx is before you buy it" in gate
    newer = disclosures.publish(subject="AAPLx", title="AAPLx", body="New.", now=NOON)

    accept(client, read.sha256)
    assert not bob.consents.exists()
    accept(client, newer.sha256, read="")
    assert not bob.consents.exists()
    answer = accept(client, newer.sha256)

    assert answer.headers["Location"] == "/trade/AAPLxUSDC/"
    assert bob.consents.get().disclosure == newer
    gate = client.get(reverse("trade", args=["AAPLxUSDC"])).content.decode()
    assert "Read what AAPLx is" not in gate


def test_accepting_never_leads_to_another_site(house: House, bob: Investor) -> None:
    text = disclosures.publish(subject="AAPLx", title="AAPLx", body="Text.", now=NOON)

    answer = accept(client_of(bob), text.sha256, next="https://evil.example/")

    assert answer.headers["Location"] == reverse("disclosure", args=["AAPLx"])


def test_going_back_after_a_refused_picture_sends_nothing_again(charlie: User) -> None:
    client = client_of(charlie)
    save(client)
    file = SimpleUploadedFile("pass.png", b"not a picture", content_type="image/png")
    form = {"kind": "passport", "issuing_country": "DE", "file": file}

    answer = client.post(reverse("verification_documents"), form)

    assert answer.status_code == 302
    page = client.get(answer.headers["Location"]).content.decode()
    assert "Not uploaded." in page
    assert '<option value="passport" selected' in page
    assert "Not uploaded." not in client.get(reverse("verification_documents")).content.decode()
